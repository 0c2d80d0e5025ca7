//! What an answer says it varies on.

use crate::rig::{CACHED, Rig};
use crate::strict::Seen;

fn varying(on: &'static str) -> impl Fn(&Seen) -> Vec<u8> + Send + Sync {
    move |seen| {
        let echo = String::from_utf8(crate::strict::echo(seen)).unwrap();
        echo.replacen("OK\r\n", &format!("OK\r\nVary: {on}\r\n"), 1).into_bytes()
    }
}

#[tokio::test]
async fn vary_abuse() {
    for (on, stored) in [
        ("*", false),
        ("Accept, *", false),
        ("Cookie", false),
        ("cookie, accept", false),
        ("Authorization", false),
        ("Accept Language", false),
        ("Accept", true),
        ("", true),
    ] {
        let rig = Rig::answering(CACHED, varying(on)).await;
        for _ in 0..2 {
            rig.ask("GET /c/a", &["Accept: a", "Cookie: sid=evil"]).await;
        }
        let clean = rig.ask("GET /c/a", &["Accept: a"]).await;
        assert_eq!(clean.verdict() == "HIT", stored, "Vary: {on}: {clean:?}");
    }
}

#[tokio::test]
async fn variant_explosion() {
    let routes = format!("{CACHED}    vary: {{ max_variants: 4 }}\n");
    let rig = Rig::answering(&routes, varying("X-Any")).await;
    for at in 0..40 {
        rig.ask("GET /c/a", &[&format!("X-Any: {at}")]).await;
    }
    rig.origin.seen();
    for at in 0..40 {
        let answer = rig.ask("GET /c/a", &[&format!("X-Any: {at}")]).await;
        assert!(answer.holds(&format!("x-any: {at}\r\n")), "{answer:?}");
    }
    assert!(rig.origin.seen().len() >= 36, "no more than four are kept");
}

#[tokio::test]
async fn forced_fetches() {
    // An Accept-Encoding that nobody can read selects what no Accept-Encoding selects, or one variant at most.
    let rig = Rig::answering(CACHED, varying("Accept-Encoding")).await;
    for at in 0..30 {
        rig.ask("GET /c/a", &[&format!("Accept-Encoding: x{at};q=zz, \u{1f600}")]).await;
    }
    assert!(rig.origin.seen().len() <= 2);
}

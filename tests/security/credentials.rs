//! Answers for one client that another could be given.

use crate::rig::Rig;
use crate::strict::Seen;

/// An origin whose answers carry these fields.
fn saying(fields: &'static str) -> impl Fn(&Seen) -> Vec<u8> + Send + Sync {
    move |seen| {
        let echo = String::from_utf8(crate::strict::echo(seen)).unwrap();
        echo.replacen("OK\r\n", &format!("OK\r\n{fields}"), 1).into_bytes()
    }
}

fn route(options: &str) -> String {
    format!("routes:\n  - path: /c/{{rest*}}\n    ttl: 60s\n{options}")
}

#[tokio::test]
async fn credential_leakage() {
    let keyed = "    vary_on: { headers: [authorization], cookies: [sid] }\n";
    for (options, request, response, shared) in [
        ("", "Authorization: Bearer evil", "", false),
        ("", "Authorization: Bearer evil", "Cache-Control: max-age=60\r\n", false),
        ("", "Authorization: Bearer evil", "Cache-Control: public\r\n", true),
        ("", "Authorization: Bearer evil", "Cache-Control: s-maxage=60\r\n", true),
        ("", "Authorization: Bearer evil", "Cache-Control: public, private\r\n", false),
        ("", "Authorization: Bearer evil", "Vary: Authorization\r\n", false),
        (keyed, "Authorization: Bearer evil", "", false),
        (keyed, "Cookie: sid=evil", "", false),
        (keyed, "Cookie: a=1; sid=evil", "Vary: Cookie\r\n", false),
        ("    bypass: { if_cookie: [sid] }\n", "Cookie: sid=evil", "", false),
        ("    bypass: { if_cookie: [sid] }\n", "Cookie: a=1;sid=evil", "Cache-Control: public\r\n", false),
        ("", "Cookie: sid=evil", "Vary: Cookie\r\n", false),
        ("", "Cookie: sid=evil", "Set-Cookie: sid=evil\r\n", false),
        ("    set_cookie: strip\n", "Accept: a", "Set-Cookie: sid=evil\r\n", true),
    ] {
        let rig = Rig::answering(&route(options), saying(response)).await;
        for _ in 0..2 {
            rig.ask("GET /c/a", &[request]).await;
        }
        let clean = rig.ask("GET /c/a", &[]).await;
        assert_eq!(clean.verdict() == "HIT", shared, "{options}{request} {response}: {clean:?}");
        let set = clean.holds("Set-Cookie") || clean.holds("set-cookie");
        assert!(!(set && clean.verdict() == "HIT"), "{options}{request} {response}: {clean:?}");
    }
}

#[tokio::test]
async fn origin_directives_ignored() {
    for response in [
        "Cache-Control: no-store\r\n",
        "Cache-Control: private\r\n",
        "Cache-Control: public, no-store\r\n",
        "Cache-Control: max-age=60\r\nCache-Control: no-store\r\n",
        "Cache-Control: NO-STORE\r\n",
        "Cache-Control: no-store=1\r\n",
        "Cache-Control: max-age=60, private=\"\"\r\n",
        "Cache-Control: private=\"\r\n",
        "Cache-Control: max-age=0\r\n",
        "Cache-Control: s-maxage=0, max-age=60\r\n",
        "Cache-Control: no-cache\r\n",
        "CDN-Cache-Control: no-store\r\nCache-Control: max-age=60\r\n",
        "Expires: 0\r\n",
        "Set-Cookie: a=1\r\n",
    ] {
        let rig = Rig::answering(&route(""), saying(response)).await;
        for _ in 0..3 {
            assert_ne!(rig.get("/c/a").await.verdict(), "HIT", "{response}");
        }
    }
    let overriding =
        Rig::answering(&route("    origin_headers: override\n"), saying("Cache-Control: private\r\n")).await;
    overriding.get("/c/a").await;
    assert_eq!(overriding.get("/c/a").await.verdict(), "HIT", "an operator who says so is obeyed");
}

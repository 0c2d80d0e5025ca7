//! Header fields that reach the upstream and no key.

use crate::rig::{CACHED, Rig};
use crate::strict::Seen;

/// Fields that frameworks build links, routes, redirects and methods from.
const SHAPING: &[&str] = &[
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Protocol",
    "X-Forwarded-Context",
    "X-Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "X-Host",
    "X-Original-Host",
    "X-HTTP-Host-Override",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-Script-Name",
    "X-Scheme",
    "X-Url-Scheme",
    "X-Envoy-Original-Path",
    "CloudFront-Forwarded-Proto",
    "Front-End-Https",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Larder-Token",
    "X-FORWARDED-HOST",
    "X_Forwarded_Host",
    "X-Forwarded_Host",
    "x_forwarded_for",
    "X_Forwarded_Proto",
    "X_HTTP_Method_Override",
    "X_Original_URL",
    // Of one connection.
    "Proxy-Authorization",
    "Proxy-Connection",
    "Keep-Alive",
];

#[tokio::test]
async fn unkeyed_header() {
    let rig = Rig::echoing(CACHED).await;
    for (at, name) in SHAPING.iter().enumerate() {
        let path = format!("/c/{at}");
        let poisoned = rig.ask(&format!("GET {path}"), &[&format!("{name}: evil.example")]).await;
        assert_eq!(poisoned.verdict(), "MISS", "{name}");
        assert!(!poisoned.holds("evil.example"), "{name} reached the upstream: {}", poisoned.body);
        let clean = rig.get(&path).await;
        assert!(clean.verdict() == "HIT" && !clean.holds("evil.example"), "{name}: {clean:?}");
    }
}

#[tokio::test]
async fn unkeyed_header_in_several_lines_and_odd_shapes() {
    let rig = Rig::echoing(CACHED).await;
    for (at, fields) in [
        &["X-Forwarded-Host: a", "X-Forwarded-Host: evil.example"][..],
        &["X-Forwarded-Host:evil.example"],
        &["X-Forwarded-Host:\t evil.example \t"],
        &["X-Forwarded-Host: a,evil.example"],
        &["Connection: X-Larder-Nothing", "X-Forwarded-Host: evil.example"],
        &["Connection: Host, X-Forwarded-Host", "X-Forwarded-Host: evil.example"],
        &["Connection: X-Forwarded-Proto, X-Forwarded-For", "X-Forwarded-For: evil.example"],
        &["X-Forwarded-Proto: http", "X-Forwarded-Proto: evil.example"],
        &["Forwarded: for=1;host=evil.example;proto=https"],
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/c/{at}");
        assert!(!rig.ask(&format!("GET {path}"), fields).await.holds("evil.example"), "{fields:?}");
        assert!(!rig.get(&path).await.holds("evil.example"), "{fields:?}");
    }
}

#[tokio::test]
async fn unkeyed_scheme() {
    for (trusted, other) in [("[]", "HIT"), ("[127.0.0.1]", "MISS")] {
        let rig = Rig::echoing(&format!("trusted_proxies: {trusted}\n{CACHED}")).await;
        let secure = ["X-Forwarded-Proto: https"];
        let first = rig.ask("GET /c/a", &secure).await;
        assert_eq!(first.holds("x-forwarded-proto: https"), trusted != "[]", "{trusted}");
        let plain = rig.get("/c/a").await;
        assert_eq!(plain.verdict(), other, "{trusted}");
        assert!(plain.holds("x-forwarded-proto: http\r\n"), "{trusted}: {plain:?}");
        // What a request without the field is taken for shares its answer.
        assert_eq!(rig.ask("GET /c/a", &["X-Forwarded-Proto: http"]).await.verdict(), "HIT", "{trusted}");
        let again = rig.ask("GET /c/a", &secure).await;
        assert_eq!((again.verdict(), &again.body), ("HIT", &first.body), "{trusted}");
        let odd = rig.ask("GET /c/a", &["X-Forwarded-Proto: http", "X-Forwarded-Proto: evil"]).await;
        assert_eq!(odd.verdict(), other, "{trusted}");
        assert!(!rig.get("/c/a").await.holds("evil") && !rig.ask("GET /c/a", &secure).await.holds("evil"));
    }
}

#[tokio::test]
async fn what_is_cleared_is_cleared_for_every_scheme() {
    let rig = Rig::echoing(&format!("trusted_proxies: [127.0.0.1]\n{CACHED}")).await;
    for fields in [&[][..], &["X-Forwarded-Proto: https"]] {
        rig.ask("GET /c/a", fields).await;
        assert_eq!(rig.ask("GET /c/a", fields).await.verdict(), "HIT");
    }
    rig.ask("DELETE /c/a", &["X-Forwarded-Proto: https"]).await;
    for fields in [&[][..], &["X-Forwarded-Proto: https"]] {
        assert_eq!(rig.ask("GET /c/a", fields).await.verdict(), "MISS", "{fields:?}");
    }
}

#[tokio::test]
async fn method_override() {
    // An upstream that obeys the field answers a GET as if it had been the other method.
    let rig = Rig::answering(CACHED, |seen: &Seen| {
        let obeyed = seen.fields.to_ascii_lowercase().contains("override") || seen.fields.contains("x-http-method");
        let body = if obeyed { "deleted" } else { "shown" };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    for (at, name) in
        ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_Method_Override"].iter().enumerate()
    {
        for line in ["GET", "HEAD"] {
            rig.ask(&format!("{line} /c/{at}"), &[&format!("{name}: DELETE")]).await;
            assert_eq!(rig.get(&format!("/c/{at}")).await.body, "shown", "{name}");
        }
    }
}

#[tokio::test]
async fn nominated_away() {
    // `Connection` names what is of one hop. It cannot take from the upstream, or from the key, what is for all.
    let keyed = "routes:\n  - path: /c/{rest*}\n    ttl: 60s\n    vary_on: { headers: [x-tenant], cookies: [sid] }\n";
    let rig = Rig::echoing(keyed).await;
    let mine = ["X-Tenant: evil", "Cookie: sid=evil"];
    let stripped = rig.ask("GET /c/a", &[mine[0], mine[1], "Connection: X-Tenant, Cookie"]).await;
    assert!(!stripped.holds("x-tenant: evil"), "the field is of that connection: {stripped:?}");
    assert!(!rig.get("/c/a").await.holds("evil"));
    let whole = rig.ask("GET /c/a", &["Authorization: Basic x", "Connection: Authorization"]).await;
    assert!(whole.holds("authorization: Basic x"), "{whole:?}");
    assert!(!rig.get("/c/a").await.holds("Basic"));
}

#[tokio::test]
async fn second_spelling_of_a_keyed_field() {
    let keyed = "routes:\n  - path: /c/{rest*}\n    ttl: 60s\n    vary_on: { headers: [x-tenant], cookies: [sid] }\n";
    let rig = Rig::echoing(keyed).await;
    for (at, fields) in [
        &["X_Tenant: evil"][..],
        &["X-Tenant: 1", "X_Tenant: evil"],
        &["X-Tenant: 1", "X-Tenant: evil"],
        &["X-Tenant: 1, evil"],
        &["Cookie: sid =evil"],
        &["Cookie: sid=1; sid=evil"],
        &["Cookie: sid=1", "Cookie: sid=evil"],
        &["Cookie: sid=evil; sid=1"],
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("GET /c/{at}");
        rig.ask(&path, fields).await;
        for clean in [&[][..], &["X-Tenant: 1"], &["Cookie: sid=1"], &["X-Tenant: 1", "Cookie: sid=1"]] {
            let clean = rig.ask(&path, clean).await;
            assert!(clean.status == 200 && !clean.holds("evil"), "{fields:?}: {clean:?}");
        }
    }
}

#[tokio::test]
async fn what_http_leaves_to_the_origin_is_kept_apart_by_its_vary() {
    // These reach the upstream as they are; an answer that depends on them says so.
    for (at, name) in ["User-Agent", "Accept", "Accept-Language", "Origin", "X-Custom"].iter().enumerate() {
        let rig = Rig::answering(CACHED, move |seen: &Seen| {
            let echo = String::from_utf8(crate::strict::echo(seen)).unwrap();
            echo.replacen("OK\r\n", &format!("OK\r\nVary: {name}\r\n"), 1).into_bytes()
        })
        .await;
        let path = format!("GET /c/{at}");
        assert!(rig.ask(&path, &[&format!("{name}: evil")]).await.holds("evil"), "{name} is forwarded");
        assert!(!rig.ask(&path, &[]).await.holds("evil"), "{name}");
        assert!(!rig.ask(&path, &[&format!("{name}: good")]).await.holds("evil"), "{name}");
        assert_eq!(rig.ask(&path, &[]).await.verdict(), "HIT", "{name}");
    }
}

#[tokio::test]
async fn what_is_normalised_for_the_key_is_forwarded_so() {
    let rig = Rig::echoing(CACHED).await;
    for (at, (sent, shown)) in [
        ("Accept-Encoding: gzip;q=1.0, evil", "accept-encoding: gzip\r\n"),
        ("Accept-Encoding: evil", "accept-encoding: identity\r\n"),
        ("Accept-Encoding: GZIP, br;q=0.1", "accept-encoding: br, gzip\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = rig.ask(&format!("GET /c/{at}"), &[sent]).await;
        assert!(answer.holds(shown) && !answer.holds("evil"), "{sent}: {}", answer.body);
    }
}

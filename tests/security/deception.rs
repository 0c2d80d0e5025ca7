//! Paths that lead the cache to one resource and the upstream to another.

use crate::rig::{CACHED, Rig};

/// Assets are cached, what is under `/api/` is not.
const ASSETS: &str = "routes:\n  - path: /assets/{rest*}\n    ttl: 60s\n  - path: /item/{id}\n    ttl: 60s\n  \
                      - path: /me.css\n    ttl: 60s\n";

#[tokio::test]
async fn cache_deception() {
    let rig = Rig::echoing(ASSETS).await;
    for path in [
        "/assets/../api/me",
        "/assets/./x",
        "/assets/..%2fapi/me",
        "/assets/..%2Fapi/me",
        "/assets/%2e%2e/api/me",
        "/assets/%2E%2e%2fapi%2fme",
        "/assets/.%2e/api/me",
        "/assets/..;/api/me",
        "/assets/..;x=1/api/me",
        "/assets/%2e%2e;/api/me",
        "/assets/..\\api\\me",
        "/assets/..%5capi%5cme",
        "/assets/x%00.css",
        "/assets/x%0a.css",
        "/assets/x%0d%0aX:1",
        "/assets/x%7f",
        "/item/..",
        "/item/%2e%2e",
    ] {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    assert_eq!(rig.origin.seen(), []);
}

#[tokio::test]
async fn what_looks_like_a_cached_path_to_some_is_not_cached() {
    let rig = Rig::echoing(ASSETS).await;
    for path in [
        "/api/me;.css",
        "/api/me/x.css",
        "/api/me.css",
        "/api/me%2f..%2f..%2fassets/x.css",
        "/api/me?/assets/x.css",
        "/api/me%3f.css",
        "/api/me%23.css",
        "/item/7;x.css",
        "/item/7%2fme",
        "/item/7%2Fme",
        "/item/",
        "/item/7/me",
        "/me.css/",
        "/me.css;x",
        "/ME.css",
        "/%6de.css",
        "//me.css",
        "/Assets/x",
        "/assets",
        "/%61ssets/x",
    ] {
        for _ in 0..2 {
            let answer = rig.get(path).await;
            assert_eq!((answer.status, answer.verdict()), (200, "BYPASS"), "{path}");
            assert!(answer.body.starts_with(&format!("GET {path}\r\n")), "{path} became {}", answer.body);
        }
    }
}

#[tokio::test]
async fn normalisation_mismatch() {
    // What is not the same byte for byte is not the same.
    let rig = Rig::echoing(CACHED).await;
    let spellings =
        ["/c/a", "/c/%61", "/c/A", "/c/a/", "/c//a", "/c/a;", "/c/a%20", "/c/a+", "/c/a%2B", "/c/a%2b", "/c/a."];
    for path in spellings {
        let first = rig.get(path).await;
        assert!(first.verdict() == "MISS" && first.body.starts_with(&format!("GET {path}\r\n")), "{path}: {first:?}");
    }
    for path in spellings {
        let again = rig.get(path).await;
        assert!(again.verdict() == "HIT" && again.body.starts_with(&format!("GET {path}\r\n")), "{path}: {again:?}");
    }
}

#[tokio::test]
async fn hash_collision_of_long_keys() {
    let rig = Rig::echoing(CACHED).await;
    let head = format!("/c/{}", "a".repeat(250));
    let paths = [format!("{head}b"), format!("{head}c"), format!("{head}?b"), format!("{head}/b"), head.clone()];
    for path in &paths {
        assert_eq!(rig.get(path).await.verdict(), "MISS");
    }
    for path in &paths {
        let again = rig.get(path).await;
        assert!(again.verdict() == "HIT" && again.body.starts_with(&format!("GET {path}\r\n")), "{path}");
    }
}

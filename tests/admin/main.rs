//! The admin routes over real connections.
#![cfg(feature = "admin")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[cfg(feature = "memory")]
mod layered;
mod rig;

use larder::admin::{Options, Readiness};
use larder::cache::OnStoreError;
use rig::Rig;
use serde_json::json;

#[tokio::test]
async fn a_key_is_deleted_in_every_form_it_can_be_written_in() {
    let rig = Rig::new().await;
    for (path, key, deleted) in [
        ("/invalidate/GET:/api/users/1", "GET:/api/users/1", 1),
        ("/invalidate/GET:/api/posts/?page=2", "GET:/api/posts/?page=2", 1),
        ("/invalidate/GET:/api/posts/?utm=1&page=3&nocache=1", "GET:/api/posts/?page=3", 1),
        ("/invalidate/GET%3A%2Fapi%2Fposts%2F%3Fpage%3D4", "GET:/api/posts/?page=4", 1),
        ("/invalidate/GET:/api/posts/", "GET:/api/posts/", 2),
        ("/invalidate/GET:/api/posts/", "GET:/api/posts/", 0),
        ("/invalidate/GET:/api/a%20b", "GET:/api/a%20b", 1),
        ("/invalidate/GET://h.example/api/users/1", "GET://h.example/api/users/1", 1),
    ] {
        let answer = rig.send("DELETE", path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.text, format!(r#"{{"message":"Cache key deleted","key":"{key}","deleted":{deleted}}}"#));
    }
}

#[tokio::test]
async fn what_is_not_a_key_is_a_400_that_says_what_one_looks_like() {
    let rig = Rig::new().await;
    for path in ["/invalidate/", "/invalidate/api/posts/", "/invalidate/get:/a", "/invalidate/GET%3A%2F%FF"] {
        let answer = rig.send("DELETE", path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("GET:/api/posts/"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_body_names_keys_patterns_tags_a_category_or_all() {
    for (body, deleted) in [
        (r#"{"keys":["GET:/api/users/1","GET:/api/users/2","GET:/absent"]}"#, 2),
        (r#"{"keys":["GET:/api/posts/"]}"#, 5),
        (r#"{"patterns":["GET:/api/users/*"]}"#, 2),
        (r#"{"tags":["user:1","user:*"]}"#, 1),
        (r#"{"category":"users"}"#, 2),
        (r#"{"all":true}"#, 9),
        (r#"{"category":"users","keys":["GET:/api/users/1"],"all":true}"#, 9),
    ] {
        let rig = Rig::new().await;
        let dry = format!("{},\"dry_run\":true}}", body.trim_end_matches('}'));
        let counted = rig.post("/invalidate", &dry).await;
        assert_eq!((counted.status, &counted.json()["deleted"]), (200, &json!(deleted)), "{dry}");
        let answer = rig.post("/invalidate", body).await;
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.json(), json!({"message": "Cache keys deleted", "deleted": deleted}), "{body}");
        assert_eq!(rig.post("/invalidate", body).await.json()["deleted"], 0, "{body}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_meant_clears_nothing() {
    let rig = Rig::new().await;
    for (body, word) in [
        (r#"{"all":true,"sofft":true}"#, "sofft"),
        (r#"{"keys":["GET:/api/users/1","nonsense"]}"#, "nonsense"),
        ("{}", "name what to clear"),
        ("keys", "not a JSON object"),
    ] {
        let answer = rig.post("/invalidate", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"].as_str().unwrap().contains(word), "{}", answer.text);
    }
    let huge = format!(r#"{{"tags":["{}"]}}"#, "x".repeat(70_000));
    let answer = rig.post("/invalidate", &huge).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].is_string());
    assert_eq!(rig.get("/metrics/cache").await.json()["total_cached_keys"], 9);
}

#[tokio::test]
async fn an_invalidation_that_waits_for_the_store_is_accepted() {
    let rig = Rig::new().await;
    rig.store.go_away();
    let answer = rig.send("DELETE", "/invalidate/GET:/api/posts/").await;
    assert_eq!(answer.status, 202);
    let body = json!({"message": "Cache key will be deleted", "key": "GET:/api/posts/", "deleted": 0, "queued": true});
    assert_eq!(answer.json(), body);
    let answer = rig.post("/invalidate", r#"{"all":true}"#).await;
    assert_eq!((answer.status, &answer.json()["queued"]), (202, &json!(true)));
    let answer = rig.post("/invalidate", r#"{"all":true,"dry_run":true}"#).await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].as_str().unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn metrics_begin_with_the_four_fields_everybody_reads() {
    let rig = Rig::new().await;
    let answer = rig.get("/metrics/cache").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with(r#"{"hits":0,"misses":0,"top_keys":[],"total_cached_keys":9,"#), "{}", answer.text);
    let json = answer.json();
    assert_eq!((&json["bypasses"], &json["hit_rate"], &json["by_reason"]), (&json!(0), &json!(0.0), &json!({})));
    let rig = Rig::new().await;
    rig.store.go_away();
    let answer = rig.get("/metrics/cache").await;
    assert_eq!((answer.status, &answer.json()["total_cached_keys"]), (200, &json!(null)));
}

#[tokio::test]
async fn statistics_know_every_category_of_a_route() {
    let rig = Rig::new().await;
    let nothing = json!({"hits": 0, "misses": 0, "hit_rate": 0.0, "total_ops": 0, "last_updated": null});
    let answer = rig.get("/cache/stats").await;
    assert_eq!(answer.json(), json!({"success": true, "data": {"users": nothing, "overall": nothing}}));
    assert_eq!(rig.get("/cache/stats/users").await.json(), json!({"success": true, "data": nothing}));
    let answer = rig.get("/cache/stats/absent").await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].is_string());
    let answer = rig.post("/cache/stats/reset", "").await;
    assert_eq!(answer.json(), json!({"success": true, "message": "Cache statistics reset successfully"}));
}

#[tokio::test]
async fn health_tells_a_slow_cache_from_a_dead_process() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/health/live").await.status, 200);
    assert_eq!(rig.get("/health/ready").await.json(), json!({"status": "ready"}));
    let answer = rig.get("/health/cache").await;
    let latency = answer.json()["cache"]["latency_ms"].clone();
    assert!(latency.is_f64(), "{}", answer.text);
    let cache = json!({"healthy": true, "backend": "memory", "latency_ms": latency});
    assert_eq!(answer.json(), json!({"status": "healthy", "cache": cache}));

    rig.store.go_away();
    assert_eq!(rig.get("/health/ready").await.status, 200);
    let answer = rig.get("/health/cache").await;
    let cache = json!({"healthy": false, "error": "connection refused", "queued_invalidations": 3});
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "degraded", "cache": cache})));
}

#[tokio::test]
async fn where_requests_fail_without_the_store_so_does_readiness() {
    let rig = Rig::with(Options::default(), OnStoreError::Error).await;
    assert_eq!(rig.get("/health/ready").await.status, 200);
    rig.store.go_away();
    assert_eq!(rig.get("/health/live").await.status, 200);
    assert_eq!(rig.get("/health/ready").await.status, 503);
    assert_eq!(rig.get("/health/cache").await.status, 503);
}

#[tokio::test]
async fn a_process_that_drains_is_not_ready() {
    let readiness = Readiness::default();
    let rig = Rig::with(Options::default().readiness(readiness.clone()), OnStoreError::Bypass).await;
    readiness.end();
    let answer = rig.get("/health/ready").await;
    assert_eq!((answer.status, answer.json()), (503, json!({"status": "draining"})));
    assert_eq!(rig.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_token_guards_everything_but_health() {
    let rig = Rig::with(Options::default().token("correct horse"), OnStoreError::Bypass).await;
    for (method, path) in [
        ("DELETE", "/invalidate/GET:/api/posts/"),
        ("DELETE", "/invalidate/"),
        ("POST", "/invalidate"),
        ("GET", "/metrics/cache"),
        ("GET", "/cache/stats"),
        ("GET", "/cache/stats/users"),
        ("POST", "/cache/stats/reset"),
        ("GET", "/cache/explain?url=/a"),
        ("GET", "/cache/entry/GET:/a"),
        ("GET", "/invalidate"),
    ] {
        let answer = rig.send(method, path).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
        let answer = rig.send_with(method, path, "Authorization: Bearer wrong horse\r\n").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(answer.json()["error"].is_string());
    }
    for path in ["/health/live", "/health/ready", "/health/cache"] {
        assert_eq!(rig.get(path).await.status, 200, "{path}");
    }
    let answer = rig.send_with("GET", "/metrics/cache", "Authorization: Bearer correct horse\r\n").await;
    assert_eq!((answer.status, &answer.json()["total_cached_keys"]), (200, &json!(9)));
}

#[tokio::test]
async fn no_get_changes_anything_and_other_methods_do_not_exist() {
    let rig = Rig::new().await;
    for (method, path, allow) in [
        ("GET", "/invalidate/GET:/api/posts/", "DELETE"),
        ("POST", "/invalidate/GET:/api/posts/", "DELETE"),
        ("GET", "/invalidate", "POST"),
        ("GET", "/cache/stats/reset", "POST"),
        ("POST", "/metrics/cache", "GET"),
        ("POST", "/cache/explain?url=/a", "GET"),
        ("PURGE", "/invalidate/GET:/api/posts/", "DELETE"),
        ("DELETE", "/health/live", "GET"),
    ] {
        let answer = rig.send(method, path).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.head.contains(&format!("allow: {allow}")), "{}", answer.head);
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(rig.get("/metrics/cache").await.json()["total_cached_keys"], 9);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_clear_the_cache() {
    let rig = Rig::new().await;
    let answer = rig.send_with("POST", "/cache/stats/reset", "Sec-Fetch-Site: cross-site\r\n").await;
    assert_eq!(answer.status, 403);
    let answer = rig.send_with("DELETE", "/invalidate/GET:/api/posts/", "Origin: http://evil.example\r\n").await;
    assert_eq!(answer.status, 403);
    assert_eq!(rig.get("/metrics/cache").await.json()["total_cached_keys"], 9);
}

#[tokio::test]
async fn the_routes_can_be_nested_in_an_app() {
    let rig = Rig::nested("/internal").await;
    let answer = rig.send("DELETE", "/internal/invalidate/GET:/api/posts/?page=2").await;
    assert_eq!((answer.status, &answer.json()["key"]), (200, &json!("GET:/api/posts/?page=2")));
    assert_eq!(rig.get("/").await.text, "the app");
}

#[tokio::test]
async fn an_explanation_has_a_decision_a_key_a_route_and_steps() {
    let rig = Rig::new().await;
    let answer = rig.get("/cache/explain?method=GET&url=/api/posts/%3Fpage=2%26utm=1&header=Accept:%20text/html").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.starts_with(r#"{"decision":"pass","key":null,"route":"/api/posts/","steps":[{"step":"edge","#));
    let json = answer.json();
    let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["edge", "method", "route", "cached"]);
    let cached = &json["steps"][3];
    assert_eq!((&cached["outcome"], &cached["facts"]["max_ttl_seconds"]), (&json!("no"), &json!(86400.0)));
    assert!(cached["detail"].as_str().unwrap().contains("neither `ttl` nor `cache: true`"), "{cached}");

    let clears = rig.get("/cache/explain?method=PUT&url=http://h.example/api/users/1").await.json();
    assert_eq!((&clears["decision"], &clears["route"]), (&json!("pass"), &json!("/api/users/{id}")));
    assert_eq!(rig.get("/metrics/cache").await.json()["by_reason"], json!({}));
}

#[tokio::test]
async fn what_is_no_request_is_not_explained() {
    let rig = Rig::new().await;
    for (path, word) in [
        ("/cache/explain", "?url=/api/posts/"),
        ("/cache/explain?url=/a?b=1&c=2", "%26"),
        ("/cache/explain?url=/a&header=nonsense", "nonsense"),
        ("/cache/explain?url=ftp://h/", "ftp://h/"),
    ] {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains(word), "{}", answer.text);
    }
}

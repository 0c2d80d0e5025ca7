//! What every store promises, asked of every store.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "redis")]
#[path = "rig/redis_server.rs"]
#[expect(dead_code, reason = "nothing fails here; the faults have a file of their own")]
mod redis_server;
#[path = "rig/store.rs"]
mod rig;

use std::sync::Mutex;

use larder::clock::Clock;
use larder::invalidation::{Category, Cleared, Glob, Selector, Tag};
use larder::store::{Found, MemoryStore, Record, Store, Stored};
use rig::{Page, Rig, key, page};

macro_rules! contract {
    ($($(#[$attribute:meta])* $sentence:ident)*) => {
        mod memory {
            $($(#[$attribute])* #[tokio::test] async fn $sentence() { super::$sentence(&*super::memory_rig()).await; })*
        }
        #[cfg(feature = "redis")]
        mod redis {
            $($(#[$attribute])* #[tokio::test] async fn $sentence() {
                let server = crate::redis_server::RedisServer::start();
                super::$sentence(&*super::redis_rig(&server).await).await;
                super::every_key_is_larders_and_mortal(&server);
            })*
        }
        #[cfg(feature = "redis")]
        mod tiered {
            $($(#[$attribute])* #[tokio::test] async fn $sentence() {
                let server = crate::redis_server::RedisServer::start();
                super::$sentence(&*super::tiered_rig(&server).await).await;
                super::every_key_is_larders_and_mortal(&server);
            })*
        }
    };
}

contract! {
    what_was_stored_is_read_and_what_was_not_is_absent
    variants_are_kept_apart_and_the_key_names_their_fields
    the_oldest_variant_leaves
    other_vary_names_drop_the_old_variants
    a_single_entry_and_variants_replace_each_other
    a_key_clears_its_queries_and_variants_and_nothing_else
    a_query_clears_itself_and_its_keyed_fields
    globs_tags_categories_and_all_clear_what_they_name
    a_long_key_is_stored_and_cleared_like_any_other
    a_late_put_is_refused_after_every_kind_of_invalidation
    an_invalidation_leaves_other_fills_alone
    a_holder_clears_around_its_own_lease
    a_spared_lease_ends_by_any_other_invalidation
    a_closed_fence_stores_nothing
    a_released_lease_leaves_the_key_free
    a_removed_key_is_gone_with_its_variants
    count_tells_what_an_invalidation_would_delete
    a_replaced_entry_answers_to_its_new_tags
    a_healthy_store_says_so
    a_record_is_shown_whole
}

fn memory_rig() -> Box<Rig<MemoryStore>> {
    Box::new(Rig {
        fences: true,
        flights: Mutex::default(),
        clock: Clock::system(),
        store: Box::new(MemoryStore::new(64 << 20)),
    })
}

/// Without fences: the lease in Redis has to refuse late stores by itself, as it does for other nodes' invalidations.
#[cfg(feature = "redis")]
async fn redis_rig(server: &redis_server::RedisServer) -> Box<Rig<larder::store::RedisStore>> {
    let store = Box::new(redis_store(server).await);
    Box::new(Rig { fences: false, flights: Mutex::default(), clock: Clock::system(), store })
}

/// Memory in front of Redis, once changes are told.
#[cfg(feature = "redis")]
async fn tiered_rig(server: &redis_server::RedisServer) -> Box<Rig<larder::store::TieredStore>> {
    let near = larder::store::NearConfig::default();
    let store = Box::new(larder::store::TieredStore::new(near, redis_store(server).await, Clock::system()));
    while !store.is_coherent() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    Box::new(Rig { fences: true, flights: Mutex::default(), clock: Clock::system(), store })
}

#[cfg(feature = "redis")]
async fn redis_store(server: &redis_server::RedisServer) -> larder::store::RedisStore {
    // A loaded machine must not turn a slow answer into a miss here.
    let second = std::time::Duration::from_secs(5);
    let config = larder::store::RedisConfig {
        read_timeout: second,
        write_timeout: second,
        ..larder::store::RedisConfig::at(server.url())
    };
    larder::store::RedisStore::connect(config, Clock::system()).await.unwrap()
}

#[cfg(feature = "redis")]
fn every_key_is_larders_and_mortal(server: &redis_server::RedisServer) {
    for key in server.keys() {
        assert!(key.starts_with("larder:"), "{key}");
        let left: i64 = server.cli(&["PTTL", &key]).parse().unwrap();
        assert!(left > 0 || left == -2, "{key} lives for ever");
    }
}

fn named(text: &str) -> Selector {
    Selector::Key(key(text))
}

fn every_selector() -> [Selector; 5] {
    [
        named("GET:/a"),
        Selector::Glob(Glob::new("GET:/a*")),
        Selector::Tag(Tag::new("t")),
        Selector::Category(Category::new("c")),
        Selector::All,
    ]
}

async fn what_was_stored_is_read_and_what_was_not_is_absent<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "one").tag("t").category("c")).await;
    let Found::Entry(entry) = rig.store.get(&key("GET:/a")).wait().await.unwrap() else { panic!("not an entry") };
    assert_eq!(&entry.body()[..], b"one");
    assert_eq!(entry.headers()["content-type"], "text/plain");
    assert_eq!(entry.meta().tags, [Tag::new("t")]);
    assert_eq!(rig.body("GET:/b").await, None);
    rig.fill(page("GET:/a", "two")).await;
    assert_eq!(rig.body("GET:/a").await.as_deref(), Some("two"));
}

async fn variants_are_kept_apart_and_the_key_names_their_fields<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "one").variant("accept", 1)).await;
    rig.fill(page("GET:/a", "two").variant("accept", 2)).await;
    let Found::Varied(names) = rig.store.get(&key("GET:/a")).wait().await.unwrap() else { panic!("not varied") };
    assert_eq!(names[..], [http::header::ACCEPT]);
    assert_eq!(rig.variant("GET:/a", 1).await.as_deref(), Some("one"));
    assert_eq!(rig.variant("GET:/a", 2).await.as_deref(), Some("two"));
    assert_eq!(rig.variant("GET:/a", 3).await, None);
    assert_eq!(rig.variant("GET:/b", 1).await, None);
}

async fn the_oldest_variant_leaves<S: Store>(rig: &Rig<S>) {
    for id in [1, 2, 1, 3] {
        rig.fill(Page { max_variants: Some(2), ..page("GET:/a", "x").variant("accept", id) }).await;
    }
    assert!(rig.variant("GET:/a", 1).await.is_some());
    assert_eq!(rig.variant("GET:/a", 2).await, None);
    assert!(rig.variant("GET:/a", 3).await.is_some());
}

async fn other_vary_names_drop_the_old_variants<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "old").variant("accept", 1)).await;
    rig.fill(page("GET:/a", "new").variant("origin", 2)).await;
    let Found::Varied(names) = rig.store.get(&key("GET:/a")).wait().await.unwrap() else { panic!("not varied") };
    assert_eq!(names[..], [http::header::ORIGIN]);
    assert_eq!(rig.variant("GET:/a", 1).await, None);
    assert_eq!(rig.variant("GET:/a", 2).await.as_deref(), Some("new"));
}

async fn a_single_entry_and_variants_replace_each_other<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "one").variant("accept", 1)).await;
    rig.fill(page("GET:/a", "single")).await;
    assert_eq!(rig.body("GET:/a").await.as_deref(), Some("single"));
    assert_eq!(rig.variant("GET:/a", 1).await, None);
    rig.fill(page("GET:/a", "two").variant("accept", 2)).await;
    assert_eq!(rig.body("GET:/a").await, None);
    assert_eq!(rig.variant("GET:/a", 1).await, None);
    assert_eq!(rig.variant("GET:/a", 2).await.as_deref(), Some("two"));
}

async fn a_key_clears_its_queries_and_variants_and_nothing_else<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "bare").variant("accept", 1)).await;
    rig.fill(page("GET:/a", "bare").variant("accept", 2)).await;
    for cleared in ["GET:/a?x=1", "GET:/a?x=2", "GET:/a?x=2#00", "GET:/a#11"] {
        rig.fill(page(cleared, "x")).await;
    }
    for kept in ["GET:/a/", "GET:/ab?x=1", "GET:/a/b", "GET://h/a", "GET:/b"] {
        rig.fill(page(kept, "x")).await;
    }
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::deleted(5));
    assert_eq!(rig.variant("GET:/a", 1).await, None);
    assert_eq!(rig.body("GET:/a?x=2#00").await, None);
    for kept in ["GET:/a/", "GET:/ab?x=1", "GET:/a/b", "GET://h/a", "GET:/b"] {
        assert!(rig.body(kept).await.is_some(), "{kept}");
    }
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::deleted(0));
}

async fn a_query_clears_itself_and_its_keyed_fields<S: Store>(rig: &Rig<S>) {
    for text in ["GET:/a", "GET:/a?x=1", "GET:/a?x=1#00", "GET:/a?x=1#11", "GET:/a?x=12"] {
        rig.fill(page(text, "x")).await;
    }
    assert_eq!(rig.invalidate(&named("GET:/a?x=1#11")).await, Cleared::deleted(1));
    assert_eq!(rig.invalidate(&named("GET:/a?x=1")).await, Cleared::deleted(2));
    assert!(rig.body("GET:/a").await.is_some());
    assert!(rig.body("GET:/a?x=12").await.is_some());
}

async fn globs_tags_categories_and_all_clear_what_they_name<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/users/1", "x").tag("user:1").tag("users").category("users")).await;
    rig.fill(page("GET:/users/1/posts?page=2", "x").tag("user:1").category("posts")).await;
    rig.fill(page("GET:/users/2", "x").tag("user:2").tag("users").category("users")).await;
    rig.fill(page("GET:/us[e]rs/?*", "x")).await;
    let glob = |pattern: &str| Selector::Glob(Glob::new(pattern));
    assert_eq!(rig.invalidate(&glob(r"GET:/us[e]rs/?\*")).await, Cleared::deleted(1));
    assert_eq!(rig.invalidate(&glob("GET:/users/?/posts*")).await, Cleared::deleted(0));
    assert_eq!(rig.invalidate(&glob("GET:/users/*/posts*")).await, Cleared::deleted(1));
    assert_eq!(rig.invalidate(&Selector::Tag(Tag::new("user:*"))).await, Cleared::deleted(0));
    assert_eq!(rig.invalidate(&Selector::Tag(Tag::new("user:1"))).await, Cleared::deleted(1));
    assert_eq!(rig.invalidate(&Selector::Category(Category::new("users"))).await, Cleared::deleted(1));
    rig.fill(page("GET:/b", "x").variant("accept", 1)).await;
    rig.fill(page("GET:/c?d=e", "x")).await;
    assert_eq!(rig.invalidate(&Selector::All).await, Cleared::deleted(2));
    assert_eq!(rig.count(&Selector::All).await, 0);
}

async fn a_long_key_is_stored_and_cleared_like_any_other<S: Store>(rig: &Rig<S>) {
    let long: &'static str = Box::leak(format!("GET:/long/{}?q={}", "p".repeat(150), "v".repeat(300)).into_boxed_str());
    let path: &'static str = Box::leak(key(long).resource().to_owned().into_boxed_str());
    let tail = Selector::Glob(Glob::new("GET:/long/*vvv"));
    for selector in [named(long), named(path), Selector::Tag(Tag::new("t")), tail, Selector::All] {
        rig.fill(page(long, "x").tag("t")).await;
        assert_eq!(rig.body(long).await.as_deref(), Some("x"));
        assert_eq!(rig.invalidate(&selector).await, Cleared::deleted(1), "{selector}");
        assert_eq!(rig.body(long).await, None, "{selector}");
    }
}

async fn a_late_put_is_refused_after_every_kind_of_invalidation<S: Store>(rig: &Rig<S>) {
    for selector in every_selector() {
        for text in ["GET:/a", "GET:/a?x=1"] {
            let page = page(text, "late").tag("t").category("c");
            let lease = rig.lease(&page).await.unwrap();
            assert_eq!(rig.invalidate(&selector).await, Cleared::deleted(0), "{selector}");
            assert_eq!(rig.put(lease, &page).await, Ok(Stored::LeaseLost), "{selector} on {text}");
            assert_eq!(rig.body(text).await, None, "{selector} on {text}");
        }
    }
}

async fn an_invalidation_leaves_other_fills_alone<S: Store>(rig: &Rig<S>) {
    let page = page("GET:/other", "x").tag("u").category("d");
    let lease = rig.lease(&page).await.unwrap();
    for selector in &every_selector()[..4] {
        rig.invalidate(selector).await;
    }
    assert_eq!(rig.put(lease, &page).await, Ok(Stored::Yes));
}

async fn a_holder_clears_around_its_own_lease<S: Store>(rig: &Rig<S>) {
    let others = ["GET:/a", "GET:/a?x=1", "GET:/a?x=2"];
    for text in [others[0], others[1]] {
        for selector in every_selector() {
            for other in others {
                rig.fill(page(other, "old").tag("t").category("c")).await;
            }
            let page = page(text, "new").tag("t").category("c");
            let lease = rig.lease(&page).await.unwrap();
            rig.store.invalidate_around(&selector, &lease).wait().await.unwrap();
            if selector.hits(&key(text), &page.labels().tags, page.labels().category.as_ref()) {
                assert_eq!(rig.body(text).await, None, "{selector} around {text}");
            }
            assert_eq!(rig.put(lease, &page).await, Ok(Stored::Yes), "{selector} around {text}");
            assert_eq!(rig.body(text).await.as_deref(), Some("new"));
            // It is found as what was never spared is.
            assert!(rig.invalidate(&selector).await.deleted >= 1 || selector == every_selector()[0], "{selector}");
            rig.invalidate(&Selector::All).await;
        }
    }
}

async fn a_spared_lease_ends_by_any_other_invalidation<S: Store>(rig: &Rig<S>) {
    let page = page("GET:/a?x=1", "late").tag("t").category("c");
    for selector in every_selector() {
        for ends_first in [true, false] {
            let lease = rig.lease(&page).await.unwrap();
            if ends_first {
                rig.invalidate(&selector).await;
            }
            rig.store.invalidate_around(&named("GET:/a"), &lease).wait().await.unwrap();
            if !ends_first {
                rig.invalidate(&selector).await;
            }
            assert_eq!(rig.put(lease, &page).await, Ok(Stored::LeaseLost), "{selector} {ends_first}");
            assert_eq!(rig.body("GET:/a?x=1").await, None);
        }
    }
}

async fn a_closed_fence_stores_nothing<S: Store>(rig: &Rig<S>) {
    let page = page("GET:/a", "x");
    let lease = rig.lease(&page).await.unwrap();
    lease.fence().close();
    assert_eq!(rig.put(lease, &page).await, Ok(Stored::LeaseLost));
    assert_eq!(rig.body("GET:/a").await, None);
}

async fn a_released_lease_leaves_the_key_free<S: Store>(rig: &Rig<S>) {
    let first = rig.lease(&page("GET:/a", "x")).await.unwrap();
    rig.release(first).await;
    assert_eq!(rig.body("GET:/a").await, None);
    rig.fill(page("GET:/a", "x")).await;
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::deleted(1));
}

async fn a_removed_key_is_gone_with_its_variants<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a?b", "x").variant("accept", 1)).await;
    rig.store.remove(&key("GET:/a?b")).wait().await.unwrap();
    assert_eq!(rig.variant("GET:/a?b", 1).await, None);
    assert!(matches!(rig.store.get(&key("GET:/a?b")).wait().await, Ok(Found::Absent)));
}

async fn count_tells_what_an_invalidation_would_delete<S: Store>(rig: &Rig<S>) {
    let leased = rig.lease(&page("GET:/a?leased", "x").tag("t").category("c")).await.unwrap();
    for text in ["GET:/a", "GET:/a?x=1"] {
        rig.fill(page(text, "x").tag("t").category("c")).await;
    }
    rig.fill(page("GET:/b", "x")).await;
    let counted = [2, 2, 2, 2, 3];
    for (selector, counted) in every_selector().iter().zip(counted) {
        assert_eq!(rig.count(selector).await, counted, "{selector}");
    }
    rig.release(leased).await;
    assert_eq!(rig.invalidate(&Selector::All).await, Cleared::deleted(3));
}

async fn a_replaced_entry_answers_to_its_new_tags<S: Store>(rig: &Rig<S>) {
    rig.fill(page("GET:/a", "old").tag("old")).await;
    rig.fill(page("GET:/a", "new").tag("new")).await;
    assert_eq!(rig.invalidate(&Selector::Tag(Tag::new("new"))).await, Cleared::deleted(1));
}

async fn a_healthy_store_says_so<S: Store>(rig: &Rig<S>) {
    let health = rig.store.health().wait().await;
    assert!(health.healthy);
    assert_eq!((health.error, health.queued_invalidations), (None, 0));
}

async fn a_record_is_shown_whole<S: Store>(rig: &Rig<S>) {
    let record = async |text| rig.store.inspect(&key(text)).wait().await.unwrap().record;
    rig.fill(page("GET:/single", "one")).await;
    rig.fill(page("GET:/varied", "a").variant("accept", 1)).await;
    rig.fill(page("GET:/varied", "b").variant("accept", 2)).await;
    assert!(matches!(record("GET:/absent").await, Record::Absent));
    let Record::Single(entry) = record("GET:/single").await else { panic!("one entry") };
    assert_eq!(&entry.body()[..], b"one");
    let Record::Varied { names, variants } = record("GET:/varied").await else { panic!("variants") };
    let mut variants: Vec<_> = variants.iter().map(|(id, entry)| (id.as_bytes()[0], entry.body().to_vec())).collect();
    variants.sort();
    assert_eq!((names[0].as_str(), variants), ("accept", vec![(1, b"a".to_vec()), (2, b"b".to_vec())]));
    if let Some(name) = rig.store.record_name(&key("GET:/single")) {
        assert_eq!(name, "larder:GET:/single");
    }
}

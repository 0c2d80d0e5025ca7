//! Every kind of outage, with memory in front of Redis and without.

use std::sync::Arc;
use std::time::Duration;

use crate::fault_proxy::{Fault, FaultProxy};
use crate::redis_server::RedisServer;
use crate::rig::{PATIENCE, Rig};

/// No request may take longer, however loaded the machine is: ten times what two deadlines cost.
pub(crate) const SLOWEST: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Outage {
    Stopped,
    KilledAndBack,
    KilledAndBackEmpty,
    Suffers(Fault),
}

/// What is seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Redis is not used until it is over.
    Down,
    /// Redis is lost for a moment, and used again before it is over.
    Moment,
    /// Redis may be used or not.
    Perhaps,
    /// Nothing.
    Nothing,
}

/// Takes a proxy through an outage and back.
async fn go_through(outage: Outage, seen: Seen, memory: &str) {
    let server = match outage {
        Outage::KilledAndBack => RedisServer::with(&["--appendonly", "yes"]),
        _ => RedisServer::start(),
    };
    let mut server = server;
    let proxy = FaultProxy::before(server.socket());
    // What must not be taken for an outage must not be taken for one on a loaded machine.
    let read_timeout = if seen == Seen::Nothing { "1s" } else { "150ms" };
    let redis = format!("redis: {{ url: '{}', read_timeout: {read_timeout} }}\nmemory: {memory}\n", proxy.url());
    let rig = Rig::start(&redis).await;
    rig.load(160).await;
    rig.stores_again().await;

    match outage {
        Outage::Stopped => server.freeze(),
        Outage::KilledAndBack | Outage::KilledAndBackEmpty => server.kill(),
        Outage::Suffers(fault) => proxy.suffers(fault),
    }
    let during = rig.load(320).await;
    if seen == Seen::Down {
        let health = rig.health_with(r#""status":"degraded""#).await;
        assert!(health.contains(r#""error":""#) && health.contains("queued_invalidations"), "{health}");
        let before = proxy.commands();
        assert!(rig.load(160).await.queued > 0);
        assert!(proxy.commands() - before < 10, "an open breaker sends nothing: {}", proxy.commands() - before);
    }

    match outage {
        Outage::Stopped => server.thaw(),
        Outage::KilledAndBack => server.launch(),
        Outage::KilledAndBackEmpty => server.launch(),
        Outage::Suffers(_) => proxy.suffers(Fault::None),
    }
    rig.health_with(r#""status":"healthy""#).await;
    if matches!(seen, Seen::Down | Seen::Moment) {
        rig.logs("Redis is used again").await;
    }
    let back = rig.stores_again().await;
    rig.load(160).await;
    rig.look_at_all().await;
    rig.health_with(r#""status":"healthy""#).await;
    let (slowest, p99, p50) = (during.at(1.0), during.at(0.99), during.at(0.5));
    println!("{outage:?}, memory {memory}: p50 {p50:?} p99 {p99:?} max {slowest:?}, stores again after {back:?}");
    assert!(slowest < SLOWEST, "{slowest:?}");

    // Ten late answers in a row are an outage too, and a loaded machine may have them once. What begins is said to end.
    rig.is_said_to_end().await;
    let lost = rig.logged("Redis is not used");
    let expected = match seen {
        Seen::Down | Seen::Moment => (1..=2).contains(&lost),
        Seen::Perhaps => lost <= 1,
        Seen::Nothing => lost == 0,
    };
    assert!(expected, "{outage:?}: lost {lost} times\n{}", rig.log());
}

const OUTAGES: &[(Outage, Seen)] = &[
    (Outage::Stopped, Seen::Down),
    (Outage::KilledAndBack, Seen::Down),
    (Outage::KilledAndBackEmpty, Seen::Down),
    (Outage::Suffers(Fault::Delay(Duration::from_millis(20))), Seen::Nothing),
    (Outage::Suffers(Fault::Delay(Duration::from_millis(200))), Seen::Down),
    (Outage::Suffers(Fault::Delay(Duration::from_secs(2))), Seen::Down),
    (Outage::Suffers(Fault::Limit(100_000)), Seen::Perhaps),
    (Outage::Suffers(Fault::Cut), Seen::Moment),
    (Outage::Suffers(Fault::Blackhole), Seen::Down),
    (Outage::Suffers(Fault::HalfClose), Seen::Down),
    (Outage::Suffers(Fault::Refuse), Seen::Down),
];

/// Beside one another, a few at a time: most of an outage is waiting.
async fn all(memory: &'static str) {
    let places = Arc::new(tokio::sync::Semaphore::new(4));
    let outages: Vec<_> = OUTAGES
        .iter()
        .map(|(outage, seen)| {
            let places = Arc::clone(&places);
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                tokio::time::timeout(PATIENCE * 2, go_through(*outage, *seen, memory)).await.expect("it ends");
            })
        })
        .collect();
    for outage in outages {
        outage.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_outage_reaches_a_client_with_memory_in_front_of_redis() {
    all("{ max_bytes: 16MiB }").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_outage_reaches_a_client_on_redis_alone() {
    all("off").await;
}

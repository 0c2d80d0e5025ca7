//! Connections that break or fall silent while the server is well, and a server that is not there at the start.

use crate::fault_proxy::FaultProxy;
use crate::redis_server::RedisServer;
use crate::rig::Rig;

const MEMORY: &str = "memory: { max_bytes: 16MiB }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fall_silent_are_replaced_while_new_ones_are_served() {
    let server = RedisServer::start();
    let proxy = FaultProxy::before(server.socket());
    let rig = Rig::start(&format!("redis: {{ url: '{}' }}\n{MEMORY}", proxy.url())).await;
    rig.load(160).await;
    proxy.swallows_what_stands();
    rig.load(320).await;
    rig.logs("Redis is used again").await;
    rig.stores_again().await;
    rig.load(160).await;
    rig.look_at_all().await;
    assert_eq!((rig.logged("Redis is not used"), rig.logged("Redis is used again")), (1, 1), "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_made_again() {
    let server = RedisServer::start();
    let rig = Rig::start(&format!("redis: {{ url: '{}' }}\n{MEMORY}", server.url())).await;
    rig.load(160).await;
    for _ in 0..3 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        rig.load(80).await;
    }
    rig.logs("Redis is used again").await;
    rig.stores_again().await;
    rig.health_with(r#""status":"healthy""#).await;
    rig.look_at_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_starts_without_redis_and_finds_it() {
    let mut server = RedisServer::absent();
    let rig = Rig::start(&format!("redis: {{ url: '{}' }}\n{MEMORY}", server.url())).await;
    rig.logs("Redis cannot be used").await;
    assert!(rig.logged("start Redis with `unixsocket`") == 1, "{}", rig.log());
    let run = rig.load(160).await;
    assert!(run.queued > 0 && run.at(1.0) < crate::table::SLOWEST, "{run:?}");
    server.launch();
    rig.logs("Redis is used again").await;
    rig.stores_again().await;
    rig.look_at_all().await;
    assert!(server.keys().iter().any(|name| name.starts_with("larder:GET:/p/")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_does_not_bring_back_what_was_cleared_since() {
    let mut server = RedisServer::start();
    let rig = Rig::start(&format!("redis: {{ url: '{}' }}\nmemory: off\n", server.url())).await;
    rig.stores("/p/1").await;
    rig.stores("/p/2").await;
    server.cli(&["SAVE"]);
    assert!(!rig.clear("/p/1").await);
    assert!(!server.keys().contains(&"larder:GET:/p/1".to_owned()));
    server.kill();
    server.launch();
    let fetches = rig.fetches();
    rig.logs("Redis is used again").await;
    rig.get("/p/1").await;
    assert_eq!(rig.fetches(), fetches + 1);
    assert_eq!(rig.get("/p/2").await, "HIT", "what was not cleared is still there: {}", rig.log());
}

//! What the program says of a Redis that it cannot use, and how it is let in: TLS, users, databases.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::redis_cluster::RedisCluster;
use crate::redis_sentinel::Sentinels;
use crate::redis_server::{RedisServer, free_port, until};
use crate::rig::Rig;

/// A certificate authority, and certificates of a server and of a client, as PEM files in this folder.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        // An authority that has the name of those it signs for is taken for each of them.
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        let authority = rcgen::Issuer::new(authority, authority_key);
        for name in ["redis.internal", "larder.client"] {
            let key = rcgen::KeyPair::generate().unwrap();
            let signed = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority);
            std::fs::write(folder.path().join(format!("{name}.pem")), signed.unwrap().pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

/// A server that speaks TLS alone on its port, and demands certificates of its clients if told so.
fn encrypted(certificates: &Certificates, clients: &str) -> (RedisServer, u16) {
    encrypted_with(certificates, clients, &[])
}

fn encrypted_with(certificates: &Certificates, clients: &str, more: &[&str]) -> (RedisServer, u16) {
    let port = free_port();
    let (number, ca) = (port.to_string(), certificates.file("ca.pem"));
    let (cert, key) = (certificates.file("redis.internal.pem"), certificates.file("redis.internal.key"));
    let first = [
        "--bind",
        "127.0.0.1",
        "--tls-port",
        &number,
        "--tls-auth-clients",
        clients,
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
    ];
    (RedisServer::with(&[&first, more].concat()), port)
}

/// What `larder check --connect` says of this `redis:` section, and its exit code.
fn check(redis: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("redis: {redis}\nroutes: []\n")).unwrap();
    let output = larder(&["check", "--connect", "-c"], file.path(), arguments);
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn larder(command: &[&str], file: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_larder"));
    program.args(command).arg(file).args(arguments).stdin(Stdio::null());
    for name in ["REDIS_URL", "REDIS_HOST", "REDIS_PASSWORD"] {
        program.env_remove(name);
    }
    program.output().unwrap()
}

#[test]
fn a_redis_that_cannot_be_used_is_told_with_the_remedy() {
    let plain = RedisServer::on_tcp();
    let url = plain.tcp_url();
    let guarded = RedisServer::with(&["--requirepass", "hunter2"]);
    let socket = guarded.socket().display().to_string();
    let certificates = Certificates::new();
    let (_open, tls) = encrypted(&certificates, "no");
    let (_strict, mutual) = encrypted(&certificates, "yes");
    let ca = certificates.file("ca.pem");
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &free_port().to_string()]);
    let nowhere = free_port();
    for (redis, remedy) in [
        (format!("{{ url: 'redis://127.0.0.1:{nowhere}' }}"), "start Redis"),
        ("{ url: 'redis://no-such-host.invalid' }".to_owned(), "correct the host name"),
        ("{ url: 'unix:///nowhere/redis.sock' }".to_owned(), "unixsocket"),
        (format!("{{ url: 'unix://{socket}' }}"), "the server wants a password"),
        (format!("{{ url: 'unix://:wrong@{socket}' }}"), "correct the user and the password"),
        (format!("{{ url: '{}' }}", url.replace("redis://", "redis://nobody:secret@")), "correct the user"),
        (format!("{{ url: '{}' }}", url.replace("/0", "/99")), "fewer databases"),
        (format!("{{ url: '{}' }}", url.replace("redis://", "rediss://")), "does not speak TLS"),
        (format!("{{ url: 'redis://127.0.0.1:{tls}' }}"), "rediss://"),
        (format!("{{ url: 'rediss://127.0.0.1:{tls}' }}"), "ca_file"),
        (format!("{{ url: 'rediss://127.0.0.1:{tls}', tls: {{ ca_file: {ca} }} }}"), "server_name"),
        (
            format!("{{ url: 'rediss://127.0.0.1:{mutual}', tls: {{ ca_file: {ca}, server_name: redis.internal }} }}"),
            "cert_file",
        ),
        (format!("{{ url: 'rediss://127.0.0.1:{tls}', tls: {{ ca_file: /nowhere.pem }} }}"), "/nowhere.pem"),
        (format!("{{ url: '{}' }}", url.replace("redis://", "redis-cluster://").replace("/0", "")), "redis://"),
        (format!("{{ url: '{}' }}", replica.url()), "name the master"),
    ] {
        let (code, said) = check(&redis, &[]);
        assert_eq!(code, Some(1), "{redis}\n{said}");
        assert!(said.contains(remedy) && said.contains("error: "), "{redis}\n{said}");
        assert!(!said.contains("secret") && !said.contains("wrong@"), "{said}");
    }
}

#[test]
fn what_a_server_is_and_what_it_should_be_is_told() {
    let server = RedisServer::with(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let redis = format!("{{ url: '{}' }}", server.url());
    let (code, said) = check(&redis, &["--strict"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(", Redis ") && said.contains(", master, maxmemory-policy allkeys-lru"), "{said}");
    server.cli(&["SET", "somebody:else", "1"]);
    let (code, said) = check(&redis, &["--strict"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("warning: 1 of 1 keys"), "{said}");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let (code, said) = check(&redis, &["--json"]);
    assert_eq!(code, Some(0), "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let redis_said = &said["connections"][0];
    assert_eq!((&redis_said["ok"], &redis_said["maxmemory_policy"]), (&true.into(), &"noeviction".into()), "{said}");
    assert!(redis_said["findings"][0]["message"].as_str().unwrap().contains("allkeys-lru"), "{said}");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(check(&redis, &["--strict"]).1.contains("hint: Redis has no maxmemory"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_used_until_it_is_a_master() {
    let master = RedisServer::on_tcp();
    let port = master.tcp_url().rsplit(':').next().unwrap().trim_end_matches("/0").to_owned();
    let server = RedisServer::with(&["--replicaof", "127.0.0.1", &port]);
    until("the replica is in step", || server.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    let rig = Rig::start(&format!("redis: {{ url: '{}' }}\nmemory: off\n", server.url())).await;
    rig.logs("name the master in redis.url").await;
    assert!(rig.load(160).await.queued > 0);
    rig.health_with("takes no writes").await;
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    rig.logs("Redis is used again").await;
    rig.stores("/p/1").await;
    rig.look_at_all().await;
    // It is made a replica again while it is used, as behind a name that leads to another server.
    server.cli(&["REPLICAOF", "127.0.0.1", &port]);
    until("it takes no writes", || server.cli(&["SET", "x", "1"]).contains("READONLY"));
    rig.load(160).await;
    rig.health_with(r#""status":"degraded""#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_should_set_is_told_at_the_start() {
    for (settings, foreign, told) in [
        (["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"], false, "set maxmemory-policy allkeys-lru"),
        (["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"], true, "give larder a server of its own"),
    ] {
        let server = RedisServer::with(&settings);
        if foreign {
            server.cli(&["SET", "somebody:else", "1"]);
        }
        let rig = Rig::start(&format!("redis: {{ url: '{}' }}\n", server.url())).await;
        rig.logs(told).await;
        rig.stores("/p/1").await;
        assert_eq!(rig.logged("WARN"), 1, "{}", rig.log());
    }
}

#[test]
fn an_upstream_that_is_not_there_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("upstream: http://127.0.0.1:{}\nroutes: []\n", free_port())).unwrap();
    let output = larder(&["check", "--connect", "-c"], file.path(), &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("start the upstream"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_stored_over_tls_with_certificates_on_both_sides() {
    let certificates = Certificates::new();
    let (server, port) = encrypted(&certificates, "yes");
    let file = |name| certificates.file(name);
    let tls = format!(
        "{{ ca_file: {}, cert_file: {}, key_file: {}, server_name: redis.internal }}",
        file("ca.pem"),
        file("larder.client.pem"),
        file("larder.client.key")
    );
    let redis = format!("{{ url: 'rediss://127.0.0.1:{port}', tls: {tls} }}");
    let (code, said) = check(&redis, &[]);
    assert_eq!(code, Some(0), "{said}");
    let rig = Rig::start(&format!("redis: {redis}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    is_let_in(&rig, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_spoken_to_over_tls_under_one_name() {
    let certificates = Certificates::new();
    let bus = free_port().to_string();
    let node = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-announce-ip", "127.0.0.1"];
    let more = [&node[..], &["--tls-cluster", "yes"]].concat();
    let (server, port) = encrypted_with(&certificates, "no", &more);
    assert_eq!(server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    until("the cluster is whole", || server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let tls = format!("{{ ca_file: {}, server_name: redis.internal }}", certificates.file("ca.pem"));
    let redis = format!("{{ url: 'rediss-cluster://127.0.0.1:{port}', tls: {tls} }}");
    let rig = Rig::start(&format!("redis: {redis}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    is_let_in(&rig, &server).await;
}

/// Entries are stored and read, and memory hears of changes.
async fn is_let_in(rig: &Rig, server: &RedisServer) {
    rig.stores("/p/1").await;
    assert!(server.keys().contains(&"larder:GET:/p/1".to_owned()), "{}", rig.log());
    rig.health_with(r#""status":"healthy""#).await;
    rig.is_told().await;
    for path in ["/p/1", "/p/2"] {
        rig.stores(path).await;
        assert!(!rig.clear(path).await, "{}", rig.log());
        rig.stores(path).await;
    }
    assert_eq!(rig.logged("WARN"), 0, "{}", rig.log());
}

/// The rules of docs/redis.md.
fn rules() -> Vec<String> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis.md");
    let text = std::fs::read_to_string(document).unwrap();
    let line = text.lines().find(|line| line.starts_with("ACL SETUSER larder ")).expect("the rules");
    line.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_permissions_are_enough() {
    let server = RedisServer::start();
    let rules = rules();
    let words: Vec<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(server.cli(&words), "OK");
    let url = format!("unix://larder:PASSWORD@{}", server.socket().display());
    let (code, said) = check(&format!("{{ url: '{url}' }}"), &[]);
    assert_eq!(code, Some(0), "{said}");
    let rig = Rig::start(&format!("redis: {{ url: '{url}' }}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    is_let_in(&rig, &server).await;
    rig.purge(r#"{"category":"pages"}"#).await;
    rig.stores("/p/1").await;
    rig.purge(r#"{"patterns":["GET:/p/*"]}"#).await;
    rig.stores("/p/1").await;
    rig.purge(r#"{"tags":["t"]}"#).await;
    rig.purge(r#"{"all":true}"#).await;
    assert_eq!(server.keys().iter().filter(|name| name.starts_with("larder:GET:")).count(), 0);
    assert_eq!(server.cli(&["ACL", "LOG"]), "", "nothing was denied");
}

/// Two entries are stored, read and cleared through this URL.
async fn is_served(url: &str) {
    let (code, said) = check(&format!("{{ url: '{url}' }}"), &[]);
    assert_eq!(code, Some(0), "{said}");
    let rig = Rig::start(&format!("redis: {{ url: '{url}' }}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    for path in ["/p/1", "/p/2", "/p/3"] {
        rig.stores(path).await;
        assert!(!rig.clear(path).await, "{}", rig.log());
        rig.stores(path).await;
    }
    rig.purge(r#"{"all":true}"#).await;
    assert_eq!(rig.logged("WARN"), 0, "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_and_a_master_under_sentinel_need_the_permissions_they_are_said_to() {
    let mut words = rules();
    words.extend(["+cluster|slots".to_owned(), "+cluster|info".to_owned()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let cluster = RedisCluster::start();
    for server in 0..3 {
        assert_eq!(cluster.cli(server, &words), "OK");
    }
    is_served(&cluster.url().replace("://", "://larder:PASSWORD@")).await;

    let mut words = rules();
    words.push("+role".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let sentinels = Sentinels::start();
    assert_eq!(sentinels.cli(sentinels.master(), &words), "OK");
    is_served(&sentinels.url().replace("://", "://larder:PASSWORD@")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_not_told_of_changes_is_told_so() {
    let server = RedisServer::start();
    server.cli(&["ACL", "SETUSER", "larder", "on", ">pw", "~larder:*", "+@all", "-client|tracking"]);
    let url = format!("unix://larder:pw@{}", server.socket().display());
    let (code, said) = check(&format!("{{ url: '{url}' }}"), &["--strict"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("+client|tracking"), "{said}");
    let rig = Rig::start(&format!("redis: {{ url: '{url}' }}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    rig.logs("+client|tracking").await;
    rig.stores("/p/1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_at_the_start_and_clients_are_served() {
    let server = RedisServer::with(&["--requirepass", "hunter2"]);
    let url = format!("unix://:hunter3@{}", server.socket().display());
    let rig = Rig::start(&format!("redis: {{ url: '{url}' }}\nmemory: {{ max_bytes: 16MiB }}\n")).await;
    rig.logs("correct the user and the password").await;
    rig.load(80).await;
    let health = rig.health_with(r#""status":"degraded""#).await;
    assert!(health.contains("WRONGPASS"), "{health}");
    assert!(!rig.log().contains("hunter"), "{}", rig.log());
    server.cli(&["-a", "hunter2", "CONFIG", "SET", "requirepass", "hunter3"]);
    rig.logs("Redis is used again").await;
}

#[test]
fn a_master_that_no_sentinel_knows_is_told() {
    let sentinels = Sentinels::start();
    let url = sentinels.url().replace("mymaster", "another");
    let (code, said) = check(&format!("{{ url: '{url}' }}"), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("correct ?master="), "{said}");
    assert!(check(&format!("{{ url: '{}' }}", sentinels.url()), &[]).1.contains(", master, "));
}

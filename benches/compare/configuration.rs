//! What the servers that read a file are told. Each gets what its manual recommends for a proxy that keeps connections
//! open on both sides, one worker, no access log, and a store in memory where it has one.

use std::net::SocketAddr;
use std::path::Path;

/// nginx keeps bodies in files. The directory is its own.
pub(crate) fn nginx(listen: SocketAddr, origin: SocketAddr, directory: &Path, store_mib: u32) -> String {
    let directory = directory.display();
    format!(
        "user root;
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/client;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache levels=1:2 keys_zone=bench:64m max_size={store_mib}m inactive=1h use_temp_path=off;
    open_file_cache max=10000 inactive=60s;
    upstream origin {{
        server {origin};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_cache bench;
            proxy_cache_key $uri$is_args$args;
            add_header X-Cache $upstream_cache_status;
        }}
    }}
}}
"
    )
}

/// Varnish's own program, without additions: what it does by default is what `Cache-Control` says.
pub(crate) fn varnish(origin: SocketAddr) -> String {
    let (host, port) = (origin.ip(), origin.port());
    format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{port}\"; }}\n")
}

/// Where larder keeps responses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LarderStore {
    /// In its own memory, up to this many MiB.
    Memory(u32),
    /// In Redis, with nothing in front of it.
    Redis(SocketAddr),
}

/// `routes.yaml`.
pub(crate) fn larder(listen: SocketAddr, admin: SocketAddr, origin: SocketAddr, store: LarderStore) -> String {
    let store = match store {
        LarderStore::Memory(mib) => format!("memory: {{ max_bytes: {mib}MiB }}"),
        LarderStore::Redis(address) => format!("redis: {{ url: \"redis://{address}/0\" }}\nmemory: off"),
    };
    format!(
        "listen: {listen}
upstream: http://{origin}
admin: {{ listen: {admin} }}
{store}
routes:
  - path: /hit/{{size}}
    ttl: 1h
  - path: /miss/{{size}}/{{number}}
    ttl: 1h
"
    )
}

#!/usr/bin/env bash
# Two proxies on one Redis: what one fetched the other serves, and a write on one clears the other.
# Needs redis-server and curl: `examples/two_nodes.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

cargo build --release --locked --quiet

redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' --daemonize no >"$work/redis.log" &
pids+=($!)
until [ -S "$work/redis.sock" ]; do sleep 0.05; done

# The address behind a word in a log, once it is there.
address() {
    until grep -qs "$2" "$1"; do sleep 0.05; done
    grep -o "$2[^0-9]*127[0-9.:]*" "$1" | head -n 1 | grep -o '127[0-9.:]*'
}

export REDIS_URL="unix://$work/redis.sock"
# The first node brings the example API with it; the second stands before the same API.
target/release/larder demo --listen 127.0.0.1:0 --admin 127.0.0.1:0 >"$work/one.log" 2>&1 &
pids+=($!)
one=$(address "$work/one.log" proxy)
target/release/larder serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
    --upstream "http://$(address "$work/one.log" api)" >"$work/two.log" 2>&1 &
pids+=($!)
two=$(address "$work/two.log" listen=)

ask() {
    printf '%-34s' "$1"
    shift
    curl -sS -o "$work/body" -D "$work/head" "$@"
    printf '%-7s %s\n' "$(sed -n 's/^x-cache: \([A-Z]*\).*/\1/p' "$work/head")" "$(cat "$work/body")"
}
ask "GET on one" "http://$one/api/users/1"
ask "GET on two, fetched by one" "http://$two/api/users/1"
ask "PUT on two" -X PUT -H 'Content-Type: application/json' -d '{"name":"Ada"}' "http://$two/api/users/1"
ask "GET on one, cleared by two" "http://$one/api/users/1"
ask "GET on two, fetched by one" "http://$two/api/users/1"

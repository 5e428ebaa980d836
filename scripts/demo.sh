#!/usr/bin/env bash
# Shows the main job on real input: builds the server, starts it on free ports with an empty data
# directory, deploys the example, publishes its orders, waits until all are done, sums up, stops.
# Leaves nothing running and nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(examples/customer-base examples/order-fulfilment)
documents=examples/order-fulfilment/data/orders.ndjson
document_type=order-fulfilment/order
wait_s=120

step=0
say() { step=$((step + 1)); printf '\ndemo [%d/6]: %s\n' "$step" "$*"; }
die() { printf 'demo: error: %s\n' "$*" >&2; exit 1; }

data=
server=
cleanup() {
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
    kill -TERM "$server" 2>/dev/null || true
    for _ in $(seq 100); do
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ -n "$data" ]; then rm -rf "$data"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A port that nobody listens on right now.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    if ! (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return 0
    fi
  done
  return 1
}

# The body of a plain GET; fails if the status is not 200.
get() {
  local head line
  exec 3<>/dev/tcp/127.0.0.1/"$http" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
  read -r head <&3 || return 1
  while read -r line <&3 && [ "$line" != $'\r' ]; do :; done
  cat <&3
  exec 3<&-
  case $head in *' 200 '*) return 0 ;; *) return 1 ;; esac
}

[ -f "$documents" ] || die "$documents is missing"

say "building the server (the first time takes minutes)"
cargo build --release --package pointsman
binary=${CARGO_TARGET_DIR:-target}/release/pointsman
[ -x "$binary" ] || die "$binary was not built"

data=$(mktemp -d)
http=$(free_port) || die "no free port"
grpc=$(free_port) || die "no free port"
while [ "$grpc" = "$http" ]; do grpc=$(free_port); done
export POINTSMAN_SERVER=http://127.0.0.1:$http

say "starting the server on port $http"
"$binary" serve --data "$data/store" --http "127.0.0.1:$http" --grpc "127.0.0.1:$grpc" \
  >"$data/log" 2>&1 &
server=$!
ready=no
for _ in $(seq 100); do
  if get /health/ready >/dev/null 2>&1; then ready=yes; break; fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [ "$ready" = no ]; then
  cat "$data/log" >&2
  die "the server did not become ready"
fi

say "deploying ${packages[*]}"
"$binary" deploy "${packages[@]}"

say "publishing $(wc -l <"$documents") documents from $documents"
"$binary" publish "$document_type" "$documents"

say "waiting until no instance is active (at most $wait_s s)"
deadline=$((SECONDS + wait_s))
while :; do
  active=$("$binary" instance list --state active --output json) || die "cannot list instances"
  case $active in *'"key"'*) ;; *) break ;; esac
  [ "$SECONDS" -lt "$deadline" ] || die "instances are still active after $wait_s s"
  sleep 0.5
done

say "summary"
"$binary" process list
printf '\ndemo: done\n'

#!/usr/bin/env bash
# Shows the main job on real input: builds the server, starts it on free ports with an empty data
# directory, deploys the example, publishes its orders, waits until all that can end has ended,
# sums up, stops. Leaves nothing running and nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(examples/customer-base examples/order-fulfilment)
component=examples/parcel-numbers/services/parcel-number.wasm
documents=examples/order-fulfilment/data/orders.ndjson
document_type=order-fulfilment/order
process=order-fulfilment
ready_s=30

step=0
say() { step=$((step + 1)); printf '\ndemo [%d/5]: %s\n' "$step" "$*"; }
die() { printf 'demo: error: %s\n' "$*" >&2; exit 1; }

data=
server=
cleanup() {
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
    kill -TERM "$server" 2>/dev/null || true
    for _ in $(seq 150); do
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

# Without `make components` the demo shows everything else.
[ -f "$component" ] && packages+=(examples/parcel-numbers)
[ -f "$documents" ] || die "$documents is missing"

binary=${POINTSMAN_BINARY:-}
if [ -z "$binary" ]; then
  say "building the server (the first time takes minutes)"
  cargo build --release --locked --package pointsman
  binary=${CARGO_TARGET_DIR:-target}/release/pointsman
else
  say "using the server $binary"
fi
[ -x "$binary" ] || die "$binary was not built"

say "starting the server on free ports"
data=$(mktemp -d)
# The demo decides how the server runs, not the environment of whoever looks at it.
for name in $(compgen -e POINTSMAN_ || true); do unset "$name"; done
"$binary" serve --data "$data/store" --http 127.0.0.1:0 --grpc 127.0.0.1:0 \
  >"$data/ready" 2>"$data/log" &
server=$!
deadline=$((SECONDS + ready_s))
until [ -s "$data/ready" ]; do
  if ! kill -0 "$server" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
    cat "$data/log" >&2
    die "the server did not become ready"
  fi
  sleep 0.05
done
cat "$data/ready"
POINTSMAN_SERVER=$(sed -n 's/.*"http": "\(.*\)".*/\1/p' "$data/store/addresses.json")
export POINTSMAN_SERVER

say "deploying ${packages[*]}"
"$binary" deploy "${packages[@]}"

count=$(grep -c . "$documents")
say "publishing $count documents from $documents"
"$binary" publish "$document_type" "$documents"

say "waiting until all orders have ended"
if ! "$binary" demo --process "$process" --documents "$count"; then
  "$binary" incident list --limit 5 || true
  tail -n 5 "$data/log" >&2
  die "not all orders have ended"
fi
if [ -f "$component" ]; then
  printf '\nExpress orders have parcel numbers from a WebAssembly component:\n'
  "$binary" instance list --process parcel-numbering --limit 3
fi
printf '\nA console for the browser comes in a later version; until then `pointsman instance list` and\n'
printf '`show` are what it will show.\n'

kill -TERM "$server"
wait "$server" || die "the server did not stop in order"
server=
printf 'demo: done\n'

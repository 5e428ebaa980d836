#!/usr/bin/env bash
# W1 on PostgreSQL with real fsync: one server against two on the same database, in turns, and the
# raw rate of single-row commits of the same PostgreSQL. Prints medians, and per instance the
# write-ahead log, the transactions and the processor time of servers and database.
# Environment: POINTSMAN_BINARY, POINTSMAN_TEST_POSTGRES_BIN, ROUNDS=3, SECONDS_EACH=10, IN_FLIGHT=256.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$(realpath "${POINTSMAN_BINARY:-target/release/pointsman}")
postgres=${POINTSMAN_TEST_POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin | sort -t/ -k5 -rn | head -1)}
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-10}
in_flight=${IN_FLIGHT:-256}

place=$(mktemp -d)
servers=()
cleanup() {
  for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  as "$postgres/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$place"
}
trap cleanup EXIT
# PostgreSQL does not run as root.
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$place"; fi

as "$postgres/initdb" -D "$place/data" -U postgres --auth=trust >/dev/null
as "$postgres/pg_ctl" -D "$place/data" -w -l "$place/log" -o "-k $place -h '' -c max_connections=200" start >/dev/null
sql() { as "$postgres/psql" -h "$place" -U postgres -d "${2:-postgres}" -Atqc "$1"; }

# CPU ticks of a process and its children that have not ended.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0; }
all_ticks() {
  local sum=0 pid
  for pid in "${servers[@]}" $(pgrep -u "$(stat -c %U "$place/data")" postgres); do sum=$((sum + $(ticks "$pid"))); done
  echo "$sum"
}
transactions() { sql "SELECT sum(xact_commit) FROM pg_stat_database"; }

# Starts so many servers on a database of their own, runs W1 against all of them, stops them.
run() {
  local count=$1 name=bench_$2 arguments=() number
  sql "CREATE DATABASE $name"
  servers=()
  for number in $(seq "$count"); do
    "$binary" serve --name "s$number" --data "$place/$name-$number" --http 127.0.0.1:0 --grpc 127.0.0.1:0 \
      --database "host=$place user=postgres dbname=$name" >"$place/ready" 2>>"$place/servers.log" &
    servers+=($!)
    until [ -s "$place/ready" ]; do sleep 0.05; done
    local addresses=$place/$name-$number/addresses.json
    arguments+=(--http "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["http"])' "$addresses")")
    arguments+=(--grpc "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["grpc"])' "$addresses")")
    : >"$place/ready"
  done
  # Until each has its share.
  sleep 3
  local lsn cpu xacts
  lsn=$(sql "SELECT pg_current_wal_lsn()"); cpu=$(all_ticks); xacts=$(transactions)
  "$binary" bench --profile W1 --in-flight "$in_flight" --connections 2 --duration "$seconds" --output json \
    "${arguments[@]}" >"$place/out.json"
  local wal
  wal=$(sql "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$lsn')::bigint")
  cpu=$(($(all_ticks) - cpu)); sleep 1; xacts=$(($(transactions) - xacts))
  for number in "${servers[@]}"; do kill -TERM "$number"; wait "$number" || true; done
  servers=()
  python3 - "$place/out.json" "$count" "$wal" "$cpu" "$xacts" "$place/figures" <<'PY'
import json, sys
out, count, wal, cpu, xacts, figures = sys.argv[1:]
run = json.load(open(out))
run = run[0] if isinstance(run, list) else run
done = run["accepted"] if "accepted" in run else run["instances"]
rate = run.get("instances_per_second") or run.get("instancesPerSecond")
line = {"servers": int(count), "rate": rate, "p50": run.get("p50_ms", run.get("p50Ms")),
        "p99": run.get("p99_ms", run.get("p99Ms")), "wal": int(wal) / done,
        "transactions": int(xacts) / done, "cpu_us": int(cpu) * 10_000 / done}
print(json.dumps(line), flush=True)
open(figures, "a").write(json.dumps(line) + "\n")
PY
}

echo "raw: single-row commits, one client and 16 clients"
sql "CREATE TABLE raw (id bigserial PRIMARY KEY, v text)"
echo "INSERT INTO raw (v) VALUES ('x');" >"$place/raw.sql"; chmod 644 "$place/raw.sql"
for clients in 1 16; do
  as "$postgres/pgbench" -h "$place" -U postgres -n -M prepared -f "$place/raw.sql" -c "$clients" -j 2 -T 5 postgres \
    2>/dev/null | grep '^tps' || true
done
for round in $(seq "$rounds"); do
  run 1 "one_$round"
  run 2 "two_$round"
done
python3 - "$place/figures" <<'PY'
import json, statistics, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
median = lambda count, key: statistics.median(line[key] for line in lines if line["servers"] == count)
for count in (1, 2):
    print(f"{count} server(s): " + ", ".join(f"{key} {median(count, key):.2f}" for key in ("rate", "p50", "p99", "wal", "transactions", "cpu_us")))
print(f"two servers / one server: {median(2, 'rate') / median(1, 'rate'):.2f}")
PY

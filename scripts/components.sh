#!/usr/bin/env bash
# Builds the components of the examples from their sources. Where the target wasm32-wasip2 or a
# crate cannot be had, the text form beside a source stands in; this says which one it was.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-wasip2
sources=examples/components
# component:package
components=(parcel-number:parcel-numbers)
build=$PWD/target/components

say() { printf 'components: %s\n' "$*"; }

has_target() {
  command -v rustup >/dev/null || return 1
  rustup target list --installed | grep -qx "$target" && return 0
  timeout 120 rustup target add "$target" >"$build/rustup.log" 2>&1
}

mkdir -p "$build"
compiles=yes
has_target || compiles=no

for entry in "${components[@]}"; do
  name=${entry%%:*}
  to=examples/${entry##*:}/services/$name.wasm
  file=${name//-/_}.wasm
  mkdir -p "$(dirname "$to")"
  if [ "$compiles" = yes ] \
    && CARGO_TARGET_DIR=$build cargo build --release --quiet --target "$target" \
      --manifest-path "$sources/$name/Cargo.toml" >"$build/$name.log" 2>&1; then
    cp "$build/$target/release/$file" "$to"
    say "$to is built from $sources/$name/src"
    continue
  fi
  cargo xtask component "$sources/$name/$name.wat" "$to"
  if [ "$compiles" = yes ]; then
    say "$to is a STAND-IN, assembled from text: its source does not build here ($build/$name.log)"
  else
    say "$to is a STAND-IN, assembled from text: the target $target cannot be had here"
  fi
done

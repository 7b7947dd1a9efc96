#!/usr/bin/env bash
source "$(dirname "$0")/setup.sh"
source scripts/build.sh

say "Checking formatting, lints and types"
need_rust_checkers
need_wasm_target
need_node_modules
step "cargo fmt" cargo fmt --check || die "the Rust sources are not formatted; run: make format"
step "biome" biome ci --colors=off --error-on-warnings || die "biome found faults; make format mends most of them"
step "clippy, native" cargo clippy --locked --all-targets --features rayon,webgpu -- -D warnings
# All three modules in one: what they stand on is checked once.
step "clippy, WebAssembly" cargo clippy --locked --target $wasm_target --no-default-features \
  --features wasm,wasm-robust-pca,wasm-webgpu --lib -- -D warnings
# The wrapper's types rest on wasm-bindgen's, and the page's on the wrapper's: types are checked on the real build.
build_package
step "tsc, page" tsc -p www --noEmit
step "tsc, service worker" tsc -p www/src/service-worker --noEmit

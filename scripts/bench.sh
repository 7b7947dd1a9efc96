#!/usr/bin/env bash
# The same work by this package and by its peers, in Node and in Chromium, in one run: Markdown on stdout, everything else
# on stderr. QUICK=1: a smoke test. LONG=1: up to 8,192 tokens. JSON=FILE also writes every sample.
source "$(dirname "$0")/setup.sh"
source scripts/build.sh

# The peers take 200 MB, which no other target should have to fetch: they have a lock file of their own.
need_peers() {
  local sum stamp=benches/web/node_modules/.package-lock.sum
  sum=$(sha256sum <benches/web/package-lock.json)
  [[ -f $stamp && $(<$stamp) == "$sum" ]] && return
  step "Installing the peers" npm ci --prefix benches/web --ignore-scripts --no-audit --no-fund ||
    die "The peers could not be installed; try: npm ci --prefix benches/web --ignore-scripts"
  printf '%s\n' "$sum" >$stamp
}

build_benches() {
  need_chromium
  build_package
  need_peers
  step "Assembling the machine's limits" wasm-as --enable-simd --enable-bulk-memory \
    benches/web/limit/limit.wat -o benches/web/limit/limit.wasm
  step "Building the page of the benchmarks" vite build --config benches/web/vite.config.js benches/web
}

build_benches >&2
say "Measuring" >&2
node benches/web/main.js ${QUICK:+--quick} ${LONG:+--long} ${JSON:+--json "$JSON"}

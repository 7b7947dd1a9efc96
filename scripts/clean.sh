#!/usr/bin/env bash
source "$(dirname "$0")/setup.sh"

rm -rf "$(target_dir)" pkg/dist benches/web/dist benches/web/limit/limit.wasm www/dist www/test-output node_modules/.cache
say "Removed everything that was built"

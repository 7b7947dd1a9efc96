#!/usr/bin/env bash
# Measures into data/theory, then draws docs/figure-*.svg from it.
source "$(dirname "$0")/setup.sh"

need_rust
need_node_modules
step "Compiling" cargo build --release --locked --example theory
"$(target_dir)/release/examples/theory" data/theory
step "Drawing" node scripts/figures.js

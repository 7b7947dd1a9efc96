#!/usr/bin/env bash
# Measures into data/theory, draws docs/figure-*.svg from it, and prints the tables of docs/theory.md on stdout.
source "$(dirname "$0")/setup.sh"

need_rust >&2
need_node_modules >&2
step "Compiling" cargo build --release --locked --example theory >&2
"$(target_dir)/release/examples/theory" data/theory
step "Drawing" node scripts/figures.js >&2
node scripts/theory-tables.js

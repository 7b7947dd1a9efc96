#!/usr/bin/env bash
# Markdown on stdout, everything else on stderr. JSON=FILE also writes every head's numbers.
source "$(dirname "$0")/setup.sh"

need_rust >&2
step "Compiling" cargo build --release --locked --example accuracy >&2
"$(target_dir)/release/examples/accuracy" ${JSON:+--json "$JSON"}

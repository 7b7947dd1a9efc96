#!/usr/bin/env bash
# How time and memory grow with the sequence: Markdown on stdout, everything else on stderr.
source "$(dirname "$0")/setup.sh"

need_rust >&2
step "Compiling" cargo build --release --locked --example cost >&2
"$(target_dir)/release/examples/cost"

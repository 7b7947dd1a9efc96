#!/usr/bin/env bash
source "$(dirname "$0")/setup.sh"

need_rust_checkers
need_node_modules
step "cargo fmt" cargo fmt
step "biome" biome check --write --error-on-warnings

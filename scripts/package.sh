#!/usr/bin/env bash
source "$(dirname "$0")/setup.sh"
source scripts/build.sh

say "Building the npm package"
build_package
say "The package is in pkg/ (its build in pkg/dist)"

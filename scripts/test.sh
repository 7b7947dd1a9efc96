#!/usr/bin/env bash
# Every check and test, cheapest first; the first stage that fails ends the run.
source "$(dirname "$0")/setup.sh"
source scripts/build.sh

passed=0 current="set-up"

# stage NAME COMMAND...
stage() {
  local started=$SECONDS
  current=$1
  shift
  say $'\n'"== $current"
  "$@"
  say "== $current: passed, $((SECONDS - started)) s"
  passed=$((passed + 1))
}

report() {
  local status=$?
  # After an interruption, what still runs in the background.
  kill $(jobs -p) 2>/dev/null || true
  say ""
  if ((status == 0)); then
    say "All stages passed in $SECONDS s"
    say "stages: $passed passed, 0 failed"
  else
    say "Failed: $current, after $SECONDS s"
    say "stages: $passed passed, 1 failed"
  fi
}
trap report EXIT

# What can only be reported as missing comes before what takes minutes to install.
set_up() {
  need_rust
  need_node
  need_chromium
  need_firefox
  need_node_modules
  need_wasm_tools
}

# With rayon there is one path more, which calls take where there are several cores; tests/rayon.rs holds it to the other. The GPU of
# these tests is the processor: every machine has the same.
native_tests() {
  LD_LIBRARY_PATH=$vulkan VK_DRIVER_FILES=$vulkan/vk_swiftshader_icd.json \
    cargo test --locked --features rayon,webgpu
}

# cargo runs these through wasm-bindgen's runner (.cargo/config.toml). "wasm-pack test" would first compile
# every native test for WebAssembly too, in a second profile.
# The runner's own limit, 20 s for all tests together, is too short for a loaded machine.
browser_tests() {
  CHROMEDRIVER=$chromedriver WASM_BINDGEN_TEST_TIMEOUT=300 \
    cargo test --locked --target $wasm_target --no-default-features --features wasm --test browser
}

browser_tests_with_simd() { browser_tests; }

# Its own target folder, since a change of flags rebuilds everything in a shared one.
browser_tests_without_simd() {
  RUSTFLAGS="-Ctarget-feature=-simd128" CARGO_TARGET_DIR="$(target_dir)/nosimd" \
    CARGO_BUILD_BUILD_DIR="$CARGO_BUILD_BUILD_DIR-nosimd" browser_tests
}

# As above. These are the flags of the module in pkg/dist/wasm-relaxed.
browser_tests_with_relaxed_simd() {
  RUSTFLAGS="-Ctarget-feature=+simd128,+relaxed-simd" CARGO_TARGET_DIR="$(target_dir)/relaxed" \
    CARGO_BUILD_BUILD_DIR="$CARGO_BUILD_BUILD_DIR-relaxed" browser_tests
}

# Side by side, for each computes on one thread; told one after the other.
all_browser_tests() {
  local logs build failed="" pids=() builds=(with_simd with_relaxed_simd without_simd)
  logs=$(mktemp -d)
  for build in "${builds[@]}"; do
    "browser_tests_$build" >"$logs/$build" 2>&1 </dev/null &
    pids+=($!)
  done
  for build in "${builds[@]}"; do
    wait "${pids[0]}" || failed+=" $build"
    pids=("${pids[@]:1}")
    say "-- ${build//_/ }"
    cat "$logs/$build"
  done
  rm -r "$logs"
  [[ -z $failed ]] || die "tests in Chromium failed:$failed"
}

package_tests() { npm test -w pkg; }

page_unit_tests() { npm test -w www; }

page_tests() {
  build_page
  npm run e2e -w www
}

say "== set-up"
set_up
stage "formatting, lints, types" scripts/check.sh
stage "Rust, native" native_tests
stage "Rust in Chromium" all_browser_tests
stage "npm package" package_tests
stage "page, units" page_unit_tests
stage "page, end to end" page_tests

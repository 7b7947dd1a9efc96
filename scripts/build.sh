# shellcheck shell=bash
# Sourced: Rust -> pkg/dist/wasm -> pkg/dist -> www/dist. Each function builds what it stands on first.

# Four modules from one crate: what a page loads; the same with relaxed SIMD, for engines that have it; and robust PCA and
# WebGPU, each of which is fetched when it is first asked for.
build_wasm() {
  need_rust
  need_node_modules
  need_wasm_tools
  build_module wasm wasm pkg/dist/wasm scatterbrain 90000
  build_relaxed_module
  build_module wasm-robust-pca wasm-robust-pca pkg/dist/wasm-robust-pca robust_pca 140000
  build_module wasm-webgpu wasm-webgpu pkg/dist/wasm-webgpu webgpu 160000
}

# The two builds of the core are driven by one copy of the glue, which must therefore be the same for both.
build_relaxed_module() {
  local out=node_modules/.cache/scatterbrain/wasm-relaxed
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Ctarget-feature=+simd128,+relaxed-simd" \
    build_module wasm-relaxed wasm $out scatterbrain 90000
  cmp $out/scatterbrain.js pkg/dist/wasm/scatterbrain.js ||
    die "With relaxed SIMD the module's imports or exports differ: it cannot share the glue."
  mkdir -p pkg/dist/wasm-relaxed
  cp $out/scatterbrain_bg.wasm pkg/dist/wasm-relaxed/
}

# build_module PROFILE FEATURE OUT NAME LIMIT: each has a profile of its own, so that two builds of one crate do not
# overwrite each other's output; NAME begins the files in the folder OUT; LIMIT is for the module's size with gzip.
build_module() {
  local profile=$1 feature=$2 out=$3 name=$4 limit=$5 stamp=node_modules/.cache/scatterbrain/$1.sum inputs
  local module=$out/${name}_bg.wasm cargo_options=(--locked --no-default-features --features "$feature")
  step "Compiling Rust to WebAssembly, $profile" \
    cargo build --profile "$profile" --lib --target $wasm_target "${cargo_options[@]}"
  # wasm-opt takes the most time. The stamp names its output too: a module built by hand is not taken for ours.
  inputs=$(sha256sum <<<"$tools $(cat "$(target_dir)/$wasm_target/$profile/scatterbrain.wasm" \
    Cargo.toml package-lock.json scripts/build.sh | sha256sum)")
  if ! [[ -f $stamp && -f $module && $(<"$stamp") == "$inputs $(sha256sum <"$module")" ]]; then
    rm -rf "$out"
    step "Optimising the WebAssembly module, $profile" \
      wasm-pack build --profile "$profile" --target web --mode no-install --no-pack --no-gitignore \
      --out-dir "$out" --out-name "$name" -- "${cargo_options[@]}"
    mkdir -p "${stamp%/*}"
    printf '%s\n' "$inputs $(sha256sum <"$module")" >"$stamp"
  fi
  node scripts/wasm-size.js "$module" "$limit"
}

build_package() {
  build_wasm
  # A source file that was renamed or removed must not live on in the package.
  find pkg/dist -mindepth 1 -maxdepth 1 ! -name 'wasm*' -exec rm -rf {} +
  step "Compiling the npm package's TypeScript" tsc -p pkg
}

build_page() {
  build_package
  step "Building the page" npm run --silent build -w www
}

# shellcheck shell=bash
# Sourced: Rust -> pkg/dist/wasm -> pkg/dist -> www/dist. Each function builds what it stands on first.

readonly wasm_gzip_limit=90000
readonly wasm_module=pkg/dist/wasm/scatterbrain_bg.wasm

build_wasm() {
  need_rust
  need_node_modules
  need_wasm_tools
  local cargo_options=(--locked --features wasm) stamp=node_modules/.cache/scatterbrain/wasm.sum inputs
  step "Compiling Rust to WebAssembly" \
    cargo build --profile wasm --lib --target $wasm_target "${cargo_options[@]}"
  # wasm-opt takes the most time. The stamp names its output too: a module built by hand is not taken for ours.
  inputs=$(sha256sum <<<"$tools $(cat "$(target_dir)/$wasm_target/wasm/scatterbrain.wasm" \
    Cargo.toml package-lock.json scripts/build.sh | sha256sum)")
  if ! [[ -f $stamp && -f $wasm_module && $(<$stamp) == "$inputs $(sha256sum <$wasm_module)" ]]; then
    rm -rf pkg/dist/wasm
    step "Optimising the WebAssembly module" \
      wasm-pack build --profile wasm --target web --mode no-install --no-pack --no-gitignore \
      --out-dir pkg/dist/wasm --out-name scatterbrain -- "${cargo_options[@]}"
    mkdir -p "${stamp%/*}"
    printf '%s\n' "$inputs $(sha256sum <$wasm_module)" >$stamp
  fi
  node scripts/wasm-size.js $wasm_module $wasm_gzip_limit
}

build_package() {
  build_wasm
  # A source file that was renamed or removed must not live on in the package.
  find pkg/dist -mindepth 1 -maxdepth 1 ! -name wasm -exec rm -rf {} +
  step "Compiling the npm package's TypeScript" tsc -p pkg
}

build_page() {
  build_package
  step "Building the page" npm run --silent build -w www
}

# shellcheck shell=bash
# Sourced: Rust -> pkg/dist/wasm -> pkg/dist -> www/dist. Each function builds what it stands on first.

# Two modules from one crate: what a page loads, and robust PCA, which is fetched when it is first asked for.
build_wasm() {
  need_rust
  need_node_modules
  need_wasm_tools
  build_module wasm scatterbrain 90000
  build_module wasm-robust-pca robust_pca 140000
}

# build_module KIND NAME LIMIT: KIND names the feature, the profile (so that two builds of one crate do not overwrite each
# other's output) and the folder in pkg/dist; NAME begins the files in it; LIMIT is for its size with gzip.
build_module() {
  local kind=$1 name=$2 limit=$3 out=pkg/dist/$1 stamp=node_modules/.cache/scatterbrain/$1.sum inputs
  local module=$out/${name}_bg.wasm cargo_options=(--locked --no-default-features --features "$kind")
  step "Compiling Rust to WebAssembly, $kind" \
    cargo build --profile "$kind" --lib --target $wasm_target "${cargo_options[@]}"
  # wasm-opt takes the most time. The stamp names its output too: a module built by hand is not taken for ours.
  inputs=$(sha256sum <<<"$tools $(cat "$(target_dir)/$wasm_target/$kind/scatterbrain.wasm" \
    Cargo.toml package-lock.json scripts/build.sh | sha256sum)")
  if ! [[ -f $stamp && -f $module && $(<"$stamp") == "$inputs $(sha256sum <"$module")" ]]; then
    rm -rf "$out"
    step "Optimising the WebAssembly module, $kind" \
      wasm-pack build --profile "$kind" --target web --mode no-install --no-pack --no-gitignore \
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

# shellcheck shell=bash
# Sourced by every script beside it: finds or installs what a step needs, and says so.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly wasm_pack_version=0.15.1
readonly wasm_target=wasm32-unknown-unknown
readonly chromium=/usr/bin/chromium chromedriver=/usr/bin/chromedriver firefox=/usr/bin/firefox-esr
# Chromium brings a Vulkan driver that needs no GPU, and the library that finds it.
readonly vulkan=/usr/lib/chromium

# A shell that rustup's installer has not touched yet.
PATH="$PWD/node_modules/.bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

# Any of these replaces the flags in .cargo/config.toml, and with them +simd128, without a word.
for name in RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS; do
  if [[ -n ${!name:-} ]]; then
    echo "Ignoring $name from the environment: it would replace the flags in .cargo/config.toml." >&2
  fi
  unset "$name"
done

cache="${XDG_CACHE_HOME:-$HOME/.cache}/scatterbrain"

# What cargo makes on the way to a target folder: compiled once for all clones that have the same dependencies and compiler. Results
# stay in each clone. (Cargo before 1.91 takes no notice.)
share_builds() {
  CARGO_BUILD_BUILD_DIR="$cache/build-$(cat Cargo.lock - <<<"$(rustc -V)" | sha256sum | cut -c1-16)"
  export CARGO_BUILD_BUILD_DIR
  mkdir -p "$CARGO_BUILD_BUILD_DIR"
  touch "$CARGO_BUILD_BUILD_DIR"
  find "$cache" -maxdepth 1 -name 'build-*' -mtime +14 -exec rm -rf {} +
}

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

target_dir() { printf '%s' "${CARGO_TARGET_DIR:-target}"; }

# step LABEL COMMAND...: one line for the reader; the command's own output only if it fails.
step() {
  local label=$1 log started=$SECONDS
  shift
  log=$(mktemp)
  printf '  %s ... ' "$label"
  if "$@" >"$log" 2>&1 </dev/null; then
    printf 'done, %d s\n' $((SECONDS - started))
    rm -f "$log"
  else
    printf 'failed after %d s\n' $((SECONDS - started))
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
}

need_rust() {
  command -v cargo >/dev/null && command -v rustc >/dev/null ||
    die "Rust is missing; install it with: curl --proto '=https' -sSf https://sh.rustup.rs | sh"
  command -v cc >/dev/null ||
    die "A C linker is missing; install it with: apt-get install build-essential"
  [[ -f Cargo.lock ]] || die "Cargo.lock is missing; make it with: cargo generate-lockfile"
  share_builds
}

need_rust_checkers() {
  need_rust
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
  step "Adding rustfmt and clippy" rustup component add rustfmt clippy ||
    die "rustfmt and clippy are missing; install them with: rustup component add rustfmt clippy"
}

need_wasm_target() {
  need_rust
  [[ -d $(rustc --print target-libdir --target $wasm_target) ]] && return
  step "Adding the Rust target $wasm_target" rustup target add $wasm_target ||
    die "The Rust target $wasm_target is missing; install it with: rustup target add $wasm_target"
}

locked_version() {
  awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock
}

# wasm-pack and wasm-bindgen take minutes to compile, so one copy per pair of versions serves every clone.
# wasm-bindgen's tool must equal the crate, hence its version comes from Cargo.lock.
need_wasm_tools() {
  need_wasm_target
  local bindgen_version lock
  bindgen_version=$(locked_version wasm-bindgen)
  [[ -n $bindgen_version ]] || die "Cargo.lock holds no wasm-bindgen, so the version of its tool is unknown."
  tools="$cache/tools-wp$wasm_pack_version-wb$bindgen_version"
  PATH="$tools/bin:$PATH"
  if tool_ready wasm-pack $wasm_pack_version && tool_ready wasm-bindgen "$bindgen_version"; then return; fi

  mkdir -p "$tools"
  exec {lock}>"$tools.lock"
  flock --nonblock "$lock" || step "Waiting for another set-up to install the same tools" flock "$lock"
  install_tool wasm-pack wasm-pack $wasm_pack_version
  install_tool wasm-bindgen-cli wasm-bindgen "$bindgen_version"
  exec {lock}>&-
}

tool_ready() { [[ $("$tools/bin/$1" --version 2>/dev/null) == "$1 $2" ]]; }

install_tool() {
  local crate=$1 binary=$2 version=$3
  tool_ready "$binary" "$version" && return
  # The build folder outlives an interruption, so the next try goes on from there.
  step "Installing $crate $version (compiled once, some minutes)" \
    cargo install --locked --force --root "$tools" --target-dir "$tools.build" "$crate@$version" ||
    die "$crate $version could not be installed; try: cargo install --locked --root '$tools' $crate@$version"
  rm -rf "$tools.build"
  tool_ready "$binary" "$version" ||
    die "'$tools/bin/$binary --version' does not answer '$binary $version'; remove that folder and try again."
}

need_node() {
  local how="install Node 22 with: nvm install 22 (or, on Debian 13: apt-get install nodejs npm)"
  command -v node >/dev/null || die "Node is missing; $how"
  command -v npm >/dev/null || die "npm is missing; $how"
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)' ||
    die "Node $(node --version) is too old, 20.19 or 22.12 or newer is needed; $how"
}

need_node_modules() {
  need_node
  local sum stamp=node_modules/.package-lock.sum
  sum=$(sha256sum <package-lock.json)
  [[ -f $stamp && $(<$stamp) == "$sum" ]] && return
  step "Installing npm packages" npm ci --no-audit --no-fund ||
    die "The npm packages could not be installed; try: npm ci"
  printf '%s\n' "$sum" >$stamp
}

need_chromium() {
  [[ -x $chromium && -x $chromedriver ]] || need_debian "Chromium and its driver" chromium chromium-driver
}

need_firefox() { [[ -x $firefox ]] || need_debian "Firefox" firefox-esr; }

# need_debian LABEL PACKAGE...
need_debian() {
  local label=$1 root=()
  shift
  local how="$label: not installed; install with: sudo apt-get install $*"
  command -v apt-get >/dev/null || die "$how"
  if ((EUID != 0)); then
    sudo -n true 2>/dev/null || die "$how"
    root=(sudo -n)
  fi
  step "Updating Debian's package lists" "${root[@]}" apt-get update || die "$how"
  step "Installing $label" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" || die "$how"
}

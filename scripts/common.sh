# Sourced by the scripts beside it: where things lie, and how to say what is missing.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# need PROGRAM WHAT-TO-DO: stops with a sentence when a program is missing.
need() {
  command -v "$1" >/dev/null || die "\`$1\` is not installed; $2"
}

need_rust() {
  need cargo "install Rust from https://rustup.rs (this project needs $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer)"
  need cc "install a C compiler (Debian: apt-get install build-essential)"
}

need_node() {
  need node "install Node.js 20 or newer (https://nodejs.org)"
  need npm "install npm, which comes with Node.js 20 or newer (https://nodejs.org)"
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || die "Node.js $(node --version) is too old; install 20 or newer (https://nodejs.org)"
}

need_python() {
  need python3 "install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$(python3 --version) is too old; install Python 3.11 or newer"
}

# The folder cargo builds into, whatever says so: the environment, a cargo config, or the default.
target_folder() {
  cargo metadata --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}

# debian_install PACKAGE…: installs Debian packages, as root or through sudo; otherwise says what to type.
debian_install() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      say "missing: $*; install with: sudo apt-get install --no-install-recommends $*"
      return 1
    fi
  fi
  if ! command -v apt-get >/dev/null; then
    say "missing: $*; this is not a Debian system, so install them with its own package manager"
    return 1
  fi
  say "installing $* from Debian's packages"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# unchanged STAMP FILE…: true when the stamp holds the hash of the files, so that the work need not be done again.
unchanged() {
  local stamp=$1
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | sha256sum)" ]
}

# remember STAMP FILE…: writes the stamp that `unchanged` reads.
remember() {
  local stamp=$1
  shift
  cat "$@" | sha256sum >"$stamp"
}

# The UI's packages, installed again only when the lock file changed.
install_ui_packages() {
  need_node
  unchanged ui/node_modules/.tidegate-lock ui/package-lock.json && return
  say "installing the UI's packages"
  npm --prefix ui ci --no-audit --no-fund --loglevel=error &&
    remember ui/node_modules/.tidegate-lock ui/package-lock.json
}

# python_with_pip: prints a Python that has pip: the system's, or an environment of its own where Debian left pip out.
python_with_pip() {
  need_python
  if python3 -m pip --version >/dev/null 2>&1; then
    echo python3
    return
  fi
  local folder="$cache/python-pip"
  if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
      debian_install python3-venv || die "Python has neither pip nor venv"
    fi
    python3 -m venv --clear "$folder" || die "cannot make a Python environment in $folder"
  fi
  echo "$folder/bin/python"
}

# The demo model, fetched once; prints the path it lies at.
fetch_demo_model() {
  local python
  python=$(python_with_pip) && "$python" scripts/fetch_demo_model.py
}

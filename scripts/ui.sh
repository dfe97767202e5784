#!/usr/bin/env bash
# Builds the web app into ui/dist when a source of it is newer than the last build.
set -euo pipefail
source "$(dirname "$0")/common.sh"

install_ui_packages

built=ui/dist/index.html
if [ -f "$built" ]; then
  newer=$(find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -path ui/e2e -prune -o \
    -type f -newer "$built" ! -name '*.rs' ! -name Cargo.toml -print -quit)
  [ -n "$newer" ] || exit 0
  say "building the UI ($newer changed)"
else
  say "building the UI"
fi
npm --prefix ui run --silent build

#!/usr/bin/env bash
# Prints the path of Azurite's program for blobs, Microsoft's emulator of Azure storage, installing it from npm into the
# cache folder first. The tests of artifacts in buckets start it themselves; $TIDEGATE_TEST_AZURE names another program.
set -euo pipefail
source "$(dirname "$0")/common.sh"

version=3.37.0
folder="$cache/azurite-$version"
program="$folder/node_modules/.bin/azurite-blob"

if [ ! -f "$folder/.complete" ]; then
  need_node
  mkdir -p "$cache"
  exec 9>"$cache/azure.lock" # two runs at once: the second one waits for the first one's installation
  flock 9
fi
if [ ! -f "$folder/.complete" ]; then
  say "installing Azurite $version, an Azure storage server for the tests, into $folder"
  rm -rf "$folder"
  mkdir -p "$folder"
  npm install --prefix "$folder" --silent --no-audit --no-fund --omit=optional --ignore-scripts "azurite@$version" >&2
  touch "$folder/.complete"
fi
echo "$program"

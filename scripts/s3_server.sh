#!/usr/bin/env bash
# Prints the path of s3s-fs, a server that speaks S3 over a folder, building it into the cache folder first.
# The tests of artifacts in buckets start it themselves; $TIDEGATE_TEST_S3 names another binary with its flags.
set -euo pipefail
source "$(dirname "$0")/common.sh"

version=0.14.1
folder="$cache/s3s-fs-$version"

if [ ! -x "$folder/bin/s3s-fs" ]; then
  need_rust
  mkdir -p "$cache"
  exec 9>"$cache/s3.lock" # two runs at once: the second one waits for the first one's build
  flock 9
fi
if [ ! -x "$folder/bin/s3s-fs" ]; then
  say "building s3s-fs $version, an S3 server for the tests, into $folder (two minutes on two cores)"
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  # Hardly optimised: checksums of large files are fast enough, and it compiles in a third of the time.
  CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 cargo install s3s-fs --version "$version" --locked \
    --features binary --debug --quiet --root "$folder" --target-dir "$build" >&2
fi
echo "$folder/bin/s3s-fs"

#!/usr/bin/env bash
# Prints the path of a Chromium, installing Debian's when there is none. $CHROMIUM names another one.
set -euo pipefail
source "$(dirname "$0")/common.sh"

find_chromium() {
  command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome
}

find_chromium && exit 0
debian_install chromium fonts-dejavu-core >&2 || die "the browser tests need Chromium"
find_chromium || die "Chromium was installed, but is not on the PATH"

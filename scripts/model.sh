#!/usr/bin/env bash
# Fetches the demo model into the cache folder, once.
set -euo pipefail
source "$(dirname "$0")/common.sh"

fetch_demo_model

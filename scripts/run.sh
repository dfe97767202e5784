#!/usr/bin/env bash
# Builds what changed, fetches the demo model once, and serves. Arguments go to `tidegate server`.
set -euo pipefail
source "$(dirname "$0")/common.sh"

need_rust
need_python
scripts/ui.sh
cargo build --release --workspace --bin tidegate
fetch_demo_model >/dev/null
exec "$(target_folder)/release/tidegate" server --config configs/quickstart.yaml "$@"

#!/usr/bin/env bash
# Measures this machine: builds in release mode, then prints the tables of benches/RESULTS.md.
# Arguments choose scenarios: startup gateway calls log-batch search model. Without any, all of them run.
set -euo pipefail
source "$(dirname "$0")/common.sh"

need_rust
need_python
scripts/ui.sh
fetch_demo_model >/dev/null
cargo build --release --workspace --bins
built="$(target_folder)/release"

say "machine: $(nproc) × $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)"

scenarios=("$@")
wants_model=false
for name in "${scenarios[@]}"; do [ "$name" = model ] && wants_model=true; done
loads=()
for name in "${scenarios[@]}"; do [ "$name" = model ] || loads+=("$name"); done

if [ ${#scenarios[@]} -eq 0 ] || [ ${#loads[@]} -gt 0 ]; then
  "$built/load" "${loads[@]}"
fi
if [ ${#scenarios[@]} -eq 0 ] || $wants_model; then
  "$built/model"
fi

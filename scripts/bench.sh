#!/usr/bin/env bash
# Measures this machine: builds in release mode, then prints the tables of benches/RESULTS.md.
# Arguments choose scenarios: startup gateway calls log-batch search model. Without any, all of them run.
# `record` instead compares the tracking API with `mlflow server` and FastTrackML on three databases, about 20 minutes;
# arguments after it choose its parts: sqlite postgres mysql many-runs bare.
set -euo pipefail
source "$(dirname "$0")/common.sh"

# FastTrackML in an environment of its own: it needs another mlflow than the tests.
fasttrackml() {
  local folder="$cache/fasttrackml-0.6.0"
  if [ ! -f "$folder/.complete" ]; then
    say "installing FastTrackML into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" &&
      "$folder/bin/pip" install --quiet --disable-pip-version-check fasttrackml==0.6.0 >&2 || return 1
    touch "$folder/.complete"
  fi
  echo "$folder/bin/fml"
}

record() {
  local python
  python=$(scripts/python_env.sh)
  TIDEGATE_BENCH_MLFLOW=${TIDEGATE_BENCH_MLFLOW:-"$(dirname "$python")/mlflow"}
  TIDEGATE_BENCH_FASTTRACKML=${TIDEGATE_BENCH_FASTTRACKML:-$(fasttrackml || say "going on without FastTrackML")}
  export TIDEGATE_BENCH_MLFLOW TIDEGATE_BENCH_FASTTRACKML
  # Databases as safe as in production: an answer is on disk.
  scripts/services.sh --durable "$built/record" "$@"
}

need_rust
need_python
scripts/ui.sh
[ "${1:-}" = record ] || fetch_demo_model >/dev/null
cargo build --release --workspace --bins
built="$(target_folder)/release"

say "machine: $(nproc) × $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)"

if [ "${1:-}" = record ]; then
  record "${@:2}"
  exit
fi

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

#!/usr/bin/env bash
# Measures this machine: builds the binary that users install, then prints the tables of benches/RESULTS.md.
# Arguments choose scenarios: startup gateway calls log-batch search model. Without any, all of them run.
# `record` instead compares the tracking API with `mlflow server` and FastTrackML on three databases, about 20 minutes;
# arguments after it choose its parts: sqlite postgres mysql many-runs bare.
# `gateways` compares the gateway with nginx, TensorZero, MLflow's, Portkey and LiteLLM, about 10 minutes; arguments after
# it choose its parts: side-by-side soak slow-streams leaving.
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

# The other gateways, each in a folder of its own; one that cannot be installed is left out.
python_peer() {
  local folder="$cache/$1"
  if [ ! -f "$folder/.complete" ]; then
    say "installing $1 into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" &&
      "$folder/bin/pip" install --quiet --disable-pip-version-check "${@:2}" >&2 || return 1
    touch "$folder/.complete"
  fi
  echo "$folder/bin"
}

portkey() {
  local folder="$cache/portkey-1.15.2"
  if [ ! -f "$folder/.complete" ]; then
    say "installing Portkey's gateway into $folder"
    rm -rf "$folder" && mkdir -p "$folder" || return 1
    # Its streams break with a newer one of this package.
    npm install --silent --prefix "$folder" @portkey-ai/gateway@1.15.2 @hono/node-server@1.14.2 >&2 || return 1
    touch "$folder/.complete"
  fi
  echo "$folder/node_modules/@portkey-ai/gateway"
}

gateways() {
  local tensorzero litellm mlflow
  tensorzero=$(python_peer tensorzero-2026.6.0 tensorzero==2026.6.0 openai) || say "going on without TensorZero"
  litellm=$(python_peer litellm-1.108.7 'litellm[proxy]==1.108.7') || say "going on without LiteLLM"
  mlflow=$(python_peer mlflow-gateway-3.17.2 'mlflow[gateway]==3.17.2') || say "going on without MLflow"
  TIDEGATE_BENCH_TENSORZERO=${TIDEGATE_BENCH_TENSORZERO:-${tensorzero:+$tensorzero/python}}
  TIDEGATE_BENCH_LITELLM=${TIDEGATE_BENCH_LITELLM:-${litellm:+$litellm/litellm}}
  TIDEGATE_BENCH_MLFLOW=${TIDEGATE_BENCH_MLFLOW:-${mlflow:+$mlflow/mlflow}}
  TIDEGATE_BENCH_PORTKEY=${TIDEGATE_BENCH_PORTKEY:-$(portkey || say "going on without Portkey")}
  TIDEGATE_BENCH_NGINX=${TIDEGATE_BENCH_NGINX:-$(command -v nginx || say "going on without nginx")}
  export TIDEGATE_BENCH_TENSORZERO TIDEGATE_BENCH_LITELLM TIDEGATE_BENCH_MLFLOW TIDEGATE_BENCH_PORTKEY TIDEGATE_BENCH_NGINX
  "$built/gateways" "$@"
}

need_rust
need_python
scripts/ui.sh
[ "${1:-}" = record ] || [ "${1:-}" = gateways ] || fetch_demo_model >/dev/null
cargo build --release --workspace --bins
built="$(target_folder)/release"
cargo build --profile dist --workspace --bin tidegate
TIDEGATE_BIN=${TIDEGATE_BIN:-"$(target_folder)/dist/tidegate"}
export TIDEGATE_BIN

say "machine: $(nproc) × $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)"

if [ "${1:-}" = record ]; then
  record "${@:2}"
  exit
fi

if [ "${1:-}" = gateways ]; then
  gateways "${@:2}"
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

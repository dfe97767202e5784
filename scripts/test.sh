#!/usr/bin/env bash
# Proves the whole: format, lints, Rust tests, UI, then the built binary through Python clients and a browser.
# Every stage runs, however the ones before it ended, unless it needs what they should have made.
# The last line is `N passed, N failed`.
set -euo pipefail
source "$(dirname "$0")/common.sh"

passed=0
failed=0
broken=() # names of the stages that failed
logs=$(mktemp -d)
services="" # the process that keeps the database servers
trap '[ -z "$services" ] || { kill "$services" 2>/dev/null; wait "$services"; } || true; rm -rf "$logs"' EXIT

# stage KIND NAME COMMAND…: runs a command under a heading and adds to the counts. A `step` counts as one test;
# a `tests` stage counts what its runner reports, and fails when that is nothing.
stage() {
  local kind=$1 name=$2 log="$logs/log" started=$SECONDS status=0 counts ok bad
  shift 2
  printf '\n==> %s\n' "$name"
  "$@" 2>&1 | tee "$log" || status=$?
  ok=0
  bad=0
  if [ "$kind" = tests ]; then
    counts=$(python3 scripts/count_tests.py <"$log")
    ok=${counts% *}
    bad=${counts#* }
    if [ "$status" -eq 0 ] && [ $((ok + bad)) -eq 0 ]; then
      say "$name: no test ran"
      status=1
    fi
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1 # it broke outside a test
  elif [ "$status" -eq 0 ]; then
    ok=1
  else
    bad=1
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  if [ "$bad" -gt 0 ]; then
    broken+=("$name")
    printf '<== %s: FAILED (%s passed, %s failed, %ss)\n' "$name" "$ok" "$bad" $((SECONDS - started))
    return 1
  fi
  printf '<== %s: ok (%s passed, %ss)\n' "$name" "$ok" $((SECONDS - started))
}

finish() {
  printf '\n'
  [ ${#broken[@]} -eq 0 ] || printf 'failed: %s\n' "${broken[@]}"
  printf 'took %s min %s s\n' $((SECONDS / 60)) $((SECONDS % 60))
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] && exit 0 || exit 1
}

# Database servers for all stages that follow; the Rust and Python tests find them in TIDEGATE_TEST_….
start_services() {
  until [ "$(grep -c '^export ' "$logs/services")" -eq 2 ]; do
    if ! kill -0 "$services" 2>/dev/null; then
      cat "$logs/services.log"
      return 1
    fi
    sleep 0.1
  done
}

browser_tests() {
  local chromium
  chromium=$(scripts/chromium.sh) || return 1
  CHROMIUM="$chromium" "$python" tests/python/with_server.py npm --prefix ui run e2e
}

need_rust
need_node
need_python

stage step "format" cargo fmt --all --check || true

if stage step "UI packages" install_ui_packages; then
  stage step "UI lint" npm --prefix ui run --silent lint || true
  stage step "UI types" npm --prefix ui run --silent typecheck || true
  stage tests "UI unit tests" npm --prefix ui run test || true
  stage step "UI build" scripts/ui.sh || true
fi

stage step "clippy" cargo clippy --workspace --all-targets --quiet -- -D warnings || true
stage step "demo model" fetch_demo_model || true
: >"$logs/services"
scripts/services.sh >"$logs/services" 2>"$logs/services.log" &
services=$!
stage step "database servers" start_services || finish
# shellcheck disable=SC1091
source "$logs/services"
stage tests "Rust tests" cargo test --workspace --no-fail-fast --quiet || true

# From here on everything runs the binary that users run.
stage step "release build" cargo build --release --workspace --bin tidegate --quiet || finish
TIDEGATE_BIN="$(target_folder)/release/tidegate"
export TIDEGATE_BIN

stage step "Python packages" scripts/python_env.sh || finish
python=$(scripts/python_env.sh)
stage step "S3 server" scripts/s3_server.sh || finish
stage step "Azure server" scripts/azure_server.sh || finish
stage tests "Python clients" "$python" -m pytest tests/python || true
stage tests "browser" browser_tests || true
finish

#!/usr/bin/env bash
# Fuzzes what strangers send: `scripts/fuzz.sh [TARGET…]`, each for a minute or as long as SECONDS_EACH says.
#
# Needs clang and `cargo install cargo-fuzz --locked`. The first build takes a quarter of an hour. No sanitizer is asked
# for: our code has no unsafe blocks outside of kernels/, and without one the stable toolchain will do.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-fuzz > /dev/null || { echo "fuzz: run \`cargo install cargo-fuzz --locked\` first" >&2; exit 1; }
[ -d ui/dist ] || mkdir -p ui/dist
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(gateway body filter)
# libFuzzer's hooks are an unstable flag of the compiler.
export RUSTC_BOOTSTRAP=1

# What was recorded of real clients is where the gateway's fuzzer begins.
python3 scripts/fuzz_seeds.py gateway/tests/fixtures/recordings.jsonl.gz fuzz/corpus/gateway

for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target"
  cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="${SECONDS_EACH:-60}" -max_len=8192 -timeout=60 -print_final_stats=1
done

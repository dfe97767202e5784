#!/usr/bin/env bash
# Prints the Python interpreter of the test environment, making it first when its pinned packages changed.
set -euo pipefail
source "$(dirname "$0")/common.sh"

need_python
requirements=tests/python/requirements.txt
key=$( (python3 --version; cat "$requirements") | sha256sum | cut -c1-12)
folder="$cache/python-$key"

mkdir -p "$cache"
exec 9>"$cache/python.lock" # two runs at once: the second one waits for the first one's packages
flock 9

if [ ! -f "$folder/.complete" ]; then
  rm -rf "$folder"
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    debian_install python3-venv || die "Python has no venv module"
  fi
  say "installing the Python test packages into $folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$requirements" >&2
  "$folder/bin/pip" check --disable-pip-version-check >&2
  touch "$folder/.complete"
fi
echo "$folder/bin/python"

#!/usr/bin/env bash
# Runs a command beside PostgreSQL and MariaDB servers of its own: `scripts/services.sh COMMAND…`.
# Installs the two, and the Redis server that tests start themselves, from Debian's packages when they are missing; services.py starts and stops them.
set -euo pipefail
source "$(dirname "$0")/common.sh"

need_python

postgres_folder() {
  local folder
  for folder in $(ls -dr /usr/lib/postgresql/*/bin 2>/dev/null) "$(dirname "$(readlink -f "$(command -v initdb)")" 2>/dev/null)"; do
    [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && echo "$folder" && return
  done
  return 1
}

# A policy that lets no package start its service, for the time of one installation.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d as_root=() status=0 wrote="" package
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
  if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null 2>&1; then
    "${as_root[@]}" chmod 755 "$policy"
    wrote=yes
  fi
  debian_install "$@" || status=$?
  [ -z "$wrote" ] || "${as_root[@]}" rm -f "$policy"
  if [ "$status" -eq 0 ] && [ -d /run/systemd/system ]; then
    for package in "$@"; do
      "${as_root[@]}" systemctl --quiet disable --now "${package%-server}" 2>/dev/null || true # it may have no unit
    done
  fi
  return "$status"
}

missing=()
[ -n "${TIDEGATE_TEST_POSTGRES:-}" ] || postgres_folder >/dev/null || missing+=(postgresql)
[ -n "${TIDEGATE_TEST_MYSQL:-}" ] || command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
command -v redis-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -eq 0 ] || install_quietly "${missing[@]}" >&2 || die "the tests need the servers ${missing[*]}"

PATH="$PATH:/usr/sbin:$(postgres_folder || true)" exec python3 scripts/services.py "$@"

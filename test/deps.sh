#!/bin/bash
# deps.sh: sees to the Debian packages of the purposes named as arguments (build test bench; see test/packages).
# Silent when all are there.  Installs what is missing if it may (root, or sudo without a password), else prints the
# exact command and fails.  Never asks, and starts no server: a system cluster is kept from being made meanwhile.
set -euo pipefail
cd "$(dirname "$0")"

wanted=$(awk -v sets=" $* " '!/^#/ && index(sets, " " $1 " ") {print $2}' packages)
missing=()
if command -v dpkg-query >/dev/null; then
  for package in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
else
  echo "this is not Debian: the names of the packages needed are in test/packages" >&2
fi
[ ${#missing[@]} != 0 ] || exit 0

become=()
if [ "$(id -u)" != 0 ]; then
  become=(sudo -n)
  if ! sudo -n true 2>/dev/null; then
    printf 'packages are missing; install them with:\n  sudo apt-get install %s\n' "${missing[*]}" >&2
    exit 1
  fi
fi
echo "installing: ${missing[*]}"
keep=/etc/postgresql-common/createcluster.d/medallion-deps.conf
"${become[@]}" mkdir -p "${keep%/*}"
echo "create_main_cluster = false" | "${become[@]}" tee "$keep" >/dev/null
trap '"${become[@]}" rm -f "$keep"' EXIT
log=$(mktemp)
apt() { "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold "$@" >>"$log" 2>&1; }
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -30 "$log" >&2
  echo "could not install the packages; the whole log is $log" >&2
  exit 1
fi
rm -f "$log"

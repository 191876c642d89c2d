#!/bin/bash
# run-check.sh: prepares a place for the tests and runs the suites there; `make check` calls it after building.
# usage: test/run-check.sh SUITE…          suites: unit regress isolation tap
#
# The place is a temporary directory with a private installation and copies of what tests read, owned by the user the
# tests run as: root drops to `postgres` (or CHECK_USER).  It is removed at the end with every process below it; logs,
# results and diffs are kept in tmp_check/ when something failed.
# Chosen tests: REGRESS="a b", ISOLATION=…, TAP=…, UNIT=… (names without suffix).
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
. test/lib.sh

user=$(mdl_server_user)
run=$(mktemp -d "${TMPDIR:-/tmp}/medallion-check.XXXXXX")
finish() {
  trap - EXIT INT TERM
  mdl_stop_servers "$run"
  rm -rf "$run"
}
trap finish EXIT
trap 'finish; exit 130' INT TERM

mdl_private_install "$run/inst"
mkdir -p "$run/tree" "$run/log"
for part in test expected docs sql README.md META.json medallion.control; do
  [ -e "$part" ] && cp -r "$part" "$run/tree/"
done
if compgen -G 'tmp_unit/test_*' >/dev/null; then
  mkdir "$run/tree/tmp_unit"
  find tmp_unit -maxdepth 1 -name 'test_*' -perm -100 -exec cp {} "$run/tree/tmp_unit/" \;
fi
[ "$(id -u)" != 0 ] || chown -R "$user" "$run"
chmod 755 "$run"

pgxs=$($PG_CONFIG --pgxs)
rc=0
mapfile -t knobs < <(env | grep '^MEDALLION_[A-Z_]*=' || true)	# how much the long tests do; see test/README.md
mdl_run_clean "$user" "$run" RUN="$run" PGBIN="$PGBIN" PGXSDIR="${pgxs%/src/makefiles/pgxs.mk}" \
  REGRESS="${REGRESS:-}" ISOLATION="${ISOLATION:-}" TAP="${TAP:-}" UNIT="${UNIT:-}" \
  "${knobs[@]}" CHECK_TIMEOUT="${CHECK_TIMEOUT:-}" CHECK_JOBS="${CHECK_JOBS:-2}" bash "$run/tree/test/run-suites.sh" "$@" || rc=$?

rm -rf tmp_check
if [ $rc != 0 ]; then
  mkdir tmp_check
  cp -r "$run/log" "$run"/out_* tmp_check/ 2>/dev/null || true
  [ "$(id -u)" != 0 ] || chown -R --reference=Makefile tmp_check
fi
exit $rc

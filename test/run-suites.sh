#!/bin/bash
# run-suites.sh: runs the suites named as arguments in the place that run-check.sh made, and counts.
#
# Given in the environment: RUN (the place), PGBIN (the server's programs), PGXSDIR (pg_regress and the TAP modules),
# lists of chosen tests, CHECK_JOBS.  Ends with the line `N passed, N failed`; the exit status is 1 after a failure.
set -uo pipefail
cd "$RUN/tree"
export PATH=$PGBIN:$PATH LC_ALL=C.UTF-8
export PGISOLATIONTIMEOUT=${PGISOLATIONTIMEOUT:-300}
export UBSAN_OPTIONS=print_stacktrace=1 OPENBLAS_NUM_THREADS=1
# Limits that only a test that hangs meets: the machine may be slow, and do other work.
export PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-600} PGCTLTIMEOUT=${PGCTLTIMEOUT:-600}
passed=0 failed=0

conf=$RUN/medallion.conf
cat >"$conf" <<'C'
shared_preload_libraries = 'medallion'
fsync = off
shared_buffers = 128MB
max_wal_size = 2GB
max_worker_processes = 24
max_prepared_transactions = 5
jit = off
C

# names DIR SUFFIX CHOSEN: the tests to run, one a line: the chosen ones, else every file.
names() {
  if [ -n "$3" ]; then printf '%s\n' $3; return; fi
  find "$1" -maxdepth 1 -type f -name "*$2" -printf '%f\n' 2>/dev/null | sed "s/${2//./\\.}\$//" | LC_ALL=C sort
}

# count NAME PASSED FAILED SECONDS
count() {
  passed=$((passed + $2)) failed=$((failed + $3))
  printf '%-40s %5d passed %5d failed %7.1f s\n' "$@"
}

# Runs one TAP producer (a unit test or a TAP script): writes its log and, beside it, exit status and seconds.
run_one() {
  local log=$1 start=$EPOCHREALTIME
  shift
  timeout -k 10 "${CHECK_TIMEOUT:-3600}" "$@" >"$log" 2>&1 </dev/null
  echo "$? $(perl -e "printf '%.1f', $EPOCHREALTIME - $start")" >"$log.status"
}
export -f run_one

# tally NAME LOG: counts the top-level ok and not ok lines.  A producer that died, or printed no plan, failed once more; one that
# lacks what it tests, and said so, counts for nothing.
tally() {
  local status seconds ok bad reason
  read -r status seconds <"$2.status"
  reason=$(sed -n 's/^.* \.\. skipped: *//p' "$2")
  if [ "$status" = 0 ] && [ -n "$reason" ]; then printf '%-40s skipped: %s\n' "$1" "$reason"; return; fi
  ok=$(grep -Ec '^ok [0-9]' "$2"); bad=$(grep -E '^not ok ' "$2" | grep -vc '# TODO')
  if [ "$bad" = 0 ] && { [ "$status" != 0 ] || ! grep -q '^1\.\.' "$2"; }; then bad=1; fi
  if [ "$bad" != 0 ]; then
    echo "---- $1 (exit status $status):"
    grep -A12 '^not ok ' "$2" | head -60
    echo "---- the end of its log:"; tail -25 "$2"; echo "----"
  fi
  count "$1" "$ok" "$bad" "$seconds"
}

suite_unit() {
  local name
  mkdir -p "$RUN/log/unit"
  names test/unit .c "${UNIT:-}" |
    xargs -r -P "${CHECK_JOBS:-2}" -I{} bash -c 'run_one "$RUN/log/unit/{}.log" ./tmp_unit/{}'
  for name in $(names test/unit .c "${UNIT:-}"); do tally "unit $name" "$RUN/log/unit/$name.log"; done
}

# Runs pg_regress or pg_isolation_regress and counts its lines, `test x ... ok` or `ok 1 - x`, by major version.
run_pg_regress() {
  local suite=$1 program=$2 out=$RUN/out_$1 log=$RUN/log/$1.log start=$EPOCHREALTIME status=0 ok bad name
  shift 2
  mkdir -p "$out/expected"
  cp expected/*.out "$out/expected/" 2>/dev/null
  for name in "${@#--*}"; do      # a test without an expected file fails with its whole result as the diff
    [ -z "$name" ] || [ -e "$out/expected/$name.out" ] || : >"$out/expected/$name.out"
  done
  # Expected output of pg_regress names the superuser, so it is "postgres" whoever runs the tests.
  mkdir -p "$RUN/bin_$suite"
  if [ "$suite" = regress ]; then
    printf '#!/bin/sh\nexec "%s/initdb" -U postgres "$@"\n' "$PGBIN" >"$RUN/bin_$suite/initdb"
    printf '#!/bin/sh\nPGUSER=postgres exec "%s/psql" "$@"\n' "$PGBIN" >"$RUN/bin_$suite/psql"
    chmod 755 "$RUN/bin_$suite"/*
  fi
  PATH=$RUN/bin_$suite:$PATH timeout -k 10 7200 "$PGXSDIR/$program" --temp-instance="$RUN/instance_$suite" --bindir= \
    --temp-config="$conf" --inputdir="$RUN/tree/test" --outputdir="$out" --no-locale --encoding=UTF8 --dbname="medallion_$suite" "$@" \
    >"$log" 2>&1 </dev/null || status=$?
  ok=$(grep -Ec '^(test .*\.\.\. ok|ok [0-9])' "$log"); bad=$(grep -Ec '^(test .*\.\.\. FAILED|not ok )' "$log")
  if [ "$suite" = isolation ]; then      # a spec that does not parse "passes" once its error was accepted
    for name in $(grep -lE '^isolationtester: |syntax error at line|exited with' "$out"/results/*.out 2>/dev/null) \
                $(sed -n 's/^test \([^ ]*\) .*exited with.*/\1/p' "$log"); do
      name=$(basename "$name" .out); echo "spec $name did not run to its end"; ok=$((ok - 1)) bad=$((bad + 1))
    done
  fi
  if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  if [ "$bad" != 0 ]; then
    grep -Ev '\.\.\. ok|^ok ' "$log" | head -60
    [ ! -e "$out/regression.diffs" ] || head -400 "$out/regression.diffs"
    cp "$out"/log/postmaster.log "$RUN/log/$suite.postmaster.log" 2>/dev/null
  fi
  count "$suite" "$ok" "$bad" "$(perl -e "print $EPOCHREALTIME - $start")"
}

# One after the other in one database; 00_setup creates the extension.
suite_regress() {
  local tests
  tests=$(names test/sql .sql "${REGRESS:-}" | grep -vx 00_setup)
  # shellcheck disable=SC2086
  run_pg_regress regress src/test/regress/pg_regress 00_setup $tests
}

suite_isolation() {
  local tests
  tests=$(names test/specs .spec "${ISOLATION:-}")
  [ -n "$tests" ] || return 0
  # shellcheck disable=SC2086
  run_pg_regress isolation src/test/isolation/pg_isolation_regress --load-extension=medallion $tests
}

suite_tap() {
  local name
  mkdir -p "$RUN/log/tap"
  export TEMP_CONFIG=$conf PG_REGRESS=$PGXSDIR/src/test/regress/pg_regress PERL5LIB=$PGXSDIR/src/test/perl:$RUN/tree/test/t
  names test/t .pl "${TAP:-}" | xargs -r -P "${CHECK_JOBS:-2}" -I{} bash -c '
    # servers and their logs: PostgreSQL 15 goes by TESTDIR, later majors by the other two
    export TESTDIR=$RUN/tap/{} TESTDATADIR=$RUN/tap/{}/tmp_check TESTLOGDIR=$RUN/tap/{}/tmp_check/log
    mkdir -p "$TESTLOGDIR"
    run_one "$RUN/log/tap/{}.log" prove --verbose --merge "test/t/{}.pl"
    cp -r "$TESTLOGDIR" "$RUN/log/tap/{}"; rm -rf "$TESTDATADIR"'
  for name in $(names test/t .pl "${TAP:-}"); do tally "tap $name" "$RUN/log/tap/$name.log"; done
}

for suite in "$@"; do "suite_$suite"; done
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

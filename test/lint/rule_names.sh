#!/bin/bash
# rule_names.sh: a file name says which file is meant: C files are unique in the tree; regression tests and isolation
# specs, which share expected/, do not collide with each other or with an install fragment (which pg_regress would run
# instead of the test).
cd "$1" || exit 2
bad=0
report() {  # reads paths; prints those whose base name (less the suffixes given) occurs twice
  awk -v strip="$1" -v why="$2" '{ name = $0; sub(/.*\//, "", name); sub(strip, "", name)
    if (name in seen) { print $0 ":1: has the name of " seen[name] why; bad = 1 } else seen[name] = $0 } END { exit bad }'
}
find src test/unit -name '*.[ch]' 2>/dev/null | LC_ALL=C sort | report '^$' '; C file names are unique in the tree' || bad=1
find sql test/sql test/specs -maxdepth 1 \( -name '*.sql' -o -name '*.spec' \) 2>/dev/null | LC_ALL=C sort |
  report '\\.(sql|spec)$' '; tests and install fragments share one set of names' || bad=1
find sql -maxdepth 1 -name '[0-9][0-9]_*.sql' 2>/dev/null | LC_ALL=C sort | awk '{ n = $0; sub(/.*\//, "", n); n = substr(n, 1, 2)
  if (n in seen) { print $0 ":1: has the number of " seen[n] "; the order of fragments must be plain"; bad = 1 } else seen[n] = $0 } END { exit bad }' || bad=1
find sql -maxdepth 1 -name '*.sql' ! -name '[0-9][0-9]_*.sql' 2>/dev/null | sed 's/$/:1: is not part of the install script: its name lacks a number/' | grep . && bad=1
exit $bad

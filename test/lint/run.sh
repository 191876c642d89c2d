#!/bin/bash
# run.sh: `make lint`.  Runs every rule over the tree (and the built libraries), after the rules' own tests.
# A rule is a script of this folder: it gets the root of a tree, prints `file:line: what is wrong` for each violation,
# and fails if there was one.  With -q only the rules run.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
status=0 rules=0
[ "${1:-}" = -q ] || "$here/selftest.sh" || status=1
cd "$root" || exit 1
for rule in "$here"/rule_*; do
  rules=$((rules + 1))
  "$rule" . || { status=1; echo "  (rule: test/lint/${rule##*/})"; }
done
if [ $status = 0 ]; then echo "lint: $rules rules, nothing to report"; else echo "lint: FAILED"; fi
exit $status

#!/bin/bash
# selftest.sh: every rule finds what is planted for it, at the right line, and has nothing to say of a clean tree.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

clean() {
  rm -rf "$tree"; mkdir -p "$tree"/{src/{base,versioning,train,worker,registry,lake,ml},test/{sql,specs,unit},sql,expected}
  cd "$tree" || exit 1
  printf "default_version = '0.1'\n" >medallion.control
  printf '#define MDL_VERSION "0.1"\n' >src/medallion.c
  printf '#include "ml/ml_fit.h"\n#include "registry/registry.h"\n#include <math.h>\n\nint\nf(void)\n{\n\treturn 0;\n}\n' >src/train/fit.c
  printf '#include <math.h>\n/* printf(x) is not for kernels */\ndouble ml_f(double x);\n' >src/ml/ml_fit.h
  printf '#if PG_VERSION_NUM < 150000\n#endif\n' >src/base/pg_compat.h
  printf "CREATE OR REPLACE FUNCTION medallion.f(a text, b int DEFAULT coalesce(1, 2)) RETURNS int\nLANGUAGE C STABLE PARALLEL SAFE AS 'x';\nCOMMENT ON FUNCTION medallion.f(text, int) IS 'Counts; the limit is none.';\nCREATE OR REPLACE VIEW medallion.v AS SELECT 1;\nCOMMENT ON VIEW medallion.v IS 'One.';\n" >sql/20_a.sql
  mkdir docs; printf 'f and v\n' >docs/a.md; printf '[a](a.md)\n' >docs/README.md
  printf 'SELECT 1;\n' >test/sql/a_test.sql; printf 'SELECT 1;\n' >expected/a_test.out
  if [ -n "${1:-}" ]; then libraries '' ''; fi
}

# Builds three libraries; $1 is added to medallion.so's source, $2 to its link line.
libraries() {
  local base='#define E __attribute__((visibility("default")))\nE void _PG_init(void) {} E void Pg_magic_func(void) {}'
  printf "$base E int mdl_f(void) { return 1; } %s\n" "$1" >x.c
  for name in medallion medallion_ml medallion_lake; do
    gcc -shared -fPIC -fvisibility=hidden -o $name.so x.c $([ $name = medallion ] && echo "$2") 2>/dev/null || echo "selftest: gcc failed"
  done
}

# expect RULE TEXT: the rule fails and says TEXT.
expect() {
  local out
  out=$("$here/$1" "$tree") && { echo "selftest: $1 passed over: $2"; failed=1; return; }
  grep -qF -- "$2" <<<"$out" || { echo "selftest: $1 said '$out', not: $2"; failed=1; }
}

clean libraries
for rule in "$here"/rule_*; do
  out=$("$rule" "$tree") && [ -z "$out" ] || { echo "selftest: ${rule##*/} complains of a clean tree: $out"; failed=1; }
done
. "$here/planted.sh"
[ $failed = 0 ] || exit 1

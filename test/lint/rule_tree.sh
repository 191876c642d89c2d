#!/bin/bash
# rule_tree.sh: every test has its expected output and the reverse; no file names a host of a package registry (machines
# have mirrors of their own: ordinary clients know theirs); shell and Perl scripts parse.
cd "$1" || exit 2
bad=0
complain() { echo "$1"; bad=1; }
for test in test/sql/*.sql test/specs/*.spec; do
  [ -e "$test" ] || continue
  name=${test##*/}; name=${name%.*}
  [ -s "expected/$name.out" ] || complain "$test:1: has no expected/$name.out"
done
for out in expected/*.out; do
  [ -e "$out" ] || continue
  name=${out##*/}; name=${name%.out}; base=${name%_[0-9]}
  for n in "$name" "$base"; do
    [ ! -e "test/sql/$n.sql" ] && [ ! -e "test/specs/$n.spec" ] || continue 2
  done
  complain "$out:1: belongs to no test"
done
if [ -e .git ]; then files() { git ls-files -z; }; else files() { find . -type f -print0; }; fi
found=$(files | xargs -0 grep -InE 'pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|deb[.]debian[.]org|security[.]debian[.]org|snapshot[.]debian|[.]pkg[.]dev|--(extra-)?index-url' -- 2>/dev/null |
  sed 's/^\([^:]*:[0-9]*\):.*/\1: names a host of a package registry, or how to reach one/')
[ -z "$found" ] || complain "$found"
for script in test/*.sh test/*/*.sh docs/demo/*.sh .ci/run; do
  [ -e "$script" ] || continue
  bash -n "$script" 2>/dev/null || complain "$script:1: bash cannot parse it"
  [ -x "$script" ] || [ "$script" = test/lib.sh ] || [ "$script" = test/lint/planted.sh ] || complain "$script:1: is not executable"
done
exit $bad

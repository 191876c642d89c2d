#!/bin/bash
# rule_versions.sh: differences between PostgreSQL majors live in src/base/pg_compat.h alone; and one number is the
# extension's version, in the control file, the library and META.json.
cd "$1" || exit 2
bad=0
found=$(grep -rnE --include='*.c' --include='*.h' '\b(PG_VERSION_NUM|PG_MAJORVERSION(_NUM)?|CATALOG_VERSION_NO)\b' src |
  grep -v '^src/base/pg_compat\.h:' | sed 's/^\([^:]*:[0-9]*\):.*/\1: names the server version; bridge the difference in src\/base\/pg_compat.h/')
[ -z "$found" ] || { echo "$found"; bad=1; }
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" medallion.control 2>/dev/null)
for place in src/medallion.c META.json; do
  [ -e "$place" ] && [ -n "$version" ] || continue
  case $place in
    *.c) want="#define MDL_VERSION \"$version\"";;
    *)   want="\"version\": \"$version";;
  esac
  grep -qF "$want" "$place" || { echo "$place:1: does not say $want, as medallion.control does"; bad=1; }
done
exit $bad

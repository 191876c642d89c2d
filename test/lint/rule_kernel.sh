#!/bin/bash
# rule_kernel.sh: src/ml is plain C11.  It and its unit tests include no header of the server's, and a kernel returns a
# status: it does not print, exit, jump, catch signals or call the server.
cd "$1" || exit 2
bad=0
headers='postgres(_ext|_fe)?\.h|c\.h|fmgr\.h|funcapi\.h|miscadmin\.h|pgstat\.h|pg_config[a-z_]*\.h'
folders='access|catalog|commands|common|executor|lib|libpq|mb|nodes|optimizer|parser|port|postmaster|replication|rewrite|storage|tcop|utils'
calls='printf|fprintf|vprintf|puts|putchar|perror|exit|_exit|abort|longjmp|setjmp|signal|sigaction|palloc0?|pfree|ereport|elog'
for file in src/ml/*.[ch] test/unit/*.[ch]; do
  [ -e "$file" ] || continue
  found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]+[\"<](($headers)|($folders)/)" "$file" |
    sed "s|^\([0-9]*\):.*include *\(.*\)|$file:\1: includes \2, a header of the server's|")
  [ -z "$found" ] || { echo "$found"; bad=1; }
done
for file in src/ml/*.[ch]; do
  [ -e "$file" ] || continue
  # a call: the name is not part of a longer one nor a field, and the line is not in a comment
  found=$(grep -nE "(^|[^A-Za-z0-9_>.])($calls)[[:space:]]*\(" "$file" |
    grep -vE '^[0-9]+:[[:space:]]*(/\*|\*|//)' | grep -vE "/\*.*\<($calls) *\(" |
    sed -E "s#^([0-9]*):.*\<($calls)[[:space:]]*\(.*#$file:\1: calls \2(); numeric code returns a status and a message#")
  [ -z "$found" ] || { echo "$found"; bad=1; }
done
exit $bad

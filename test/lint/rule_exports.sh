#!/bin/bash
# rule_exports.sh: the built libraries show only Pg_magic_func, _PG_init, the SQL functions with their pg_finfo_ records
# and what is marked MDL_EXPORT, all named mdl_; nothing of src/ml.  medallion.so, which may be preloaded, needs no third
# party's library.
cd "$1" || exit 2
bad=0
for library in medallion.so medallion_ml.so medallion_lake.so; do
  [ -e "$library" ] || { echo "$library:0: not built, so its symbols cannot be checked"; bad=1; continue; }
  found=$(nm -D --defined-only "$library" |
    awk -v file="$library" '$3 !~ /^(Pg_magic_func|_PG_init|_init|_fini|pg_finfo_mdl_[a-z0-9_]+|mdl_[a-z0-9_]+)$/ {
      print file ":0: exports " $3 (($3 ~ /^ml_/) ? ", which belongs to the numeric library" : ", which is not named mdl_") }')
  [ -z "$found" ] || { echo "$found"; bad=1; }
  nm -D --defined-only "$library" | grep -q ' _PG_init$' ||
    { echo "$library:0: has no _PG_init of its own, so loading it would run another library's"; bad=1; }
done
if [ -e medallion.so ]; then
  found=$(readelf -d medallion.so | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm)\.so|^ld-linux' |
    sed 's/.*/medallion.so:0: needs &; the library that may be preloaded has no third party/')
  [ -z "$found" ] || { echo "$found"; bad=1; }
  found=$(nm -D --undefined-only medallion.so | awk '$2 ~ /^(cblas_|LAPACKE_|openblas_|curl_|d[a-z]+_$)/ {
    print "medallion.so:0: uses " $2 ", which is a third party'"'"'s" }')
  [ -z "$found" ] || { echo "$found"; bad=1; }
fi
exit $bad

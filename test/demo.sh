#!/bin/bash
# demo.sh: `make demo`.  Starts a throwaway server that preloads this build and runs docs/demo/*.sql in order with psql,
# stopping at the first error.  KEEP=1 leaves the server up and says how to reach and how to stop it.
# The scripts get the psql variable `data`, the absolute directory of docs/demo/data as the server can read it.
set -euo pipefail
begun=$SECONDS
cd "$(dirname "$0")/.."
top=$PWD
. test/lib.sh

scripts=$(find docs/demo -maxdepth 1 -name '[0-9]*.sql' 2>/dev/null | LC_ALL=C sort)
[ -n "$scripts" ] || { echo "docs/demo holds no scripts" >&2; exit 1; }
user=$(mdl_server_user)
mdl_scratch demo

mdl_private_install "$run/inst"
cp -r docs/demo "$run/demo"
mdl_start_server "$run" "$user" "$PGBIN" "
shared_buffers = 512MB
max_wal_size = 4GB
max_worker_processes = 16
synchronous_commit = off
jit = off"
psql=(psql -X -q -h "$run/socket" -p 5432 -U postgres)
mdl_as_server "${psql[@]}" -d postgres -c 'CREATE DATABASE demo'
ready=$((SECONDS - begun))

for script in $scripts; do
  mdl_as_server "${psql[@]}" -d demo -v ON_ERROR_STOP=1 -v data="$run/demo/data" -P footer=off -P null='-' \
    -f "$run/demo/${script##*/}" </dev/null 2>&1 ||
    { echo; echo "the demo stopped in $script; the server's last messages:"; tail -20 "$run/server.log"; exit 1; }
done

echo
echo "The whole path took $((SECONDS - begun)) seconds, $ready of them to install and start the server."
if [ -n "${KEEP:-}" ]; then
  trap - EXIT INT TERM
  echo "The server is up.  To look around:"
  echo "  psql -h $run/socket -p 5432 -U postgres demo"
  echo "To stop it and remove everything:"
  echo "  kill -INT $(head -1 "$run/data/postmaster.pid") && sleep 2 && rm -r $run"
else
  echo "The server is gone again; 'make demo KEEP=1' leaves it up to look around."
fi

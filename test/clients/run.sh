#!/bin/bash
# run.sh: `make check-clients`.  Real clients against a schema with versioned tables: what they find there, what migrations
# they would make, how they read the past, and how OpenLineage's client takes lineage.  Not part of `make check`: it
# installs SQLAlchemy, Alembic, Django, psycopg and openlineage-python from PyPI and drizzle from npm, into tmp_clients/.
# Without npm the part about drizzle is left out, and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
. test/lib.sh

here=$top/tmp_clients
mkdir -p "$here"
if ! cmp -s test/clients/requirements.txt "$here/requirements.txt"; then
  python3 -m venv "$here/venv"
  "$here/venv/bin/pip" --quiet --quiet --disable-pip-version-check install -r test/clients/requirements.txt
  cp test/clients/requirements.txt "$here/"
fi
if command -v npm >/dev/null && ! cmp -s test/clients/package.json "$here/package.json"; then
  cp test/clients/package.json "$here/"
  npm install --prefix "$here" --silent --no-audit --no-fund >"$here/npm.log" 2>&1 || { cat "$here/npm.log"; exit 1; }
fi

run=$(mktemp -d "${TMPDIR:-/tmp}/medallion-clients.XXXXXX")
finish() {
  trap - EXIT INT TERM
  mdl_stop_servers "$run" >/dev/null
  rm -rf "$run"
}
trap finish EXIT
trap 'finish; exit 130' INT TERM
mdl_private_install "$run/inst"
mdl_start_server "$run" "$(mdl_server_user)" "$PGBIN" 'fsync = off'

rc=0
for part in sqlalchemy django drizzle openlineage; do
  if [ $part = drizzle ] && [ ! -d "$here/node_modules/drizzle-kit" ]; then echo "drizzle: left out, there is no npm"; continue; fi
  mdl_as_server psql -X -q -h "$run/socket" -U postgres -c "CREATE DATABASE $part"
  mdl_as_server psql -X -q -h "$run/socket" -U postgres -d $part -c 'CREATE EXTENSION medallion'
  mkdir "$here/work.$$"
  (cd "$here/work.$$" && PGHOST=$run/socket PGPORT=5432 PGUSER=postgres PGDATABASE=$part CLIENTS=$here \
    "$here/venv/bin/python" "$top/test/clients/check_$part.py") || rc=1
  rm -rf "$here/work.$$"
done
exit $rc

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
mdl_venv "$here" test/clients/requirements.txt
mdl_npm "$here" test/clients/package.json || true

mdl_scratch clients
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

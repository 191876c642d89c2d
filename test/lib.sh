# lib.sh: what the check, the demo, the benchmarks and the golden table share; sourced by bash scripts with `top` set to the source tree.
#
# A *private installation* is a copy of the server's programs with links to its libraries and share files, plus this
# build of medallion.  PostgreSQL finds lib/ and share/ relative to its own executable, so that is a whole installation
# and nothing is written to the system's.
PG_CONFIG=${PG_CONFIG:-pg_config}

# mdl_private_install DIR: makes one below DIR and sets PGBIN to the directory of its programs.
mdl_private_install() {
  local root=$1 bin lib share f
  bin=$($PG_CONFIG --bindir); lib=$($PG_CONFIG --pkglibdir); share=$($PG_CONFIG --sharedir)
  mkdir -p "$root$bin" "$root$lib" "$root$share/extension"
  cp "$bin"/* "$root$bin/"
  for f in "$lib"/*; do ln -s "$f" "$root$lib/"; done
  for f in "$share"/*; do [ "${f##*/}" = extension ] || ln -s "$f" "$root$share/"; done
  for f in "$share"/extension/*; do ln -s "$f" "$root$share/extension/"; done
  # What an earlier `make install` left in the system must not stand in for this build.
  rm -f "$root$lib/bitcode" "$root$lib"/medallion*.so "$root$share"/extension/medallion*
  "${MAKE:-make}" --no-print-directory -s -C "$top" install DESTDIR="$root" REGRESS= ISOLATION= >"$root/install.log" 2>&1 ||
    { cat "$root/install.log" >&2; return 1; }
  PGBIN=$root$bin
}

# mdl_server_user: prints the user that servers run as: oneself, or for root (which PostgreSQL refuses) another one.
mdl_server_user() {
  local u
  [ "$(id -u)" = 0 ] || { id -un; return; }
  for u in "${CHECK_USER:-postgres}" nobody; do
    if id "$u" >/dev/null 2>&1; then echo "$u"; return; fi
  done
  echo "no unprivileged user to run a server as: set CHECK_USER=name" >&2
  return 1
}

# mdl_run_clean USER HOME COMMAND…: runs it as USER in an empty environment, but for what OpenBLAS needs on some
# processors (it computes wrongly without) and what is given as NAME=value before the command.
mdl_run_clean() {
  local user=$1 home=$2 drop=()
  shift 2
  [ "$(id -un)" = "$user" ] || drop=(runuser -u "$user" --)
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME="$home" TMPDIR="${TMPDIR:-/tmp}" \
    ${OPENBLAS_CORETYPE:+OPENBLAS_CORETYPE="$OPENBLAS_CORETYPE"} \
    ${OPENBLAS_L2_SIZE:+OPENBLAS_L2_SIZE="$OPENBLAS_L2_SIZE"} \
    "${drop[@]}" env "$@"
}

# mdl_stop_servers DIR: ends every server whose data directory is below DIR.  Prints those it had to end.
mdl_stop_servers() {
  local f pid
  find "$1" -name postmaster.pid 2>/dev/null | while read -r f; do
    pid=$(head -1 "$f" 2>/dev/null) || continue
    [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null || continue
    echo "ended a server left in ${f%/postmaster.pid}"
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  done
}

# mdl_scratch NAME: makes a directory of this run's own and sets `run` to it; at the end of the script, and when it is
# interrupted, the servers in it end and it goes.
mdl_scratch() {
  run=$(mktemp -d "${TMPDIR:-/tmp}/medallion-$1.XXXXXX")
  mdl_finish() {
    trap - EXIT INT TERM
    mdl_stop_servers "$run" >/dev/null
    rm -rf "$run"
  }
  trap mdl_finish EXIT
  trap 'mdl_finish; exit 130' INT TERM
}

# mdl_venv DIR REQUIREMENTS: sees to a virtual environment DIR/venv with these packages of PyPI.
mdl_venv() {
  if ! cmp -s "$2" "$1/requirements.txt"; then
    mkdir -p "$1"
    python3 -m venv "$1/venv"
    "$1/venv/bin/pip" --quiet --quiet --disable-pip-version-check install --upgrade -r "$2"
    cp "$2" "$1/requirements.txt"
  fi
}

# mdl_npm DIR PACKAGE_JSON: sees to the npm packages it names, in DIR/node_modules; fails where there is no npm.
mdl_npm() {
  command -v npm >/dev/null || return 1
  if ! cmp -s "$2" "$1/package.json"; then
    cp "$2" "$1/package.json"
    npm install --prefix "$1" --silent --no-audit --no-fund >"$1/npm.log" 2>&1 || { cat "$1/npm.log" >&2; rm "$1/package.json"; exit 1; }
  fi
}

# mdl_start_server DIR USER PGBIN CONFIGURATION: makes a cluster in DIR/data and starts it with the socket in DIR/socket
# on port 5432 (the directory is its own, so any port is free); superuser postgres, no network.
mdl_start_server() {
  local run=$1 user=$2
  MDL_SERVER=("$user" "$run" "PATH=$3:/usr/sbin:/usr/bin:/sbin:/bin")	# mdl_as_server outlives this call
  mdl_as_server() { mdl_run_clean "${MDL_SERVER[@]}" "$@"; }
  mkdir -p "$run/socket"
  [ "$(id -u)" != 0 ] || chown -R "$user" "$run"
  chmod 755 "$run"
  mdl_as_server initdb -D "$run/data" -U postgres -A trust --no-locale -E UTF8 --no-sync >"$run/initdb.log" 2>&1 ||
    { cat "$run/initdb.log" >&2; return 1; }
  mdl_as_server tee -a "$run/data/postgresql.conf" >/dev/null <<C
listen_addresses = ''
port = 5432
unix_socket_directories = '$run/socket'
shared_preload_libraries = 'medallion'
$4
C
  mdl_as_server pg_ctl -D "$run/data" -l "$run/server.log" -w start >"$run/start.log" 2>&1 ||
    { cat "$run/start.log" "$run/server.log" >&2; return 1; }
}

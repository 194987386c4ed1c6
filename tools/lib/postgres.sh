# A private Postgres cluster: unix socket only, data of its own, never the machine's. Sourced, never run.
# shellcheck shell=bash

# Names what belongs to this clone outside of it.
clone_id() { printf '%s' "$ROOT" | sha256sum | cut -c1-12; }

# Postgres refuses to run as root, so root lends it the user that Debian made for it.
if is_root; then PG_USER=postgres; else PG_USER=$(id -un); fi
readonly PG_USER
# The socket file is <folder>/.s.PGSQL.<port>; its number is never listened on.
readonly PG_PORT=5432

as_pg() {
  if is_root; then
    (cd / && setpriv --reuid="$PG_USER" --regid="$(id -g "$PG_USER")" --init-groups -- "$@") 9>&-
  else
    "$@" 9>&-
  fi
}

pg_bin_of() { echo "/usr/lib/postgresql/$1/bin"; }

# The newest installed version that the data can be read by. Sets PG_BIN.
pg_find_binaries() {
  local version found=()
  if [[ -f ${PG_DATA:-}/PG_VERSION ]]; then
    version=$(<"$PG_DATA/PG_VERSION")
    PG_BIN=$(pg_bin_of "$version")
    [[ -x $PG_BIN/postgres ]] || fail "the data in $PG_DATA is of Postgres $version, which is not installed.
       Install postgresql-$version, or restore a dump of .switchyard/dumps after tools/down --wipe."
    return
  fi
  mapfile -t found < <(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -rV)
  for version in "${found[@]}"; do
    PG_BIN=$(pg_bin_of "$version")
    [[ -x $PG_BIN/postgres && -x $PG_BIN/initdb ]] && return
  done
  fail "found no Postgres server under /usr/lib/postgresql"
}

# Data stay under .switchyard when the user that Postgres runs as can reach it, else where it can; the choice is kept.
# Sets PG_HOME, PG_DATA, PG_SOCKET.
pg_locate() {
  local kept=$STATE/postgres.location
  if [[ -f $kept ]]; then
    PG_HOME=$(<"$kept")
  else
    PG_HOME=$STATE/postgres
    if is_root && ! pg_can_enter "$ROOT"; then PG_HOME=/var/lib/switchyard/$(clone_id); fi
  fi
  PG_DATA=$PG_HOME/data
  PG_SOCKET=$PG_HOME/run
  # A unix socket's path has at most 107 bytes.
  if ((${#PG_SOCKET} > 85)); then
    if is_root; then PG_SOCKET=/run/switchyard-$(clone_id); else PG_SOCKET=${XDG_RUNTIME_DIR:-/tmp}/switchyard-$(clone_id); fi
  fi
}

pg_can_enter() { id "$PG_USER" >/dev/null 2>&1 && as_pg test -x "$1" 2>/dev/null; }

pg_make_folders() {
  mkdir -p "$PG_HOME" "$PG_SOCKET"
  if is_root; then chown "$PG_USER": "$PG_HOME" "$PG_SOCKET"; fi
  chmod 700 "$PG_HOME" "$PG_SOCKET"
  [[ -O $PG_SOCKET ]] || is_root || fail "$PG_SOCKET belongs to someone else; set XDG_RUNTIME_DIR to a folder of yours"
  as_pg test -w "$PG_HOME" || fail "the user $PG_USER cannot write to $PG_HOME"
  printf '%s\n' "$PG_HOME" >"$STATE/postgres.location"
  if [[ $PG_HOME != "$STATE"/* ]]; then
    note "the user $PG_USER cannot reach this folder, so the database lives in $PG_HOME"
  fi
}

# Half a cluster left by an interruption is never taken for a whole one: it is made aside and renamed when done.
pg_create() {
  [[ ! -f $PG_DATA/PG_VERSION ]] || return 0
  step "creating a Postgres cluster in $PG_DATA"
  as_pg rm -rf "$PG_DATA.new"
  as_pg "$PG_BIN/initdb" -D "$PG_DATA.new" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums --auth=peer >/dev/null ||
    fail "initdb failed; the reason stands above"
  # Who may log in: the user that Postgres runs as and the one who ran tools/up, nobody else, through the socket only.
  printf 'local all all peer map=switchyard\n' | as_pg tee "$PG_DATA.new/pg_hba.conf" >/dev/null
  local user
  for user in $(printf '%s\n' "$PG_USER" "$(id -un)" | sort -u); do
    printf 'switchyard %s postgres\nswitchyard %s switchyard\n' "$user" "$user"
  done | as_pg tee "$PG_DATA.new/pg_ident.conf" >/dev/null
  printf "include = 'switchyard.conf'\n" | as_pg tee -a "$PG_DATA.new/postgresql.conf" >/dev/null
  pg_settings | as_pg tee "$PG_DATA.new/switchyard.conf" >/dev/null
  as_pg mv "$PG_DATA.new" "$PG_DATA"
}

# Durable always; memory by what the machine has.
pg_settings() {
  local memory_mb shared_mb
  memory_mb=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
  shared_mb=$((memory_mb / 8))
  ((shared_mb < 128)) && shared_mb=128
  ((shared_mb > 2048)) && shared_mb=2048
  cat <<SETTINGS
listen_addresses = ''
port = $PG_PORT
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = ${shared_mb}MB
effective_cache_size = $((memory_mb / 2))MB
maintenance_work_mem = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
wal_buffers = 16MB
min_wal_size = 512MB
max_wal_size = 4GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
# The tables of what waits and runs turn over completely all the time.
autovacuum_naptime = 10s
autovacuum_vacuum_cost_limit = 2000
# Detaching partitions and dropped indexes must not wait behind a forgotten session for ever.
idle_in_transaction_session_timeout = 1h
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
timezone = 'UTC'
SETTINGS
}

# Processes of this cluster, whatever its pid file says.
pg_pids() {
  local exe pid
  for exe in /proc/[0-9]*/exe; do
    [[ $(readlink "$exe" 2>/dev/null) == */postgres* ]] || continue
    pid=${exe#/proc/}
    pid=${pid%/exe}
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$PG_DATA" ]] && echo "$pid"
  done
  return 0
}

pg_postmaster() {
  local pid
  pid=$(head -n 1 "$PG_DATA/postmaster.pid" 2>/dev/null) || true
  [[ -n $pid ]] && pg_pids | grep -x "$pid"
}

pg_ready() { as_pg "$PG_BIN/pg_isready" -q -h "$PG_SOCKET" -p "$PG_PORT"; }

# What a killed postmaster leaves: children that still end, and a pid file whose number may be somebody else's now.
pg_clear_remains() {
  local waited=0 pids
  [[ -f $PG_DATA/postmaster.pid ]] || return 0
  pg_postmaster >/dev/null && return 0
  warn "Postgres was not stopped properly (its pid file is stale); it recovers from its log now"
  while pids=$(pg_pids) && [[ -n $pids ]]; do
    ((waited += 1))
    # shellcheck disable=SC2086 # one argument per pid
    ((waited != 50)) || pg_kill TERM $pids
    # shellcheck disable=SC2086
    ((waited != 100)) || pg_kill KILL $pids
    ((waited < 150)) || fail "old Postgres processes do not end: $pids"
    sleep 0.1
  done
  as_pg rm -f "$PG_DATA/postmaster.pid" "$PG_SOCKET/.s.PGSQL.$PG_PORT" "$PG_SOCKET/.s.PGSQL.$PG_PORT.lock"
}

# pg_kill SIGNAL PID...: who may have ended meanwhile.
pg_kill() {
  local signal=$1
  shift
  kill "-$signal" "$@" 2>/dev/null || true
}

pg_start() {
  pg_find_binaries
  if pg_postmaster >/dev/null && pg_ready; then return; fi
  pg_make_folders
  pg_create
  pg_clear_remains
  local log=$PG_HOME/postgres.log
  if [[ -f $log && $(stat -c %s "$log") -gt 10485760 ]]; then as_pg mv -f "$log" "$log.1"; fi
  if ! pg_postmaster >/dev/null; then
    step "starting Postgres"
    if ! as_pg "$PG_BIN/pg_ctl" start -D "$PG_DATA" -w -t 120 -l "$log" \
      -o "-k '$PG_SOCKET'" </dev/null >/dev/null; then
      tail -n 20 "$log" >&2
      fail "Postgres did not start; its log is $log"
    fi
  fi
  local waited=0
  until pg_ready; do
    ((waited += 1))
    ((waited < 600)) || fail "Postgres does not answer on $PG_SOCKET; its log is $log"
    sleep 0.1
  done
}

pg_sql() { as_pg "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres "$@"; }

pg_make_database() {
  if [[ $(pg_sql -d postgres -Atc "SELECT count(*) FROM pg_roles WHERE rolname = 'switchyard'") == 0 ]]; then
    pg_sql -d postgres -c "CREATE ROLE switchyard LOGIN"
  fi
  if [[ $(pg_sql -d postgres -Atc "SELECT count(*) FROM pg_database WHERE datname = 'switchyard'") == 0 ]]; then
    pg_sql -d postgres -c "CREATE DATABASE switchyard OWNER switchyard"
  fi
}

pg_has_tables() {
  [[ $(pg_sql -d switchyard -Atc "SELECT count(*) FROM pg_namespace n WHERE nspname !~ '^(pg_|information_schema|public)'") != 0 ]]
}

# Keeps the three newest dumps.
pg_dump_now() {
  local file
  file=$STATE/dumps/$(date -u +%Y%m%dT%H%M%SZ).dump
  mkdir -p "$STATE/dumps"
  chmod 700 "$STATE/dumps"
  note "dumping what is there to ${file#"$ROOT"/}"
  as_pg "$PG_BIN/pg_dump" -Fc -h "$PG_SOCKET" -p "$PG_PORT" -U postgres switchyard >"$file.part" ||
    fail "pg_dump failed, so nothing was migrated"
  mv "$file.part" "$file"
  find "$STATE/dumps" -name '*.dump' | sort -r | tail -n +4 | xargs -r rm -f
}

pg_stop() {
  pg_locate
  local pids
  if [[ ! -f $PG_DATA/PG_VERSION ]]; then
    note "postgres            was never created"
    return
  fi
  pg_find_binaries
  if pg_postmaster >/dev/null; then
    if as_pg "$PG_BIN/pg_ctl" stop -D "$PG_DATA" -m fast -w -t 30 >/dev/null 2>&1; then
      note "postgres            stopped"
    else
      as_pg "$PG_BIN/pg_ctl" stop -D "$PG_DATA" -m immediate -w -t 15 >/dev/null 2>&1 || true
      note "postgres            did not stop within 30 s; stopped at once (it recovers at the next start)"
    fi
  elif pids=$(pg_pids) && [[ -n $pids ]]; then
    # shellcheck disable=SC2086 # one argument per pid
    pg_kill KILL $pids
    note "postgres            had lost its pid file; its processes were killed"
  else
    note "postgres            was not running"
  fi
}

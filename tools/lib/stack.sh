# The services of this clone: addresses, configuration, tokens, migration, start and health. Sourced, never run.
# shellcheck shell=bash

# In the order in which they start; they stop in the reverse one. The process is named as its binary is.
readonly SERVICES=(switchyard-identity switchyard-task-queue switchyard-agent-hub switchyard-scheduler switchyard-model-registry switchyard-router
  switchyard-verification)
readonly BIN=${SWITCHYARD_BIN:-$ROOT/build/release/bin}

# Ports count from SWITCHYARD_PORT_BASE; the one chosen last is remembered. Sets PORT_BASE.
stack_ports() {
  local kept
  kept=$(cat "$STATE/port-base" 2>/dev/null) || true
  PORT_BASE=${SWITCHYARD_PORT_BASE:-${kept:-7400}}
  if [[ ! $PORT_BASE =~ ^[0-9]{4,5}$ ]] || ((PORT_BASE < 1024 || PORT_BASE > 65400)); then
    fail "SWITCHYARD_PORT_BASE=$PORT_BASE is not a number between 1024 and 65400"
  fi
}

service_port() {
  case $1 in
    switchyard-task-queue) echo $((PORT_BASE + 1)) ;;
    switchyard-identity) echo $((PORT_BASE + 2)) ;;
    switchyard-agent-hub) echo $((PORT_BASE + 3)) ;;
    switchyard-scheduler) echo $((PORT_BASE + 4)) ;;
    switchyard-model-registry) echo $((PORT_BASE + 5)) ;;
    switchyard-router) echo $((PORT_BASE + 6)) ;;
    switchyard-verification) echo $((PORT_BASE + 7)) ;;
    *) fail "no port is set aside for $1" ;;
  esac
}
metrics_port() { echo $(($(service_port "$1") + 80)); }

# write_if_changed FILE: standard input becomes the file, whose time moves only when the text does.
write_if_changed() {
  local file=$1 text
  text=$(cat)
  [[ -f $file && $(<"$file") == "$text" ]] || (umask 077 && printf '%s\n' "$text" >"$file")
}

database_section() {
  cat <<YAML
database:
  host: $PG_SOCKET
  port: $PG_PORT
  name: switchyard
  user: switchyard
YAML
}

server_section() {
  cat <<YAML
# Written by tools/up; edits are lost. For one of your own see docs/operations.md.
server:
  listen: 127.0.0.1:$(service_port "$1")
  metrics_listen: 127.0.0.1:$(metrics_port "$1")
YAML
}

# What a service calls the others with: verification submits tasks too, the registry reads what agents say of their machines.
service_token() {
  case $1 in
    switchyard-verification) echo verification ;;
    switchyard-model-registry) echo registry ;;
    *) echo service ;;
  esac
}

auth_section() {
  cat <<YAML
auth:
  identity_address: 127.0.0.1:$(service_port switchyard-identity)
  token: file:$STATE/tokens/$(service_token "${1:-}").token
YAML
}

task_queue_section() {
  cat <<YAML
task_queue:
  address: 127.0.0.1:$(service_port switchyard-task-queue)
YAML
}

router_address_section() {
  cat <<YAML
router:
  address: 127.0.0.1:$(service_port switchyard-router)
YAML
}

registry_address_section() {
  cat <<YAML
model_registry:
  address: 127.0.0.1:$(service_port switchyard-model-registry)
YAML
}

hub_address_section() {
  cat <<YAML
agent_hub:
  address: 127.0.0.1:$(service_port switchyard-agent-hub)
YAML
}

model_registry_section() {
  cat <<YAML
model_registry:
  models_file: $ROOT/deploy/config/models.yaml
  roles_folder: $ROOT/deploy/config/roles
YAML
}

stack_write_config() {
  mkdir -p "$STATE"/{config,tokens,yard}
  chmod 700 "$STATE/tokens"
  printf '%s\n' "$PORT_BASE" >"$STATE/port-base"
  { server_section switchyard-identity && database_section; } | write_if_changed "$STATE/config/switchyard-identity.yaml"
  { server_section switchyard-task-queue && database_section && auth_section; } |
    write_if_changed "$STATE/config/switchyard-task-queue.yaml"
  { server_section switchyard-agent-hub && database_section && auth_section && task_queue_section &&
    router_address_section && registry_address_section; } |
    write_if_changed "$STATE/config/switchyard-agent-hub.yaml"
  { server_section switchyard-scheduler && auth_section && task_queue_section && router_address_section &&
    echo "hub_addresses: [127.0.0.1:$(service_port switchyard-agent-hub)]"; } |
    write_if_changed "$STATE/config/switchyard-scheduler.yaml"
  { server_section switchyard-model-registry && database_section && auth_section switchyard-model-registry &&
    model_registry_section && hub_address_section; } |
    write_if_changed "$STATE/config/switchyard-model-registry.yaml"
  { server_section switchyard-router && database_section && auth_section && task_queue_section &&
    registry_address_section; } |
    write_if_changed "$STATE/config/switchyard-router.yaml"
  { server_section switchyard-verification && database_section && auth_section switchyard-verification &&
    task_queue_section; } |
    write_if_changed "$STATE/config/switchyard-verification.yaml"
  { echo "# Written by tools/up for switchyard migrate, doctor and token; edits are lost." && database_section; } |
    write_if_changed "$STATE/config/switchyard.yaml"
  write_if_changed "$STATE/yard/config.toml" <<TOML
# Written by tools/up: how yard finds this clone's services.
current_context = "local"

[contexts.local]
address = "127.0.0.1:$(service_port switchyard-task-queue)"
identity_address = "127.0.0.1:$(service_port switchyard-identity)"
hub_address = "127.0.0.1:$(service_port switchyard-agent-hub)"
scheduler_address = "127.0.0.1:$(service_port switchyard-scheduler)"
registry_address = "127.0.0.1:$(service_port switchyard-model-registry)"
router_address = "127.0.0.1:$(service_port switchyard-router)"
verification_address = "127.0.0.1:$(service_port switchyard-verification)"
token_file = "$STATE/tokens/admin.token"
TOML
}

# Ports taken by others are found before anything is started.
stack_check_ports() {
  local service port owner pid
  for service in "${SERVICES[@]}"; do
    pid=$(process_pid "$service") || pid=none
    for port in "$(service_port "$service")" "$(metrics_port "$service")"; do
      owner=$(port_owner "$port") || continue
      [[ $owner != *"(pid $pid)" ]] || continue
      fail "port $port, wanted by $service, is taken by $owner.
       Stop that, or choose other ports: SWITCHYARD_PORT_BASE=$((PORT_BASE + 1000)) tools/up"
    done
  done
}

# A migration runs only when there is something new, and only after a dump of what is there.
stack_migrate() {
  local known now
  now=$(cd "$ROOT" && find . -path ./build -prune -o -path '*/sql/migrations/V*.sql' -print0 | sort -z |
    xargs -0 -r sha256sum | sha256sum | cut -d' ' -f1)
  known=$(cat "$STATE/migrated" 2>/dev/null) || true
  if [[ $known == "$now" ]] && pg_has_tables; then return; fi
  step "migrating the database"
  rm -f "$STATE/migrated"
  if pg_has_tables; then pg_dump_now; fi
  "$BIN/switchyard" migrate --config "$STATE/config/switchyard.yaml" 9>&- ||
    fail "the migration failed; nothing of the failed step was kept. Dumps are in .switchyard/dumps"
  printf '%s\n' "$now" >"$STATE/migrated"
}

# How long the tokens of this clone live, in days. Renewed only by tools/up, so the services' own is as long as may be.
token_days() { if [[ $1 == admin ]]; then echo 90; else echo 365; fi; }

# token_due NAME: true once it is a month old, well before it ends; when it is not there; when the database is a new one.
token_due() {
  local file=$STATE/tokens/$1.token
  [[ ! -s $file || -n $(find "$file" -mtime +30) || $PG_DATA/PG_VERSION -nt $file ]]
}

# stack_token NAME SCOPES: made anew when it is due.
stack_token() {
  local name=$1 scopes=$2 file=$STATE/tokens/$1.token said
  token_due "$name" || return 0
  note "issuing a token with scope $scopes: ${file#"$ROOT"/}"
  if [[ -s $file.id && -s $file && ! $PG_DATA/PG_VERSION -nt $file ]]; then
    cat "$file.id" >>"$STATE/tokens/superseded"
  fi
  rm -f "$file" "$file.id"
  said=$("$BIN/switchyard" token issue --config "$STATE/config/switchyard.yaml" --scopes "$scopes" --name "local-$name" \
    --lifetime "$(token_days "$name")d" --out "$file" 9>&-) || fail "could not issue the token '$name'"
  chmod 600 "$file"
  # "token ID of NAME, ..."
  cut -d' ' -f2 <<<"$said" >"$file.id"
}

# Once the services have the new ones, nobody needs the tokens that were replaced.
stack_revoke_superseded() {
  local id
  [[ -s $STATE/tokens/superseded ]] || return 0
  while read -r id; do
    yard token revoke "$id" >/dev/null 2>&1 ||
      warn "the former token $id could not be revoked; it ends by itself. To try again: yard token revoke $id"
  done <"$STATE/tokens/superseded"
  rm -f "$STATE/tokens/superseded"
}

# token_warnings: a line for each token that ends within a month.
token_warnings() {
  local name file left
  for name in admin service registry verification; do
    file=$STATE/tokens/$name.token
    [[ -s $file ]] || continue
    left=$(($(token_days "$name") - ($(date +%s) - $(stat -c %Y "$file")) / 86400))
    ((left > 30)) || warn "the token ${file#"$ROOT"/} ends in $left days; tools/up renews it"
  done
}

service_healthy() {
  "$BIN/$1" --config "$STATE/config/$1.yaml" --healthcheck=ready 9>&- >/dev/null 2>&1
}

stack_start() {
  local service pid
  for service in "${SERVICES[@]}"; do
    if process_outdated "$service" || { process_pid "$service" >/dev/null &&
      [[ $STATE/tokens/$(service_token "$service").token -nt $(pid_file "$service") ]]; }; then
      step "restarting $service: it was built or configured anew"
      process_stop "$service" 30
    fi
    if pid=$(process_pid "$service"); then
      service_healthy "$service" && continue
      note "$service (pid $pid) runs but is not ready; waiting for it"
    else
      step "starting $service on 127.0.0.1:$(service_port "$service")"
      process_start "$service" "$BIN/$service" --config "$STATE/config/$service.yaml"
    fi
    stack_wait "$service"
  done
}

stack_wait() {
  local service=$1 begin=$SECONDS
  until service_healthy "$service"; do
    if ! process_pid "$service" >/dev/null; then
      tail -n 20 "$LOGS/$service.log" >&2
      rm -f "$(pid_file "$service")"
      fail "$service ended at once; the end of its log stands above ($LOGS/$service.log)"
    fi
    if ((SECONDS - begin >= 60)); then
      tail -n 20 "$LOGS/$service.log" >&2
      fail "$service is not ready after 60 s; it still runs, its log is $LOGS/$service.log"
    fi
    sleep 0.2
  done
}

# True when the database and every service answer.
stack_all_up() {
  local service
  [[ -x $BIN/switchyard && -f $STATE/config/switchyard.yaml ]] || return 1
  [[ -f $PG_DATA/PG_VERSION ]] || return 1
  pg_find_binaries
  pg_postmaster >/dev/null || return 1
  pg_ready || return 1
  for service in "${SERVICES[@]}"; do
    process_pid "$service" >/dev/null && service_healthy "$service" || return 1
  done
}

# stack_status: one line each; returns 1 when something is not up.
stack_status() {
  local service pid state all=0
  if [[ -f $PG_DATA/PG_VERSION ]] && pid=$(pg_postmaster) && pg_ready; then
    status_line postgres ready "$pid" "$PG_SOCKET"
  else
    status_line postgres down - -
    all=1
  fi
  for service in "${SERVICES[@]}"; do
    if pid=$(process_pid "$service"); then
      state=ready
      service_healthy "$service" || {
        state="not ready"
        all=1
      }
      status_line "$service" "$state" "$pid" "127.0.0.1:$(service_port "$service")  metrics 127.0.0.1:$(metrics_port "$service")/metrics"
    else
      all=1
      if [[ -f $(pid_file "$service") ]]; then status_line "$service" "ended" - "see $LOGS/$service.log"; else
        status_line "$service" down - -
      fi
    fi
  done
  return "$all"
}

status_line() { printf '    %-26s %-10s pid %-8s %s\n' "$@"; }

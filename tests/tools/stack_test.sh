#!/usr/bin/env bash
# tools/up and tools/down against a real Postgres and stand-ins for the binaries: what is set up once stays, what was
# killed comes back, what is taken by others is named, and nothing is left behind.
set -euo pipefail
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRATCH=$(mktemp -d /tmp/sy-stack-XXXXXX)
chmod 755 "$SCRATCH"
mkdir -p "$SCRATCH"/{bin,services/sample/sql/migrations}
cp -r "$TREE/tools" "$SCRATCH/tools"
cd "$SCRATCH"

clean_up() {
  tools/down --wipe >/dev/null 2>&1 || true
  [[ -z ${squatter:-} ]] || kill "$squatter" 2>/dev/null || true
  cd /
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

cat >bin/switchyard-identity <<'STAND_IN'
#!/usr/bin/env bash
while (($#)); do
  case $1 in
    --config) config=$2 ;;
    --healthcheck=*) check=1 ;;
  esac
  shift
done
port=$(sed -n 's/^  listen: 127.0.0.1://p' "$config")
if [[ -n ${check:-} ]]; then exec 3<>"/dev/tcp/127.0.0.1/$port"; exit; fi
exec /usr/bin/python3 -c "
import socket
server = socket.create_server(('127.0.0.1', $port), backlog=50)
while True: server.accept()"
STAND_IN
for service in task-queue agent-hub scheduler model-registry router verification; do cp bin/switchyard-identity "bin/switchyard-$service"; done
cat >bin/yard-agent <<'STAND_IN'
#!/usr/bin/env bash
command=$1
while (($#)); do
  case $1 in
    --config) home=$(sed -n 's/^data_dir: //p' "$2") ;;
    --healthcheck=*) command=check ;;
  esac
  shift
done
case $command in
  check) [[ -f $home/running ]] ;;
  enroll) [[ $(cat) == sye1_line ]] && echo secret >"$home/token" && echo "enrolled" ;;
  run)
    [[ -s $home/token ]] || exit 78
    sleep infinity &
    trap 'rm -f "$home/running"; kill %1; exit 0' TERM
    touch "$home/running"
    wait
    ;;
esac
STAND_IN
cat >bin/switchyard <<'STAND_IN'
#!/usr/bin/env bash
set -e
if [[ $1 == migrate ]]; then
  psql -h "$(sed -n 's/^  host: //p' "$3")" -U switchyard switchyard -qc 'create schema if not exists sample'
else
  echo "$@" >>issued
  while [[ $1 != --out ]]; do shift; done
  echo secret >"$2"
  echo "token ID-$(wc -l <issued) of somebody"
fi
STAND_IN
cat >bin/yard <<'STAND_IN'
#!/usr/bin/env bash
echo "$@" >>yarded
if [[ $* == "agent enroll"* ]]; then echo sye1_line; else echo "$@"; fi
STAND_IN
chmod +x bin/*
echo "first" >services/sample/sql/migrations/V001__first.sql

# A run of ports that is free now; taken meanwhile, the test says which.
# Below what the kernel gives to port 0, as in real_stack_test.sh.
base=$((20000 + $$ % 120 * 100))
while ss -Hltn | grep -qE ":($((base + 1))|$((base + 2))|$((base + 3))|$((base + 4))|$((base + 81))|$((base + 82))|$((base + 83))|$((base + 84))) "; do
  base=$((base + 100))
done
export SWITCHYARD_BIN=$SCRATCH/bin SWITCHYARD_PORT_BASE=$base SWITCHYARD_SKIP_PACKAGES=1

expect() {
  local what=$1
  shift
  [[ ! -f said ]] || mv said last
  if "$@" >said 2>&1; then echo "ok: $what"; else
    echo "FAILED: $what" >&2
    cat said >&2
    exit 1
  fi
}
not() { ! "$@"; }
# What the one before said.
says() { grep -qF -- "$1" last; }

expect "the first tools/up succeeds" tools/up
grep -q "Switchyard is up" said
# On a machine with an Ollama that one is used.
expect "a model is at hand, and where it is simulated that is said" grep -qE "SIMULATED: no model runs|ollama +ready" last
expect "yard knows it as an endpoint that is local and free" grep -qE "^endpoint add (simulated|ollama) .*--local --free" yarded
expect "tokens are for their owner only" test "$(stat -c %a .switchyard/tokens/admin.token)" = 600
expect "the services' token lives for a year, since only tools/up renews it" grep -qE -- "--scopes service .*--lifetime 365d" issued
expect "status says that all is up" tools/up --status
expect "and nothing of tokens that are new" not says "ends in"
touch -d "81 days ago" .switchyard/postgres/data/PG_VERSION
touch -d "80 days ago" .switchyard/tokens/admin.token
expect "status still ends well when a token is about to end" tools/up --status
expect "and says so" says "admin.token ends in 10 days"
unset SWITCHYARD_PORT_BASE
expect "a second tools/up succeeds and remembers the ports" tools/up
expect "and renews that token" test "$(grep -c -- "--scopes admin " issued)" = 2
expect "and ends the former one" grep -qx "token revoke ID-1" yarded
expect "it says that all is up" grep -qF "all is up already" <(tools/up)

kill -9 "$(cut -d' ' -f1 .switchyard/run/switchyard-identity.pid)" "$(head -n 1 .switchyard/postgres/data/postmaster.pid)"
expect "status tells what was killed" not tools/up --status
echo "second" >services/sample/sql/migrations/V002__second.sql
expect "tools/up brings back a killed Postgres and a killed service" tools/up
expect "and it dumped before it migrated" test "$(find .switchyard/dumps -name '*.dump' | wc -l)" = 1
expect "status says that all is up again" tools/up --status

expect "tools/down stops all" tools/down
expect "no process is left" not pgrep -f "$SCRATCH/"
expect "the data stay" test -f .switchyard/postgres/data/PG_VERSION
/usr/bin/python3 -c "
import socket, time
taken = socket.create_server(('127.0.0.1', $base + 1))
time.sleep(60)" &
squatter=$!
until ss -Hltn | grep -q ":$((base + 1)) "; do read -r -t 0.1 <> <(:) || true; done
expect "a taken port stops tools/up" not tools/up
expect "and its owner and the way out are named" grep -qE "port $((base + 1)), .* is taken by python3.*|SWITCHYARD_PORT_BASE=" \
  <(tools/up 2>&1)
kill "$squatter"
wait "$squatter" 2>/dev/null || true
expect "with the port free, tools/up succeeds on the kept data" tools/up
expect "tools/down --wipe succeeds" tools/down --wipe
expect "nothing is left but the lock" test "$(ls -A .switchyard)" = lock

#!/usr/bin/env bash
# tools/up and tools/down with the real programs, as far as they are built: a task goes through, what was killed comes
# back with its data, and nothing is left behind. What is about the scripts alone stands in stack_test.sh.
set -euo pipefail
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SWITCHYARD_BIN=$(cd "${SWITCHYARD_BIN:-$TREE/build/release/bin}" 2>/dev/null && pwd) || SWITCHYARD_BIN=none
for name in switchyard switchyard-{identity,task-queue,agent-hub,scheduler,model-registry,router} yard yard-agent yard-agent-shim; do
  if [[ ! -x $SWITCHYARD_BIN/$name ]]; then
    echo "not run: $name is not built"
    exit 77
  fi
done

SCRATCH=$(mktemp -d /tmp/sy-real-XXXXXX)
chmod 755 "$SCRATCH"
cp -r "$TREE/tools" "$SCRATCH/tools"
# What the configuration that tools/up writes refers to.
[[ ! -d $TREE/deploy ]] || cp -r "$TREE/deploy" "$SCRATCH/deploy"
cd "$SCRATCH"
clean_up() {
  tools/down --wipe >/dev/null 2>&1 || true
  [[ -z ${squatter:-} ]] || kill "$squatter" 2>/dev/null || true
  cd /
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

# Below what the kernel gives to port 0, so that no test beside this one takes one of ours.
base=$((10000 + $$ % 90 * 100))
ours() { seq -f ':%.0f ' $((base + 1)) $((base + 9)) && seq -f ':%.0f ' $((base + 81)) $((base + 89)); }
while ss -Hltn | grep -qFf <(ours); do base=$((base + 100)); done
export SWITCHYARD_BIN SWITCHYARD_PORT_BASE=$base SWITCHYARD_SKIP_PACKAGES=1

expect() {
  local what=$1
  shift
  [[ ! -f said ]] || mv said last
  if "$@" >said 2>&1; then echo "ok: $what"; else
    echo "FAILED: $what" >&2
    cat first last said >&2 2>/dev/null
    exit 1
  fi
}
not() { ! "$@"; }
# What the one before said.
says() { grep -qF -- "$1" last; }
yard() { "$SWITCHYARD_BIN/yard" "$@"; }
tasks() { yard task list --output name | wc -l; }
pid_of() { cut -d' ' -f1 ".switchyard/run/$1.pid"; }

expect "the first tools/up succeeds" tools/up
expect "its sample task ran" says "hello from switchyard"
cp last first
expect "its sample prompt was answered, and it said loudly by what" grep -qE "SIMULATED: no model made this answer|at ollama" first
expect "and where it went" grep -qE "(simulated|ollama) " first
expect "yard finds the installation by itself" yard admin status
expect "status says that all is up" tools/up --status
unset SWITCHYARD_PORT_BASE
expect "a second tools/up remembers the ports" tools/up
expect "and says that all is up" says "all is up already"
before=$(tasks)

kill -9 "$(pid_of switchyard-scheduler)" "$(head -n 1 .switchyard/postgres/data/postmaster.pid)"
expect "status tells what was killed" not tools/up --status
expect "and of which it is" says "switchyard-scheduler"
echo "1 1 0-0" >.switchyard/run/switchyard-scheduler.pid
expect "tools/up recovers the killed Postgres and starts over a stale pid file" tools/up
expect "and says that the pid file was stale" says "stale"
expect "no task was lost, and the samples ran anew" test "$(tasks)" = $((before + 2))
expect "status says that all is up again" tools/up --status

expect "tools/down stops all" tools/down
expect "no process is left" not pgrep -f "$SCRATCH/"
expect "status says that nothing runs" not tools/up --status
/usr/bin/python3 -c "
import socket, time
taken = socket.create_server(('127.0.0.1', $base + 2))
time.sleep(120)" &
squatter=$!
until ss -Hltn | grep -q ":$((base + 2)) "; do read -r -t 0.1 <> <(:) || true; done
expect "a taken port stops tools/up" not tools/up
expect "its owner is named" says "port $((base + 2)), wanted by switchyard-identity, is taken by python3"
expect "nothing was started for it" not pgrep -f "$SWITCHYARD_BIN/switchyard-.*$SCRATCH/"
kill "$squatter"
wait "$squatter" 2>/dev/null || true
squatter=
expect "with the port free, tools/up succeeds" tools/up
expect "on the kept data" test "$(tasks)" = $((before + 4))

expect "tools/down --wipe succeeds" tools/down --wipe
expect "no process is left behind" not pgrep -f "$SCRATCH/"
expect "nothing is left but the lock" test "$(ls -A .switchyard)" = lock
expect "a wiped installation is not up" not tools/up --status

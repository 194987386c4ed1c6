#!/usr/bin/env bash
# Background processes: pid files are believed only while they name the process that was started.
set -euo pipefail
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRATCH=$(mktemp -d)
mkdir "$SCRATCH/tools"
cp -r "$TREE/tools/lib" "$SCRATCH/tools/lib"
# shellcheck source=tools/lib/common.sh
source "$SCRATCH/tools/lib/common.sh"
# shellcheck source=tools/lib/processes.sh
source "$SCRATCH/tools/lib/processes.sh"

clean_up() {
  local pid
  if pid=$(process_pid sample); then kill -KILL "$pid"; fi
  rm -rf "$SCRATCH"
}
trap clean_up EXIT

expect() {
  local what=$1
  shift
  if "$@"; then echo "ok: $what"; else
    echo "FAILED: $what" >&2
    exit 1
  fi
}
runs() { process_pid sample >/dev/null; }
not() { ! "$@"; }
says() { grep -q "$1" "$SCRATCH/said"; }

process_start sample sleep 300
expect "a started process is found" runs
process_stop sample 10 >"$SCRATCH/said"
expect "it stops when asked" says " stopped"
expect "its pid file is gone" not test -e "$(pid_file sample)"

process_start sample bash -c 'trap "" TERM; while :; do sleep 1; done'
sleep 0.5
process_stop sample 1 >"$SCRATCH/said"
expect "one that does not stop is killed, and that is said" says "was killed"
expect "and it is gone" not runs

echo "$$ 1 $(</proc/sys/kernel/random/boot_id)" >"$(pid_file sample)"
expect "a pid that now belongs to another process is not believed" not runs
process_stop sample 1 >"$SCRATCH/said"
expect "and that process is left alone" says "stale pid file"

head -c 11000000 /dev/zero >"$LOGS/sample.log"
rotate_log "$LOGS/sample.log"
expect "a large log is turned at start" test -f "$LOGS/sample.log.1" -a ! -e "$LOGS/sample.log"

expect "a port that nobody listens on has no owner" not port_owner 1

# Background processes with logs and pid files that cannot be mistaken for somebody else's. Sourced, never run.
# shellcheck shell=bash

readonly RUN=$STATE/run
readonly LOGS=$STATE/logs
readonly LOG_LIMIT=10485760

# When the kernel started a process, in ticks since boot: with the pid it names one process only.
start_ticks() { sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

pid_file() { echo "$RUN/$1.pid"; }

# process_pid NAME: its pid, when the process that the file names still runs.
process_pid() {
  local pid ticks boot
  read -r pid ticks boot 2>/dev/null <"$(pid_file "$1")" || return 1
  [[ $boot == "$(</proc/sys/kernel/random/boot_id)" && -n $ticks && $(start_ticks "$pid") == "$ticks" ]] || return 1
  # A zombie has ended; only its parent does not know yet.
  [[ $(sed -E 's/^.*\) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1) != Z ]] || return 1
  echo "$pid"
}

# process_outdated NAME: true when its binary was built anew or its configuration rewritten since it started.
process_outdated() {
  local pid
  pid=$(process_pid "$1") || return 1
  [[ $(readlink "/proc/$pid/exe") == *' (deleted)' || $STATE/config/$1.yaml -nt $(pid_file "$1") ]]
}

rotate_log() {
  local log=$1
  [[ -f $log && $(stat -c %s "$log") -gt $LOG_LIMIT ]] || return 0
  [[ ! -f $log.2 ]] || mv -f "$log.2" "$log.3"
  [[ ! -f $log.1 ]] || mv -f "$log.1" "$log.2"
  mv -f "$log" "$log.1"
}

# process_start NAME COMMAND...
process_start() {
  local name=$1 log=$LOGS/$1.log file pid
  shift
  file=$(pid_file "$name")
  mkdir -p "$RUN" "$LOGS"
  if [[ -f $file ]] && ! process_pid "$name" >/dev/null; then
    note "$name: its pid file is stale (the process ended or the machine was restarted)"
  fi
  rotate_log "$log"
  # A session of its own, so that closing the terminal does not end it; not our lock, which it would hold.
  (cd "$ROOT" && exec setsid nohup "$@" </dev/null >>"$log" 2>&1 9>&-) &
  pid=$!
  disown "$pid"
  printf '%s %s %s\n' "$pid" "$(start_ticks "$pid")" "$(</proc/sys/kernel/random/boot_id)" >"$file"
}

# process_stop NAME SECONDS: asks, waits, then kills and says so.
process_stop() {
  local name=$1 deadline=$2 file pid begin=$SECONDS
  file=$(pid_file "$name")
  if ! pid=$(process_pid "$name"); then
    if [[ -f $file ]]; then note "$(printf '%-19s %s' "$name" "was not running; removed its stale pid file")"; else
      note "$(printf '%-19s %s' "$name" "was not running")"
    fi
    rm -f "$file"
    return
  fi
  kill -TERM "$pid" 2>/dev/null || true
  while process_pid "$name" >/dev/null; do
    if ((SECONDS - begin >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      note "$(printf '%-19s %s' "$name" "did not stop within $deadline s and was killed; its log: $LOGS/$name.log")"
      rm -f "$file"
      return
    fi
    sleep 0.1
  done
  note "$(printf '%-19s %s' "$name" "stopped")"
  rm -f "$file"
}

# port_owner PORT: who listens there, as far as this user may see.
port_owner() {
  local line
  line=$(ss -Hltnp "sport = :$1" 2>/dev/null | head -n 1)
  [[ -n $line ]] || return 1
  if [[ $line =~ users:\(\(\"([^\"]+)\",pid=([0-9]+) ]]; then
    echo "${BASH_REMATCH[1]} (pid ${BASH_REMATCH[2]})"
  else
    echo "a process of another user"
  fi
}

# One executor on this machine, so that a fresh clone can run tasks. Sourced, never run.
# shellcheck shell=bash

readonly AGENT=yard-agent
# Who tasks run as when root started all this: never root, and nobody who owns anything.
readonly AGENT_TASK_USER=switchyard-task

# The folder must be one that the tasks' user can pass through. Sets AGENT_HOME.
agent_locate() {
  AGENT_HOME=$STATE/agent
  if is_root && id "$AGENT_TASK_USER" >/dev/null 2>&1 && ! agent_can_enter "$ROOT"; then
    AGENT_HOME=/var/lib/switchyard/$(clone_id)-agent
  fi
}

agent_can_enter() {
  (cd / && setpriv --reuid="$AGENT_TASK_USER" --regid="$(id -g "$AGENT_TASK_USER")" --clear-groups -- test -x "$1") \
    2>/dev/null 9>&-
}

agent_make_user() {
  is_root || return 0
  id "$AGENT_TASK_USER" >/dev/null 2>&1 && return
  note "making the system user $AGENT_TASK_USER, whom tasks run as"
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$AGENT_TASK_USER" ||
    fail "could not make the user $AGENT_TASK_USER"
}

agent_write_config() {
  mkdir -p "$AGENT_HOME"
  chmod 711 "$AGENT_HOME"
  write_if_changed "$STATE/config/$AGENT.yaml" <<YAML
# Written by tools/up; edits are lost. For one of your own see docs/executor.md.
data_dir: $AGENT_HOME
name: local
slots: 4
sandbox:
  user: $AGENT_TASK_USER
YAML
  # Yours to change: written once. kill -HUP makes a running executor read it again.
  [[ -f $AGENT_HOME/allowlist.yaml ]] || (umask 022 && cat >"$AGENT_HOME/allowlist.yaml") <<'YAML'
# What tasks may run on this machine; all else is refused. docs/executor.md is the manual.
rules:
- name: say
  program: /bin/echo
  rest: ['any:']
- name: rest
  program: /bin/sleep
  arguments: ['int:0..3600']
- name: date
  program: /bin/date
- name: touch
  program: /usr/bin/touch
  rest: ['path:']
- name: list
  program: /bin/ls
  rest: ['any:']
YAML
}

agent_running() { "$BIN/$AGENT" --config "$STATE/config/$AGENT.yaml" --healthcheck=ready 9>&- >/dev/null 2>&1; }

# Enrols the executor once, by the same line that another machine would be given; its probe task shows that it works.
agent_enroll() {
  local line
  [[ ! -s $AGENT_HOME/token || $PG_DATA/PG_VERSION -nt $AGENT_HOME/token ]] || return 0
  step "enrolling an executor on this machine"
  rm -f "$AGENT_HOME"/{token,journal.db*}
  line=$(yard agent enroll local --quiet -o name) || return 1
  printf '%s' "$line" | "$BIN/$AGENT" enroll - --no-start --config "$STATE/config/$AGENT.yaml" 9>&- | sed 's/^/    /'
}

agent_start() {
  local begin=$SECONDS
  if process_outdated "$AGENT"; then process_stop "$AGENT" 30; fi
  if ! process_pid "$AGENT" >/dev/null; then
    step "starting $AGENT"
    process_start "$AGENT" "$BIN/$AGENT" run --config "$STATE/config/$AGENT.yaml"
  fi
  until agent_running; do
    if ! process_pid "$AGENT" >/dev/null || ((SECONDS - begin >= 30)); then
      tail -n 20 "$LOGS/$AGENT.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# agent_status: one line; returns 1 when it is not up.
agent_status() {
  local pid
  if ! pid=$(process_pid "$AGENT"); then
    status_line "$AGENT" down - "see $LOGS/$AGENT.log"
    return 1
  fi
  if ! agent_running; then
    status_line "$AGENT" "not ready" "$pid" "see $LOGS/$AGENT.log"
    return 1
  fi
  status_line "$AGENT" ready "$pid" "allowlist $AGENT_HOME/allowlist.yaml"
}

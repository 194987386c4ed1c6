# Where work for models goes on this machine: to an Ollama that answers here, else to a simulated endpoint, which says so
# wherever it shows. Sourced, never run.
# shellcheck shell=bash

readonly SIMMODEL=switchyard-simmodel
readonly SIMULATED_MODEL=simulated:latest
readonly OLLAMA_URL=http://127.0.0.1:11434

simmodel_port() { echo $((PORT_BASE + 8)); }
simmodel_control_port() { echo $((PORT_BASE + 9)); }

# True when an Ollama answers on this machine.
ollama_answers() {
  "$PYTHON" - "$OLLAMA_URL/" 9>&- <<'PYTHON' 2>/dev/null
import sys, urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with direct.open(sys.argv[1], timeout=2) as answer:
    sys.exit(0 if b"Ollama" in answer.read(100) else 1)
PYTHON
}

endpoint_has_url() { yard endpoint show "$1" -o json 2>/dev/null | grep -qF "\"url\": \"$2\""; }

# endpoint_ensure NAME URL FLAGS...: known under that name with that URL.
endpoint_ensure() {
  local name=$1 url=$2
  shift 2
  ! endpoint_has_url "$name" "$url" || return 0
  yard endpoint add "$name" --kind ollama --url "$url" --local --free "$@" --quiet >/dev/null 2>&1 ||
    yard endpoint update "$name" --url "$url" --quiet >/dev/null
}

simmodel_write_config() {
  write_if_changed "$STATE/config/$SIMMODEL.json" <<JSON
{"models": [{"name": "$SIMULATED_MODEL", "loaded": true, "slots": 4, "first_token_delay": 0.2, "token_delay": 0.01,
             "keep_alive": -1}],
 "answers": [{"text": "[SIMULATED: no model made this answer. tools/up found no Ollama on $OLLAMA_URL; start one and run tools/up again, or add another endpoint: yard endpoint add --help]\n"}]}
JSON
}

# Starts or restarts it; false when it does not answer.
simmodel_start() {
  local begin=$SECONDS owner port
  simmodel_write_config
  if [[ $STATE/config/$SIMMODEL.json -nt $(pid_file "$SIMMODEL") ]] && process_pid "$SIMMODEL" >/dev/null; then
    process_stop "$SIMMODEL" 10
  fi
  if ! process_pid "$SIMMODEL" >/dev/null; then
    for port in "$(simmodel_port)" "$(simmodel_control_port)"; do
      if owner=$(port_owner "$port"); then
        warn "port $port, wanted by $SIMMODEL, is taken by $owner"
        return 1
      fi
    done
    step "starting $SIMMODEL: a SIMULATED model, for there is no Ollama on $OLLAMA_URL"
    process_start "$SIMMODEL" "$ROOT/tools/simmodel/$SIMMODEL" --config "$STATE/config/$SIMMODEL.json" \
      --protocol ollama --port "$(simmodel_port)" --control-port "$(simmodel_control_port)"
  fi
  until port_owner "$(simmodel_port)" >/dev/null; do
    if ! process_pid "$SIMMODEL" >/dev/null || ((SECONDS - begin >= 20)); then
      tail -n 20 "$LOGS/$SIMMODEL.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

# Sets MODEL_ENDPOINT: "ollama", "simulated", or empty when there is neither.
models_start() {
  MODEL_ENDPOINT=
  if ollama_answers; then
    if [[ -f $(pid_file "$SIMMODEL") ]]; then
      note "an Ollama answers now: the simulated endpoint goes"
      yard endpoint remove simulated --quiet >/dev/null 2>&1 || true
      process_stop "$SIMMODEL" 10
    fi
    endpoint_has_url ollama "$OLLAMA_URL" || step "adding the Ollama of this machine as the endpoint \"ollama\""
    if endpoint_ensure ollama "$OLLAMA_URL"; then MODEL_ENDPOINT=ollama; else warn "the endpoint \"ollama\" could not be added"; fi
    return
  fi
  if simmodel_start && yard model price "$SIMULATED_MODEL" --free --tier large --context-window 4096 --provider simulated \
    --source "simulated: no model runs" --quiet >/dev/null &&
    endpoint_ensure simulated "http://127.0.0.1:$(simmodel_port)" --capacity 4; then
    MODEL_ENDPOINT=simulated
  else
    warn "no model is at hand, so prompts wait until there is one: yard endpoint add --help"
  fi
}

# False when the simulated endpoint was started and is gone.
models_up() { [[ ! -f $(pid_file "$SIMMODEL") ]] || process_pid "$SIMMODEL" >/dev/null; }

# models_status: one line, where there is something to say; returns 1 when it is not up.
models_status() {
  local pid
  if pid=$(process_pid "$SIMMODEL"); then
    status_line "$SIMMODEL" SIMULATED "$pid" "127.0.0.1:$(simmodel_port)  no model runs: its answers are made up"
  elif [[ -f $(pid_file "$SIMMODEL") ]]; then
    status_line "$SIMMODEL" ended - "see $LOGS/$SIMMODEL.log"
    return 1
  elif ollama_answers; then
    status_line ollama ready - "$OLLAMA_URL"
  else
    note "no model: no Ollama on $OLLAMA_URL, and no simulated one"
  fi
}

# One prompt from submission to answer, with the model that it got and why.
sample_prompt() {
  local simulated=""
  [[ -n $MODEL_ENDPOINT ]] || return 0
  if [[ $MODEL_ENDPOINT == simulated ]]; then
    simulated=" (SIMULATED: no model runs; the answer is made up)"
  elif ! yard model list --placed -o name 2>/dev/null | grep -q .; then
    note "the Ollama on $OLLAMA_URL has no model yet: ollama pull llama3.1:8b, then yard run 'Say hello.'"
    return 0
  fi
  step "a sample prompt$simulated"
  note "yard run --local-only 'Say hello in one sentence.'"
  if ! yard run --local-only --timeout 2m 'Say hello in one sentence.' 2>&1 | sed 's/^/    /'; then
    warn "the sample prompt got no answer within two minutes; yard ps --all, then yard task why ID"
    return 0
  fi
  note "yard route list --limit 1"
  yard route list --limit 1 --output table | sed 's/^/    /' || warn "its route could not be shown"
  [[ -z $simulated ]] || note "SIMULATED: start an Ollama and run tools/up again, or add an endpoint with yard endpoint add"
}

# Messages of the scripts, and the minutes of their phases. Sourced, never run.
# shellcheck shell=bash

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  readonly BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
  readonly BOLD='' RED='' YELLOW='' PLAIN=''
fi

step() { printf '%s==> %s%s\n' "$BOLD" "$*" "$PLAIN"; }
note() { printf '    %s\n' "$*"; }
warn() { printf '%swarning:%s %s\n' "$YELLOW" "$PLAIN" "$*" >&2; }
fail() {
  printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
  exit 1
}

# phase NAME COMMAND...: runs it, remembers how long it took and whether it failed. Returns its exit code.
declare -a PHASE_LINES=()
phase() {
  local name=$1 begin=$SECONDS code=0 taken
  shift
  step "phase $name"
  "$@" || code=$?
  taken=$((SECONDS - begin))
  PHASE_LINES+=("$(printf '%-18s %4d min %02d s   %s' "$name" $((taken / 60)) $((taken % 60)) \
    "$( ((code == 0)) && echo ok || echo "FAILED ($code)")")")
  note "phase $name took $((taken / 60)) min $((taken % 60)) s"
  return "$code"
}

# apart COMMAND...: so that its failure ends it and not the script.
apart() ("$@")

phase_report() {
  step "minutes per phase"
  local line
  for line in "${PHASE_LINES[@]}"; do note "$line"; done
  note "$(printf '%-18s %4d min %02d s' total $((SECONDS / 60)) $((SECONDS % 60)))"
}

# What every script needs first. Sourced, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly ROOT
# All that the scripts keep between runs, except builds.
readonly STATE=$ROOT/.switchyard
# /usr/bin/python3 sees Debian's modules; another python3 on the path may not.
readonly PYTHON=/usr/bin/python3
# Debian installs some tools where a plain user's path does not look.
export PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=tools/lib/log.sh
source "$ROOT/tools/lib/log.sh"

# usage FILE: the comment block at the head of a script is its help.
usage() { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$1"; }

is_root() { [[ $EUID -eq 0 ]]; }

# Files of the project, NUL between them: what git knows or would add. Without git: all but what is generated.
project_files() {
  if git -C "$ROOT" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git -C "$ROOT" ls-files -z -co --exclude-standard --deduplicate | while IFS= read -r -d '' file; do
      [[ -f $ROOT/$file ]] && printf '%s\0' "$file"
    done
  else
    (cd "$ROOT" && find . \( -path ./build -o -path ./.switchyard -o -path ./.git \) -prune -o -type f -print0 |
      sed -z 's,^\./,,')
  fi
}

# Jobs that neither swap nor starve: one per core, and 1.5 GB of memory for each.
job_count() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)
  by_memory=$((memory_kb / 1572864))
  ((by_memory < 1)) && by_memory=1
  echo "${SWITCHYARD_JOBS:-$((cores < by_memory ? cores : by_memory))}"
}

# Ours, not the services': they refuse settings that they do not know.
export -n SWITCHYARD_BIN SWITCHYARD_JOBS SWITCHYARD_PORT_BASE SWITCHYARD_SKIP_PACKAGES 2>/dev/null || true

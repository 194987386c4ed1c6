#!/usr/bin/env bash
# Installing packages: what holds back the machine's own Postgres cluster meanwhile is gone afterwards, however it ends.
set -euo pipefail
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
DROPIN=$SCRATCH/createcluster.d/switchyard.conf
mkdir -p "$SCRATCH/tools/lib"
cp "$TREE"/tools/lib/*.sh "$SCRATCH/tools/lib/"
sed -i "s,^readonly CLUSTER_DROPIN=.*,readonly CLUSTER_DROPIN=$DROPIN," "$SCRATCH/tools/lib/packages.sh"

expect() {
  local what=$1
  shift
  if "$@"; then echo "ok: $what"; else
    echo "FAILED: $what" >&2
    exit 1
  fi
}

# installs HOW: a shell in which apt-get does HOW; prints its exit code.
installs() {
  rm -f "$SCRATCH/seen"
  HOW=$1 DROPIN=$DROPIN SCRATCH=$SCRATCH bash -c '
    set -euo pipefail
    source "$SCRATCH/tools/lib/common.sh"
    source "$SCRATCH/tools/lib/packages.sh"
    as_root() { "$@"; }
    apt_get() {
      [[ -s $DROPIN ]] && touch "$SCRATCH/seen"
      case $HOW in
        works) return 0 ;;
        fails) return 1 ;;
        *) kill "-$HOW" "$BASHPID"; sleep 10 ;;
      esac
    }
    install_missing postgresql bubblewrap
    echo installed' >"$SCRATCH/said" 2>&1 && echo 0 || echo $?
}

for how in works:0 fails:1 INT:130 TERM:143; do
  code=$(installs "${how%:*}")
  expect "apt-get that ${how%:*} ends with ${how#*:}, not $code" test "$code" = "${how#*:}"
  expect "the cluster was held back meanwhile" test -e "$SCRATCH/seen"
  expect "and is no longer" test ! -e "$DROPIN"
done
installs works >/dev/null
expect "after an installation the script goes on" grep -qx installed "$SCRATCH/said"

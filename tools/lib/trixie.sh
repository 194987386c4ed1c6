# Debian 13 in a root of its own, to prove that the project builds and passes there. Sourced, never run.
# shellcheck shell=bash

readonly TRIXIE_ROOT=$STATE/roots/trixie

# Where this machine takes Debian's packages from; no address is written down in the project.
# shellcheck disable=SC2016 # apt fills these in
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "Debian" && $4 == "main" && $3 !~ /-/ {print $1; exit}'
}

make_trixie_root() {
  local mirror
  [[ ! -f $TRIXIE_ROOT/.ready ]] || return 0
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || fail "apt on this machine knows no mirror of Debian (or has no lists yet: run apt-get update)"
  step "making a Debian 13 root in ${TRIXIE_ROOT#"$ROOT"/} from this machine's mirror"
  as_root rm -rf "$TRIXIE_ROOT"
  as_root mkdir -p "$TRIXIE_ROOT"
  local proxy
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
  as_root env ${proxy:+http_proxy="$proxy"} debootstrap --variant=minbase --include=ca-certificates \
    trixie "$TRIXIE_ROOT" "$mirror" || fail "debootstrap failed; the reason stands above"
  printf 'deb %s trixie main\n' "$mirror" | as_root tee "$TRIXIE_ROOT/etc/apt/sources.list" >/dev/null
  [[ -z $proxy ]] ||
    printf 'Acquire::http::Proxy "%s";\n' "$proxy" | as_root tee "$TRIXIE_ROOT/etc/apt/apt.conf.d/90proxy" >/dev/null
  as_root touch "$TRIXIE_ROOT/.ready"
}

# The tree as git sees it, changes included; builds in the root are kept from run to run.
copy_tree_to_trixie() {
  as_root mkdir -p "$TRIXIE_ROOT/src"
  as_root find "$TRIXIE_ROOT/src" -mindepth 1 -maxdepth 1 ! -name build ! -name .switchyard -exec rm -rf {} +
  (cd "$ROOT" && project_files | tar --null -T - -cf - | as_root tar -C "$TRIXIE_ROOT/src" --no-same-owner -xf -)
  as_root cp -L /etc/resolv.conf /etc/hosts "$TRIXIE_ROOT/etc/"
}

# trixie_run COMMAND...: in the root, with /proc, /sys and /dev. They are mounted in a namespace that ends with the
# command, and so do its processes: nothing is left behind however it ends.
trixie_run() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_root unshare --mount --pid --fork --kill-child --propagation private -- bash -euc '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" \
      LANG=C.UTF-8 "$@"
  ' bash "$TRIXIE_ROOT" "$@"
}

# test_in_trixie ARGUMENTS...: tools/test with these arguments, in the root.
test_in_trixie() {
  packages_ensure trixie
  make_trixie_root
  copy_tree_to_trixie
  step "building and testing on Debian 13"
  # shellcheck disable=SC2016 # expanded inside
  trixie_run bash -euc 'cd /src; . /etc/os-release; echo "    inside: $PRETTY_NAME"; exec bash tools/test "$@"' test "$@"
}

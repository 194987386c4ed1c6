# Debian packages that the project needs, and their installation. Sourced, never run.
# shellcheck shell=bash

readonly PACKAGES_BUILD=(
  build-essential cmake ninja-build pkg-config ccache mold git ca-certificates
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler libabsl-dev
  libpqxx-dev libpq-dev prometheus-cpp-dev libyaml-cpp-dev libssl-dev libcurl4-openssl-dev
  nlohmann-json3-dev libsqlite3-dev libjemalloc-dev libtomlplusplus-dev libre2-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)
readonly PACKAGES_RUN=(postgresql bubblewrap git iproute2 util-linux procps openssl)
readonly PACKAGES_TEST=(python3 python3-protobuf python3-grpcio)
readonly PACKAGES_CHECK=(clang clang-format clang-tidy shellcheck python3 python3-protobuf protobuf-compiler)
readonly PACKAGES_FUZZ=(clang libclang-rt-dev)
readonly PACKAGES_TRIXIE=(debootstrap debian-archive-keyring)

package_present() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == "install ok installed" ]]; }

# apt_get ARGS...: as root, through sudo only when needed.
apt_get() {
  local -a run=(env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -o APT::Acquire::Retries=3)
  is_root || run=(sudo "${run[@]}")
  "${run[@]}" "$@"
}

as_root() { if is_root; then "$@"; else sudo "$@"; fi; }

# Debian's postgresql package makes and starts a cluster of the machine's when it is first installed. Nobody asked for
# one here: the project has its own. Undone after the installation, so that later ones behave as Debian means them.
readonly CLUSTER_DROPIN=/etc/postgresql-common/createcluster.d/switchyard.conf
hold_back_system_cluster() {
  as_root mkdir -p "$(dirname "$CLUSTER_DROPIN")"
  echo 'create_main_cluster = false' | as_root tee "$CLUSTER_DROPIN" >/dev/null
}
release_system_cluster() { [[ ! -e $CLUSTER_DROPIN ]] || as_root rm -f "$CLUSTER_DROPIN"; }

# packages_ensure GROUP...: GROUP is build, run, test, check, fuzz or trixie. Installs only what is missing.
packages_ensure() {
  local group name
  local -a wanted=() missing=()
  for group in "$@"; do
    local -n list=PACKAGES_${group^^}
    wanted+=("${list[@]}")
  done
  if [[ -n ${SWITCHYARD_SKIP_PACKAGES:-} ]]; then
    note "packages: not looked at (SWITCHYARD_SKIP_PACKAGES is set)"
    return
  fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    warn "this machine has no apt: install the equivalents of these Debian 12 packages yourself"
    printf '      %s\n' "${wanted[@]}" >&2
    fail "then run again with SWITCHYARD_SKIP_PACKAGES=1"
  fi
  for name in "${wanted[@]}"; do
    package_present "$name" || [[ " ${missing[*]} " == *" $name "* ]] || missing+=("$name")
  done
  if ((${#missing[@]} == 0)); then
    note "packages: all present"
    return
  fi
  note "packages to install: ${missing[*]}"
  if ! is_root; then
    command -v sudo >/dev/null ||
      fail "this needs root, and there is no sudo. As root run:
       apt-get install --no-install-recommends ${missing[*]}"
    note "using sudo for apt-get; it may ask for your password"
  fi
  install_missing "${missing[@]}"
}

# In a shell of its own, so that whatever ends it, Ctrl-C too, undoes what only the installation needs.
install_missing() (
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [[ " $* " == *" postgresql "* ]]; then
    trap release_system_cluster EXIT
    hold_back_system_cluster
  fi
  # The lists on the machine may be absent or old: refresh them only when they turn out to be.
  apt_get install -y -q --no-install-recommends "$@" && exit
  note "refreshing the package lists"
  { apt_get update -q && apt_get install -y -q --no-install-recommends "$@"; } ||
    fail "apt-get could not install the packages; the reason stands above. Mend it and run this again."
)

# Configuring and building a preset. Sourced, never run.
# shellcheck shell=bash

build_dir() { echo "$ROOT/build/$1"; }

# The folders that take part: a new one must be seen without anyone asking for it.
build_shape() { project_files | tr '\0' '\n' | grep -E '(^|/)CMakeLists\.txt$|^CMakePresets\.json$|^cmake/' | sort; }

# build_configure PRESET: only when needed; ninja notices changes of files it knows by itself.
build_configure() {
  local preset=$1 dir cache home shape
  dir=$(build_dir "$preset")
  cache=$dir/CMakeCache.txt
  shape=$(build_shape)
  if [[ -f $cache ]]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$cache")
    if [[ $home != "$ROOT" ]]; then
      note "build/$preset was configured for ${home:-nothing}: configuring it anew"
      rm -rf "$cache" "$dir/CMakeFiles"
    fi
  fi
  if [[ -f $dir/build.ninja && -f $cache && $(cat "$dir/.shape" 2>/dev/null) == "$shape" ]]; then
    return
  fi
  step "configuring preset $preset"
  (cd "$ROOT" && cmake --preset "$preset") || {
    rm -f "$dir/.shape"
    fail "CMake could not configure preset $preset; the reason stands above"
  }
  printf '%s\n' "$shape" >"$dir/.shape"
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1
  shift
  grep -q "\"name\": \"$preset\"" "$ROOT/CMakePresets.json" ||
    fail "there is no preset '$preset'; there are: release, debug, asan, tsan, fuzz"
  build_configure "$preset"
  step "building preset $preset${*:+: $*}"
  NINJA_STATUS='[%f/%t, %es] ' ninja -C "$(build_dir "$preset")" -j "$(job_count)" "$@" 9>&- ||
    fail "the build of preset $preset failed; the first error stands above. What was built is kept."
}

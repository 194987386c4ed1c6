#pragma once

#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"

namespace switchyard::yard {

// Everything outside the program that yard touches, so that a test runs whole commands in its own process.
struct Host {
  std::istream& in;
  // Data only.
  std::ostream& out;
  // Everything else.
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // Width of the terminal behind `out`.
  int columns = 80;
  std::string working_directory;
  // Absent when the variable is unset.
  std::function<std::optional<std::string>(std::string_view name)> environment;
  const Clock& clock;
  IdSource& ids;
  // Waits that long; false when the user interrupted.
  std::function<bool(absl::Duration)> pause;
  // Whether the user interrupted. From the first call on the first interruption no longer ends the program, but is told
  // here; the next one ends it. Thread-safe.
  std::function<bool()> interrupted;

  // "" when unset.
  std::string Variable(std::string_view name) const { return environment(name).value_or(""); }
};

}  // namespace switchyard::yard

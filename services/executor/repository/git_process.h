#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/spawn.h"

namespace switchyard::executor::repository {

struct GitCall {
  // After the program: options first, then the command.
  std::vector<std::string> arguments;
  // All of it: nothing is inherited.
  std::vector<std::string> environment;
  std::string directory = "/";
  std::optional<UserIds> user;
  std::string input;
  // What the program reads from descriptor 3, in memory of the kernel's that has no name; never an argument, never the
  // environment.
  std::string secret;
  absl::Duration time = absl::Minutes(2);
  // Of standard output; more ends the program unless `cut`.
  std::size_t max_output = std::size_t{16} << 20;
  // What is beyond is left out, and that is no failure.
  bool cut = false;
  // Asked about once a second; not OK ends the program with that.
  std::function<absl::Status()> watch;
};

struct GitAnswer {
  int exit_code = -1;
  std::string output;
  // Its last 4 KiB.
  std::string error;
  bool cut = false;

  bool ok() const { return exit_code == 0; }
};

// Runs a program and all that it starts to the end, on this thread. Any exit status is an answer. DEADLINE_EXCEEDED,
// reason GIT_TIMEOUT; CANCELLED once `stop` is true; INTERNAL, reason GIT_FAILED, when a signal ended it, it said too
// much or could not be started. However it ends, its process group is gone: asked first, so that it clears its locks
// away, killed after 2 s.
absl::StatusOr<GitAnswer> RunGit(const std::string& program, const GitCall& call, const std::atomic<bool>& stop);

}  // namespace switchyard::executor::repository

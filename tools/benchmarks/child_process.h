#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard::bench {

// A process of ours, ended by its id; the kernel ends it too when this process dies. Make it on the main thread. Not
// thread-safe.
class ChildProcess {
 public:
  // Output and errors go to `log`. The environment is empty but for PATH, so that nothing configures it by surprise.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& argv,
                                                             const std::string& log);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  // SIGTERM, and SIGKILL after `patience`.
  void Stop(absl::Duration patience = absl::Seconds(30));
  // Exit code; negative when a signal ended it.
  int Wait();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  bool Reap(bool block);

  const pid_t pid_;
  bool reaped_ = false;
  int exit_ = 0;
};

// Runs to its end; the log is in the error when it fails.
absl::Status RunToEnd(const std::vector<std::string>& argv, const std::string& log);

std::string ReadWhole(const std::string& path);

}  // namespace switchyard::bench

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/agent_loop.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

// All of an executor, in the order in which it has to come and go. Holds the lock of its folder. Not thread-safe,
// except where said.
class AgentProcess {
 public:
  // Reads allowlist, token, certificates and journal; dials nothing.
  static absl::StatusOr<std::unique_ptr<AgentProcess>> Create(const config::v1::ExecutorConfig& config);
  ~AgentProcess();

  absl::Status Start();
  // Reads the allowlist again.
  void Reload();
  // Finishes or hands back what it has; see AgentLoop.
  void Drain();
  // True once it has ended, by itself or since it was told to.
  bool WaitFor(absl::Duration timeout);
  LoopExit exit(std::string* advice);
  AgentStatus status() const;
  // How long an orderly end may take at most.
  absl::Duration patience() const;

 private:
  struct Parts;
  explicit AgentProcess(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace switchyard::executor

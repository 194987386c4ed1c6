#pragma once

#include <csignal>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "libs/rpc/server.h"

namespace switchyard::rpc {

// Takes SIGTERM and SIGINT away from all threads. Made first in main, before any thread: threads inherit it. Children
// inherit it too and must unblock both before they exec. SIGPIPE is ignored from then on.
class StopSignals {
 public:
  StopSignals();

  // Waits for the next signal; its number.
  int Wait();
  // The same for at most `timeout`; 0 when none came.
  int WaitFor(absl::Duration timeout);
  // As if SIGTERM had come: for a process that must end by itself.
  static void Request();

 private:
  sigset_t set_;
};

// Serves until SIGTERM or SIGINT, then drains all servers together, runs `stopped` (the rest of the application, in its
// order) and returns 0, the exit code of main. A second signal ends the process at once, with 128 + its number; a way
// out that takes longer than `patience` (more than drain_delay and drain_deadline together) ends it with 1: any process
// may be killed at any time, but none may hang.
int RunUntilSignalled(StopSignals& signals, const std::vector<Server*>& servers, absl::Duration patience,
                      const std::function<void()>& stopped = nullptr);

// Sends what gRPC logs (warnings and worse) through our log. Process-wide.
void RouteGrpcLog();

}  // namespace switchyard::rpc

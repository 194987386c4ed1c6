#include "libs/rpc/lifecycle.h"

#include <grpc/support/log.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "libs/base/log.h"

namespace switchyard::rpc {

StopSignals::StopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int StopSignals::Wait() {
  int signal = 0;
  while (sigwait(&set_, &signal) != 0) {
  }
  return signal;
}

int StopSignals::WaitFor(absl::Duration timeout) {
  const timespec limit = absl::ToTimespec(timeout);
  const int signal = sigtimedwait(&set_, nullptr, &limit);
  return signal > 0 ? signal : 0;
}

void StopSignals::Request() { kill(getpid(), SIGTERM); }

int RunUntilSignalled(StopSignals& signals, const std::vector<Server*>& servers, absl::Duration patience,
                      const std::function<void()>& stopped) {
  const int first = signals.Wait();
  LogInfo("stopping", {{"signal", first}});
  std::atomic<bool> over{false};
  std::thread watcher([&] {
    const absl::Duration step = absl::Milliseconds(100);
    for (absl::Duration waited; !over.load(); waited += step) {
      if (const int second = signals.WaitFor(step); second != 0) {
        LogWarning("stopping at once", {{"signal", second}});
        std::_Exit(128 + second);
      }
      if (waited > patience) {
        LogError("the drain did not end in time; giving up", {{"patience", patience}});
        std::_Exit(1);
      }
    }
  });
  std::vector<std::thread> drains;
  drains.reserve(servers.size());
  for (Server* server : servers) drains.emplace_back([server] { server->DrainAndStop(); });
  for (std::thread& drain : drains) drain.join();
  if (stopped) stopped();
  over.store(true);
  watcher.join();
  LogInfo("stopped");
  return 0;
}

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity < GPR_LOG_SEVERITY_ERROR) {
      LogDebug("grpc", {{"detail", args->message}});
    } else {
      LogWarning("grpc", {{"detail", args->message}});
    }
  });
}

}  // namespace switchyard::rpc

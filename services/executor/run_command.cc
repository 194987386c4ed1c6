#include <csignal>
#include <memory>

#include "libs/app/command_line.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/lifecycle.h"
#include "services/executor/agent_process.h"
#include "services/executor/commands.h"
#include "services/executor/log_level.h"
#include "services/executor/status_file.h"

namespace switchyard::executor {
namespace {

const app::Program kProgram = {
    .name = "yard-agent run",
    .summary = "takes work from the hub and runs it.",
    .help =
        "It needs an enrolment (yard-agent enroll) and an allowlist of what tasks may run; without one it takes none.\n"
        "It dials the hub and listens on nothing. On SIGHUP the allowlist is read again. On SIGTERM it finishes what\n"
        "runs, within drain_timeout, hands back the rest and ends with 0; what could not be delivered is kept and\n"
        "delivered at the next start. It ends with 78 when only a person can mend it: the token was refused, it is "
        "not\n"
        "enrolled. Its health checks look at the folder data_dir, so they need the same one.",
    .service = "yard-agent"};

bool IsHopeless(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == "NOT_ENROLLED" || reason == "JOURNAL_TOO_NEW";
}

// SIGHUP must not end the process; it is looked for, not waited for.
sigset_t BlockHangup() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

bool TakeHangup(const sigset_t& set) {
  const timespec none{};
  return sigtimedwait(&set, nullptr, &none) > 0;
}

}  // namespace

int Run(const Arguments& arguments) {
  // Before any thread.
  rpc::StopSignals signals;
  const sigset_t hangup = BlockHangup();
  config::v1::ExecutorConfig config;
  const app::ParseResult parsed = app::ParseCommandLine(kProgram, arguments, config);
  if (parsed.exit.has_value()) return *parsed.exit;
  if (parsed.healthcheck.has_value()) {
    const absl::Status health = CheckRunning(config.data_dir(), !parsed.healthcheck->empty());
    return health.ok() ? app::kExitOk : Complain("yard-agent", Describe(health), app::kExitError);
  }
  ConfigureLog(kProgram.service, ToLogLevel(config.log_level()));
  rpc::RouteGrpcLog();

  absl::StatusOr<std::unique_ptr<AgentProcess>> process = AgentProcess::Create(config);
  absl::Status status = process.status();
  if (status.ok()) status = (*process)->Start();
  if (!status.ok()) {
    LogError("cannot start", {{"error", status}});
    return IsHopeless(status) ? kExitRefused : app::kExitError;
  }
  LogInfo("running", {{"data_dir", config.data_dir()}, {"slots", static_cast<int>(config.slots())}});
  bool stopping = false;
  absl::Duration waited;
  const absl::Duration step = absl::Milliseconds(200);
  while (!(*process)->WaitFor(absl::ZeroDuration())) {
    if (const int signal = signals.WaitFor(step); signal != 0) {
      if (std::exchange(stopping, true)) {
        LogWarning("stopping at once", {{"signal", signal}});
        std::_Exit(128 + signal);
      }
      LogInfo("stopping", {{"signal", signal}});
      (*process)->Drain();
    }
    if (TakeHangup(hangup)) (*process)->Reload();
    if (stopping && (waited += step) > (*process)->patience()) {
      LogError("the drain did not end in time; giving up");
      std::_Exit(1);
    }
  }
  const LoopExit exit = (*process)->exit(nullptr);
  process->reset();
  LogInfo("stopped");
  return exit == LoopExit::kRefused ? kExitRefused : app::kExitOk;
}

}  // namespace switchyard::executor

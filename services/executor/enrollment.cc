#include "services/executor/enrollment.h"

#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/secure_bytes.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/retry.h"
#include "services/executor/agent_process.h"
#include "services/executor/files.h"
#include "services/executor/host_name.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::executor {
namespace {

// The same in every try with the same enrolment, also after a crash.
absl::StatusOr<std::string> RequestId(const std::string& path, const std::string& token) {
  const std::string mark = Sha256Hex(token);
  if (const absl::StatusOr<std::string> kept = ReadSmallFile(path); kept.ok()) {
    const std::vector<std::string> lines = absl::StrSplit(*kept, '\n');
    if (lines.size() >= 2 && lines[0] == mark) return lines[1];
  }
  const std::string id = SecureToken("");
  SY_RETURN_IF_ERROR(ReplaceFile(path, absl::StrCat(mark, "\n", id, "\n")));
  return id;
}

absl::Status Explain(const absl::Status& status, const std::string& address) {
  if (ReasonOf(status) == "ENROLLMENT_UNKNOWN") {
    return Annotate(status,
                    "the hub does not know this enrolment, or it is used up or has expired; make a new one with "
                    "`yard agent enroll NAME`");
  }
  return Annotate(status, absl::StrCat("the hub at ", address));
}

absl::Status Exchange(const config::v1::ExecutorConfig& config, const agent::v1::EnrollmentBundle& bundle,
                      const std::string& authority_file, const Say& say) {
  const DisciplinedClock clock;
  const absl::Time expires = absl::FromUnixSeconds(bundle.expire_time().seconds());
  if (bundle.has_expire_time() && clock.Now() > expires + absl::Minutes(5)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "ENROLLMENT_EXPIRED",
                     absl::StrCat("the enrolment expired at ", absl::FormatTime(expires),
                                  ", by this machine's clock; make a new one with `yard agent enroll NAME`"));
  }
  const std::string pending = config.data_dir() + "/enroll.pending";
  SY_ASSIGN_OR_RETURN(const std::string request_id, RequestId(pending, bundle.token()));
  SY_ASSIGN_OR_RETURN(const HubAccess hub, FindHub(config, bundle, authority_file));

  agent::v1::RedeemEnrollmentRequest request;
  request.set_token(bundle.token());
  request.set_request_id(request_id);
  request.set_host_name(HostName());
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  rpc::AlarmTimer timer;
  const rpc::Caller caller(clock, *rng, timer, nullptr);
  absl::Status last;
  for (const std::string& address : hub.addresses) {
    rpc::ChannelOptions options;
    options.target = address;
    options.tls = hub.tls;
    SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, rpc::MakeChannel(options));
    const auto stub = agent::v1::AgentAdminService::NewStub(channel);
    const absl::StatusOr<agent::v1::RedeemEnrollmentResponse> answer =
        rpc::CallUnary(caller, *stub, &agent::v1::AgentAdminService::StubInterface::RedeemEnrollment, request,
                       {.timeout = absl::Seconds(10), .idempotent = true});
    if (answer.ok()) {
      SY_RETURN_IF_ERROR(SaveEnrollment(config.data_dir(), bundle));
      SY_RETURN_IF_ERROR(ReplaceFile(TokenFile(config), absl::StrCat(answer->token(), "\n")));
      unlink(pending.c_str());
      say(absl::StrCat("enrolled as ", answer->name(), "; the token is in ", TokenFile(config)));
      return absl::OkStatus();
    }
    last = Explain(answer.status(), address);
    if (answer.status().code() != absl::StatusCode::kUnavailable &&
        answer.status().code() != absl::StatusCode::kDeadlineExceeded) {
      return last;
    }
    say(absl::StrCat("no answer from ", address, ": ", answer.status().message()));
  }
  return last;
}

}  // namespace

absl::Status Redeem(const config::v1::ExecutorConfig& config, const agent::v1::EnrollmentBundle& bundle,
                    const Say& say) {
  SY_RETURN_IF_ERROR(PrepareDataDir(config.data_dir()));
  // What works now stays as it is until the hub has answered.
  const std::string authority_file = config.data_dir() + "/enroll.ca.pem";
  SY_RETURN_IF_ERROR(ReplaceFile(authority_file, bundle.ca_pem()));
  const absl::Status status = Exchange(config, bundle, authority_file, say);
  unlink(authority_file.c_str());
  return status;
}

absl::StatusOr<std::string> RunUntilProbed(const config::v1::ExecutorConfig& config, absl::Duration timeout,
                                           const Say& say) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentProcess> process, AgentProcess::Create(config));
  SY_RETURN_IF_ERROR(process->Start());
  const absl::Duration step = absl::Milliseconds(50);
  bool connected = false;
  agent::v1::ProbeState told = agent::v1::PROBE_STATE_UNSPECIFIED;
  AgentStatus status;
  for (absl::Duration waited; waited < timeout; waited += step) {
    if (process->WaitFor(step)) {
      std::string advice;
      process->exit(&advice);
      return MakeError(absl::StatusCode::kFailedPrecondition, "REFUSED", advice);
    }
    status = process->status();
    if (status.connected && !std::exchange(connected, true)) {
      say(absl::StrCat("connected to ", status.address, " as ", status.agent_name));
    }
    if (status.probe_state == told) continue;
    told = status.probe_state;
    switch (told) {
      case agent::v1::PROBE_STATE_SENT:
        say("probe task: on its way");
        break;
      case agent::v1::PROBE_STATE_RUNNING:
        say("probe task: received, runs");
        break;
      case agent::v1::PROBE_STATE_PASSED: {
        say("probe task: received, run and completed");
        process->Drain();
        process->exit(nullptr);
        return status.agent_name;
      }
      case agent::v1::PROBE_STATE_FAILED:
        return MakeError(absl::StatusCode::kFailedPrecondition, "PROBE_FAILED",
                         absl::StrCat("the probe task failed: ", status.probe_message,
                                      ". Mend that (yard-agent doctor) and start the agent: it is tried again"));
      default:
        break;
    }
  }
  return MakeError(absl::StatusCode::kDeadlineExceeded, "PROBE_OVERDUE",
                   connected ? absl::StrCat("the probe task did not come back within ", absl::FormatDuration(timeout))
                             : absl::StrCat("no hub was reached: ", status.last_error));
}

}  // namespace switchyard::executor

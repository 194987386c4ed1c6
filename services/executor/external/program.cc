#include "services/executor/external/program.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"

namespace switchyard::executor::external {
namespace {

constexpr absl::Duration kBusyAgain = absl::Seconds(30);

}  // namespace

Program::Program(Programs& programs, Mailbox& mailbox, OnText on_text)
    : programs_(programs), mailbox_(mailbox), on_text_(std::move(on_text)) {}

absl::Status Program::Start(const Rule& rule, const ProgramRequest& request, absl::Time now) {
  begun_ = now;
  SY_ASSIGN_OR_RETURN(StartedProgram started, programs_.StartByRule(rule, request, *this));
  id_ = started.id;
  confinement_ = std::move(started.confinement);
  return absl::OkStatus();
}

void Program::End(Ending why, bool at_once) {
  if (at_once && !killed_) {
    killed_ = true;
    programs_.Kill(id_);
  } else if (!stopped_.has_value()) {
    programs_.Cancel(id_);
  }
  if (!stopped_.has_value()) stopped_ = std::move(why);
}

void Program::OnLog(LogChunk chunk) {
  const bool gap = lost_ || chunk.dropped_before > 0;
  lost_ = !mailbox_.PostBulk(
      [this, stream = chunk.stream, text = std::move(chunk.text), gap] { on_text_(stream, text, gap); });
}

void Program::OnEnded(Evidence evidence) {
  mailbox_.Post([this, evidence = std::move(evidence)]() mutable { evidence_ = std::move(evidence); });
}

Ending NotStarted(const absl::Status& status) {
  Ending ending{.outcome = Outcome::kNotStarted};
  ending.reason = ReasonOf(status).empty() ? "NOT_STARTED" : ReasonOf(status);
  ending.message = std::string(status.message());
  ending.executor_fault = absl::IsUnavailable(status) || absl::IsInternal(status);
  return ending;
}

Ending FailedBy(const absl::Status& status) {
  Ending ending{.outcome = Outcome::kFailed};
  ending.reason = ReasonOf(status).empty() ? "WORKSPACE_FAILED" : ReasonOf(status);
  ending.message = text::Redact(ToStd(status.message()));
  if (ending.reason == "WORKTREE_BUSY" || ending.reason == "DISK_FULL") {
    ending.outcome = Outcome::kGivenBack;
    ending.retry_after = kBusyAgain;
  }
  ending.executor_fault = absl::IsInternal(status);
  ending.permanent = absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status) || absl::IsNotFound(status);
  return ending;
}

}  // namespace switchyard::executor::external

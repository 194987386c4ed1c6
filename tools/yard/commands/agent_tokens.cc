#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/files/new_file.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;

absl::Status AwaitJoining(Session& session, const std::string& enrollment_id, const std::string& name) {
  SY_ASSIGN_OR_RETURN(const absl::Duration limit, session.Timeout(absl::InfiniteDuration()));
  session.BeginWaiting();
  const absl::Time deadline = session.Now() + limit;
  ag::GetEnrollmentRequest request;
  request.set_enrollment_id(enrollment_id);
  std::string shown;
  while (session.Now() < deadline) {
    SY_ASSIGN_OR_RETURN(const ag::GetEnrollmentResponse answer, session.Call(&AgentAdminStub::GetEnrollment, request));
    if (answer.state() == ag::ENROLLMENT_STATE_COMPLETED) {
      session.Remark(absl::StrCat(name, " has joined and may get work"));
      return absl::OkStatus();
    }
    if (answer.state() == ag::ENROLLMENT_STATE_EXPIRED || answer.state() == ag::ENROLLMENT_STATE_REVOKED) {
      return LocalError(absl::StatusCode::kFailedPrecondition, "ENROLLMENT_ENDED",
                        absl::StrCat("the enrolment of ", name, " is ", Text(answer.state())),
                        absl::StrCat("yard agent enroll ", name));
    }
    std::string now = "waiting for yard-agent enroll on that machine";
    if (answer.state() == ag::ENROLLMENT_STATE_REDEEMED) {
      now = absl::StrCat(
          "the machine has its token; its probe is ", Text(answer.agent().probe_state()),
          answer.agent().probe_message().empty() ? "" : absl::StrCat(": ", answer.agent().probe_message()));
    }
    if (now != shown) session.Remark(now);
    shown = now;
    if (!session.host().pause(absl::Seconds(1))) return absl::CancelledError("interrupted");
  }
  return LocalError(absl::StatusCode::kDeadlineExceeded, "WAIT_TIMED_OUT",
                    absl::StrCat("stopped waiting for ", name, "; it may still join"),
                    absl::StrCat("yard agent show ", name));
}

}  // namespace

absl::Status AgentEnroll(Session& session) {
  const Invocation& invocation = session.invocation();
  ag::EnrollAgentRequest request;
  request.set_name(invocation.arguments[0]);
  if (const auto span = invocation.Span("expires-in")) ToProto(*span, request.mutable_lifetime());
  if (const auto span = invocation.Span("token-lifetime")) ToProto(*span, request.mutable_token_lifetime());
  for (const std::string& pair : invocation.All("label")) {
    const std::size_t cut = pair.find('=');
    (*request.mutable_labels())[pair.substr(0, cut)] = pair.substr(cut + 1);
  }
  for (const std::string& address : invocation.All("agent-address")) request.add_addresses(address);
  // Repeated after a lost answer it makes another enrolment and ends the first.
  SY_ASSIGN_OR_RETURN(const ag::EnrollAgentResponse enrolled, session.Call(&AgentAdminStub::EnrollAgent, request));
  Answer answer;
  answer.whole = ToJson(enrolled);
  // What scripts need of it: the id is in the JSON.
  answer.names = {enrolled.enrollment()};
  answer.card = absl::StrCat("yard-agent enroll ", OneLine(enrolled.enrollment()), "\n");
  session.Show(answer);
  session.host().out.flush();
  session.Remark(absl::StrCat("run that line on the machine that is to be ", request.name(), "; good once, until ",
                              TimeText(FromProto(enrolled.expire_time()), session.Now(), TimeForm::kIso)));
  if (!invocation.Has("wait")) return absl::OkStatus();
  return AwaitJoining(session, enrolled.enrollment_id(), request.name());
}

absl::Status AgentRotate(Session& session) {
  const Invocation& invocation = session.invocation();
  ag::RotateAgentTokenRequest request;
  request.set_agent(invocation.arguments[0]);
  if (const auto span = invocation.Span("grace")) ToProto(*span, request.mutable_grace());
  // Opened first: a token that cannot be written down is not asked for.
  std::unique_ptr<files::NewFile> file;
  const std::string path = invocation.Get("write-to");
  if (!path.empty()) {
    file = std::make_unique<files::NewFile>(path, 0600);
    SY_RETURN_IF_ERROR(file->status());
  }
  SY_ASSIGN_OR_RETURN(ag::RotateAgentTokenResponse rotated,
                      session.Call(&AgentAdminStub::RotateAgentToken, request, Repeat::kNever));
  Answer answer;
  if (file != nullptr) {
    SY_RETURN_IF_ERROR(file->Publish(absl::StrCat(rotated.token(), "\n")));
    rotated.clear_token();
  }
  answer.whole = ToJson(rotated);
  answer.names = {request.agent()};
  answer.card = absl::StrCat(OneLine(file == nullptr ? rotated.token() : request.agent()), "\n");
  session.Show(answer);
  session.Remark(absl::StrCat("new token of ", request.agent(), ", expires ",
                              TimeText(FromProto(rotated.token_expire_time()), session.Now(), TimeForm::kIso),
                              path.empty() ? "; it is not shown again" : absl::StrCat("; written to ", path)));
  return absl::OkStatus();
}

}  // namespace switchyard::yard

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/paging.h"
#include "tools/yard/task_names.h"
#include "tools/yard/verify_view.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;
namespace tq = task_queue::v1;
namespace vf = verification::v1;

absl::Status ListReportsOnce(Session& session) {
  const Invocation& invocation = session.invocation();
  constexpr long kMaxPage = 200;
  long limit = invocation.Number("limit").value_or(50);
  if (limit == 0) limit = 1'000'000'000;
  vf::ListVerificationsRequest request;
  request.set_page_token(invocation.Get("page-token"));
  request.set_task_id(invocation.Get("task"));
  request.set_project(invocation.Get("project"));
  request.set_model(invocation.Get("model"));
  if (invocation.Has("state")) request.set_state(Parse<vf::VerificationState>(invocation.Get("state")));
  if (invocation.Has("verdict")) request.set_verdict(Parse<tq::Verdict>(invocation.Get("verdict")));
  vf::ListVerificationsResponse all;
  do {
    request.set_page_size(static_cast<int>(std::min(kMaxPage, limit - all.verifications_size())));
    SY_ASSIGN_OR_RETURN(vf::ListVerificationsResponse page,
                        session.Call(&VerificationStub::ListVerifications, request));
    all.mutable_verifications()->MergeFrom(page.verifications());
    all.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && all.verifications_size() < limit);
  Answer answer;
  answer.table = VerificationTable(all.verifications(), session.times());
  answer.whole = ToJson(all);
  if (!answer.whole.contains("verifications")) answer.whole["verifications"] = Json::array();
  for (const vf::Verification& one : all.verifications()) {
    answer.items.push_back(ToJson(one));
    answer.names.push_back(one.task_id());
  }
  session.Show(answer);
  RemarkMore(session, all.next_page_token());
  return absl::OkStatus();
}

bool Yes(const Invocation& invocation, const char* flag) { return invocation.Get(flag) == "yes"; }

void Replace(const Invocation& invocation, const char* flag, google::protobuf::RepeatedPtrField<std::string>& items) {
  if (!invocation.Has(flag)) return;
  items.Clear();
  for (const std::string& item : invocation.All(flag)) *items.Add() = item;
}

absl::Status Apply(const Invocation& invocation, vf::Policy& policy) {
  Replace(invocation, "require", *policy.mutable_required_checks());
  if (invocation.Has("judge")) policy.set_judge(Parse<vf::JudgeRule>(invocation.Get("judge")));
  if (invocation.Has("judge-required")) policy.set_judge_required(Yes(invocation, "judge-required"));
  if (const auto percent = invocation.Number("least-confidence")) {
    if (*percent > 100) return UsageError("BAD_VALUE", "--least-confidence is a percentage, 0 to 100");
    policy.set_least_confidence(static_cast<double>(*percent) / 100);
  }
  if (invocation.Has("least-severity"))
    policy.set_least_severity(Parse<vf::Severity>(invocation.Get("least-severity")));
  if (const auto span = invocation.Span("judge-timeout")) ToProto(*span, policy.mutable_judge_timeout());
  if (invocation.Has("partial")) policy.set_partial(Yes(invocation, "partial"));
  vf::MergeRules& merge = *policy.mutable_merge();
  if (invocation.Has("merge")) merge.set_enabled(Yes(invocation, "merge"));
  if (const auto files = invocation.Number("merge-files")) merge.set_max_files(static_cast<int>(*files));
  if (const auto lines = invocation.Number("merge-lines")) merge.set_max_lines(static_cast<int>(*lines));
  if (const auto behind = invocation.Number("merge-behind")) merge.set_max_base_behind(static_cast<int>(*behind));
  Replace(invocation, "merge-path", *merge.mutable_paths());
  Replace(invocation, "merge-never", *merge.mutable_forbidden_paths());
  return absl::OkStatus();
}

std::string PolicyName(const vf::Policy& policy) {
  return absl::StrCat(policy.project().empty() ? "every" : policy.project(), "/",
                      policy.tier() == 0 ? "every" : Text(policy.tier()));
}

void ShowPolicies(Session& session, const google::protobuf::RepeatedPtrField<vf::Policy>& policies, Json whole) {
  Answer answer;
  answer.table = PolicyTable(policies, session.times());
  answer.whole = std::move(whole);
  for (const vf::Policy& policy : policies) {
    answer.items.push_back(ToJson(policy));
    answer.names.push_back(PolicyName(policy));
  }
  session.Show(answer);
}

absl::Status ListPolicies(Session& session) {
  SY_ASSIGN_OR_RETURN(const vf::ListPoliciesResponse all, session.Call(&VerificationStub::ListPolicies, {}));
  Json whole = ToJson(all);
  if (!whole.contains("policies")) whole["policies"] = Json::array();
  ShowPolicies(session, all.policies(), std::move(whole));
  return absl::OkStatus();
}

absl::Status SetPolicy(Session& session, const std::string& project, mr::ModelTier tier) {
  SY_ASSIGN_OR_RETURN(const vf::ListPoliciesResponse all, session.Call(&VerificationStub::ListPolicies, {}));
  vf::SetPolicyRequest request;
  vf::Policy& policy = *request.mutable_policy();
  // The built-in one comes last; it is what a new one begins as.
  if (!all.policies().empty()) policy = *all.policies().rbegin();
  for (const vf::Policy& known : all.policies()) {
    if (known.project() == project && known.tier() == tier) {
      policy = known;
      break;
    }
  }
  policy.set_project(project);
  policy.set_tier(tier);
  policy.clear_version();
  policy.clear_update_time();
  SY_RETURN_IF_ERROR(Apply(session.invocation(), policy));
  SY_ASSIGN_OR_RETURN(const vf::SetPolicyResponse set, session.Call(&VerificationStub::SetPolicy, request));
  google::protobuf::RepeatedPtrField<vf::Policy> one;
  *one.Add() = set.policy();
  ShowPolicies(session, one, ToJson(set));
  return absl::OkStatus();
}

absl::Status RemovePolicy(Session& session, const std::string& project, mr::ModelTier tier) {
  vf::RemovePolicyRequest request;
  request.set_project(project);
  request.set_tier(tier);
  SY_RETURN_IF_ERROR(session.Call(&VerificationStub::RemovePolicy, request, Repeat::kNever).status());
  vf::Policy gone;
  gone.set_project(project);
  gone.set_tier(tier);
  Answer answer;
  answer.whole = {{"removed", PolicyName(gone)}};
  answer.names = {PolicyName(gone)};
  answer.card = absl::StrCat("policy ", OneLine(PolicyName(gone)), " is removed\n");
  session.Show(answer);
  return absl::OkStatus();
}

template <class Request>
Request OfTask(const Invocation& invocation) {
  Request request;
  request.set_task_id(invocation.arguments[0]);
  request.set_generation(invocation.Number("generation").value_or(0));
  return request;
}

}  // namespace

absl::Status VerifyList(Session& session) { return ListAgainAndAgain(session, ListReportsOnce); }

absl::Status VerifyShow(Session& session) {
  const Invocation& invocation = session.invocation();
  SY_ASSIGN_OR_RETURN(const vf::GetVerificationResponse found,
                      session.Call(&VerificationStub::GetVerification, OfTask<vf::GetVerificationRequest>(invocation)));
  Answer answer;
  answer.whole = ToJson(found.verification());
  answer.names = {found.verification().task_id()};
  answer.card = VerificationCard(found.verification(), invocation.Has("evidence"), session.times(), session.style());
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status VerifyRun(Session& session) {
  SY_ASSIGN_OR_RETURN(const vf::ReassessResponse found,
                      session.Call(&VerificationStub::Reassess, OfTask<vf::ReassessRequest>(session.invocation())));
  Answer answer;
  answer.whole = ToJson(found);
  answer.names = {Text(found.verdict())};
  answer.card = ReassessmentCard(found, session.style());
  session.Show(answer);
  if (found.verdict() != tq::VERDICT_FAILED) return absl::OkStatus();
  return LocalError(absl::StatusCode::kFailedPrecondition, "TASK_FAILED",
                    absl::StrCat("the verdict would be failed: ", found.reason()));
}

absl::Status VerifyCalibration(Session& session) {
  vf::GetCalibrationRequest request;
  request.set_project(session.invocation().Get("project"));
  if (const auto span = session.invocation().Span("within")) ToProto(*span, request.mutable_window());
  SY_ASSIGN_OR_RETURN(const vf::GetCalibrationResponse figures,
                      session.Call(&VerificationStub::GetCalibration, request));
  Answer answer;
  answer.whole = ToJson(figures);
  answer.card = CalibrationCard(figures, session.style());
  for (const vf::JudgeFigures& judge : figures.judges()) {
    if (judge.rubber_stamp()) answer.names.push_back(judge.model());
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status VerifyMark(Session& session) {
  const Invocation& invocation = session.invocation();
  vf::RecordOutcomeRequest request;
  request.set_task_id(invocation.arguments[0]);
  request.set_kind(Parse<vf::OutcomeKind>(invocation.arguments[1]));
  request.set_note(invocation.Get("note"));
  SY_ASSIGN_OR_RETURN(const vf::RecordOutcomeResponse marked, session.Call(&VerificationStub::RecordOutcome, request));
  Answer answer;
  answer.whole = ToJson(marked.verification());
  answer.names = {marked.verification().task_id()};
  answer.card = VerificationCard(marked.verification(), false, session.times(), session.style());
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status VerifyPolicy(Session& session) {
  const Invocation& invocation = session.invocation();
  const std::string& action = invocation.arguments[0];
  if (action == "list") return ListPolicies(session);
  const std::string project = invocation.Get("project");
  const mr::ModelTier tier =
      invocation.Has("tier") ? Parse<mr::ModelTier>(invocation.Get("tier")) : mr::MODEL_TIER_UNSPECIFIED;
  return action == "set" ? SetPolicy(session, project, tier) : RemovePolicy(session, project, tier);
}

}  // namespace switchyard::yard

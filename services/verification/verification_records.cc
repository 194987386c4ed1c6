#include "services/verification/verification_records.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/verification/proto_time.h"
#include "services/verification/verification_convert.h"
#include "services/verification/verification_errors.h"

namespace switchyard::verification {
namespace {

constexpr int kPage = 50;
constexpr int kFetch = 100;
// Where a page ends.
constexpr std::size_t kPageBytes = 2 << 20;
constexpr absl::Duration kWindow = absl::Hours(24 * 90);

absl::StatusOr<TaskId> TaskOf(const std::string& text) {
  absl::StatusOr<TaskId> task = TaskId::Parse(text);
  if (!task.ok()) return VerificationNotFound(text);
  return task;
}

// The forge's name is nobody else's.
std::string SourceOf(std::string_view caller) {
  return caller == kForgeSource ? absl::StrCat("caller/", ToAbsl(caller)) : std::string(caller);
}

void ToProto(const StoredPolicy& stored, v1::Policy& out) {
  ToProto(FromStored({stored}).front(), out);
  Set(stored.update_time, out.mutable_update_time());
}

}  // namespace

absl::Status VerificationRecords::List(const v1::ListVerificationsRequest& request,
                                       v1::ListVerificationsResponse& response) {
  RecordQuery query{.project = request.project(), .model = request.model()};
  SY_RETURN_IF_ERROR(FromPageToken(request.page_token(), query));
  if (!request.task_id().empty()) {
    SY_ASSIGN_OR_RETURN(query.task, TaskOf(request.task_id()));
  }
  if (request.state() != v1::VERIFICATION_STATE_UNSPECIFIED) query.state = static_cast<RecordState>(request.state());
  if (request.verdict() != task_queue::v1::VERDICT_UNSPECIFIED) query.verdict = static_cast<Verdict>(request.verdict());
  const int wanted = request.page_size() == 0 ? kPage : request.page_size();
  std::size_t bytes = 0;
  while (true) {
    // One more than fits tells whether there is another page.
    query.limit = std::min(wanted - response.verifications_size() + 1, kFetch);
    SY_ASSIGN_OR_RETURN(const std::vector<FoundRecord> found, store_.List(query));
    for (const FoundRecord& one : found) {
      if (response.verifications_size() == wanted || bytes > kPageBytes) {
        response.set_next_page_token(ToPageToken({.key = query.before, .create_time = query.before_time}));
        return absl::OkStatus();
      }
      v1::Verification& out = *response.add_verifications();
      ToProto(one, out);
      bytes += out.ByteSizeLong();
      query.before_time = one.record.create_time;
      query.before = one.record.key;
    }
    if (found.size() < static_cast<std::size_t>(query.limit)) return absl::OkStatus();
  }
}

absl::Status VerificationRecords::Get(const v1::GetVerificationRequest& request,
                                      v1::GetVerificationResponse& response) {
  SY_ASSIGN_OR_RETURN(const TaskId task, TaskOf(request.task_id()));
  SY_ASSIGN_OR_RETURN(const FoundRecord found, store_.Find(task, request.generation()));
  ToProto(found, *response.mutable_verification());
  return absl::OkStatus();
}

absl::Status VerificationRecords::Reassess(const v1::ReassessRequest& request, v1::ReassessResponse& response) {
  SY_ASSIGN_OR_RETURN(const TaskId task, TaskOf(request.task_id()));
  SY_ASSIGN_OR_RETURN(const FoundRecord found, store_.Find(task, request.generation()));
  SY_ASSIGN_OR_RETURN(const std::vector<StoredPolicy> stored, store_.ListPolicies());
  const std::vector<Policy> policies = FromStored(stored);
  const Work work = ToWork(found.record);
  const Policy& policy = ChoosePolicy(policies, work.project, work.tier);
  const Assessment assessment = Assess(work, policy);
  ToProto(found, *response.mutable_stored());
  response.mutable_stored()->clear_report();
  const bool judge_needed = NeedsJudge(work, policy, assessment);
  // What a judge said then is not asked again.
  const Judgement judgement = judge_needed ? FromProto(response.stored().judgement()) : Judgement();
  const Decision decision = Combine(assessment, judgement, policy);
  response.set_verdict(static_cast<task_queue::v1::Verdict>(decision.verdict));
  response.set_reason(decision.reason);
  *response.mutable_findings() = {decision.findings.begin(), decision.findings.end()};
  ToProto(MayMerge(work, policy, assessment), *response.mutable_merge());
  response.set_policy(NameOf(policy));
  response.set_policy_version(policy.version);
  response.set_judge_needed(judge_needed);
  return absl::OkStatus();
}

absl::Status VerificationRecords::SetPolicy(const v1::SetPolicyRequest& request, std::string_view by,
                                            v1::SetPolicyResponse& response) {
  std::vector<FieldViolation> faults;
  const Policy policy = FromProto(request.policy(), "policy", faults);
  for (FieldViolation& fault : FaultsOf(policy, "policy")) faults.push_back(std::move(fault));
  if (!faults.empty()) return InvalidFields(std::move(faults));
  v1::Policy body;
  ToProto(policy, body);
  StoredPolicy wanted{.project = policy.project, .tier = policy.tier, .update_time = Whole(clock_.Now())};
  body.SerializeToString(&wanted.body);
  SY_ASSIGN_OR_RETURN(const StoredPolicy stored, store_.SetPolicy(wanted, kMostPolicies, by));
  ToProto(stored, *response.mutable_policy());
  return absl::OkStatus();
}

absl::Status VerificationRecords::RemovePolicy(const v1::RemovePolicyRequest& request, v1::RemovePolicyResponse&) {
  return store_.RemovePolicy(request.project(), static_cast<Tier>(request.tier()));
}

absl::Status VerificationRecords::ListPolicies(const v1::ListPoliciesRequest&, v1::ListPoliciesResponse& response) {
  SY_ASSIGN_OR_RETURN(const std::vector<StoredPolicy> stored, store_.ListPolicies());
  for (const StoredPolicy& policy : stored) ToProto(policy, *response.add_policies());
  ToProto(BuiltInPolicy(), *response.add_policies());
  return absl::OkStatus();
}

absl::Status VerificationRecords::RecordOutcome(const v1::RecordOutcomeRequest& request, std::string_view source,
                                                v1::RecordOutcomeResponse& response) {
  SY_ASSIGN_OR_RETURN(const TaskId task, TaskOf(request.task_id()));
  SY_RETURN_IF_ERROR(store_.AddMark(task, {.kind = static_cast<OutcomeKind>(request.kind()),
                                           .source = SourceOf(source),
                                           .note = request.note(),
                                           .time = Whole(clock_.Now())}));
  SY_ASSIGN_OR_RETURN(const FoundRecord found, store_.Find(task, 0));
  ToProto(found, *response.mutable_verification());
  response.mutable_verification()->clear_report();
  return absl::OkStatus();
}

absl::Status VerificationRecords::GetCalibration(const v1::GetCalibrationRequest& request,
                                                 v1::GetCalibrationResponse& response) {
  const absl::Duration asked = ToDuration(request.window());
  const absl::Duration window = asked == absl::ZeroDuration() ? kWindow : asked;
  SY_ASSIGN_OR_RETURN(const std::vector<CalibrationGroup> groups,
                      store_.Calibrate(request.project(), clock_.Now() - window));
  ToProto(Calibrate(groups), response);
  return absl::OkStatus();
}

}  // namespace switchyard::verification

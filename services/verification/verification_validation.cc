#include "services/verification/verification_validation.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/verification/proto_time.h"
#include "services/verification/work.h"

namespace switchyard::verification {
namespace {

constexpr int kMostPage = 1'000;
constexpr std::size_t kMostName = 200;
constexpr std::size_t kMostNote = 1'024;
constexpr absl::Duration kLongestWindow = absl::Hours(24 * 3'650);

void CheckTask(const std::string& task, Violations& faults) {
  if (!TaskId::Parse(task).ok()) faults.push_back({"task_id", "is not the id of a task"});
}

void CheckText(const std::string& text, std::size_t most, const char* field, Violations& faults) {
  if (text.size() > most) faults.push_back({field, absl::StrCat("must be at most ", most, " bytes")});
  if (text.find('\0') != text.npos) faults.push_back({field, "must not hold a NUL"});
}

template <class Request>
Violations CheckKey(const Request& request) {
  Violations faults;
  CheckTask(request.task_id(), faults);
  if (request.generation() < 0) faults.push_back({"generation", "must not be negative"});
  return faults;
}

}  // namespace

Violations Validate(const v1::ListVerificationsRequest& request) {
  Violations faults;
  if (request.page_size() < 0 || request.page_size() > kMostPage) {
    faults.push_back({"page_size", absl::StrCat("must be 0 to ", kMostPage)});
  }
  if (!request.task_id().empty()) CheckTask(request.task_id(), faults);
  CheckText(request.project(), kMostName, "project", faults);
  CheckText(request.model(), kMostName, "model", faults);
  if (!v1::VerificationState_IsValid(request.state())) faults.push_back({"state", "is not known"});
  if (!task_queue::v1::Verdict_IsValid(request.verdict())) faults.push_back({"verdict", "is not known"});
  return faults;
}

Violations Validate(const v1::GetVerificationRequest& request) { return CheckKey(request); }
Violations Validate(const v1::ReassessRequest& request) { return CheckKey(request); }

Violations Validate(const v1::SetPolicyRequest& request) {
  Violations faults;
  if (!request.has_policy()) faults.push_back({"policy", "is needed"});
  return faults;
}

Violations Validate(const v1::RemovePolicyRequest& request) {
  Violations faults;
  CheckText(request.project(), kMostName, "project", faults);
  if (!model_registry::v1::ModelTier_IsValid(request.tier())) faults.push_back({"tier", "is not known"});
  return faults;
}

Violations Validate(const v1::ListPoliciesRequest&) { return {}; }

Violations Validate(const v1::RecordOutcomeRequest& request) {
  Violations faults;
  CheckTask(request.task_id(), faults);
  if (request.kind() == v1::OUTCOME_KIND_UNSPECIFIED || !v1::OutcomeKind_IsValid(request.kind())) {
    faults.push_back({"kind", "must be one of merged, rejected, reverted, good and bad"});
  }
  CheckText(request.note(), kMostNote, "note", faults);
  return faults;
}

Violations Validate(const v1::GetCalibrationRequest& request) {
  Violations faults;
  CheckText(request.project(), kMostName, "project", faults);
  const absl::Duration window = ToDuration(request.window());
  if (window < absl::ZeroDuration() || window > kLongestWindow) {
    faults.push_back({"window", "must be nothing to 3650 days"});
  }
  return faults;
}

}  // namespace switchyard::verification

#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "services/verification/verification_store.h"
#include "switchyard/verification/v1/verification_service.pb.h"

namespace switchyard::verification {

// What people read and set. Takes requests that were validated. Thread-safe; calls block.
class VerificationRecords {
 public:
  // Borrows both.
  VerificationRecords(VerificationStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  absl::Status List(const v1::ListVerificationsRequest& request, v1::ListVerificationsResponse& response);
  absl::Status Get(const v1::GetVerificationRequest& request, v1::GetVerificationResponse& response);
  absl::Status Reassess(const v1::ReassessRequest& request, v1::ReassessResponse& response);
  // `by`: for the record.
  absl::Status SetPolicy(const v1::SetPolicyRequest& request, std::string_view by, v1::SetPolicyResponse& response);
  absl::Status RemovePolicy(const v1::RemovePolicyRequest& request, v1::RemovePolicyResponse& response);
  absl::Status ListPolicies(const v1::ListPoliciesRequest& request, v1::ListPoliciesResponse& response);
  absl::Status RecordOutcome(const v1::RecordOutcomeRequest& request, std::string_view source,
                             v1::RecordOutcomeResponse& response);
  absl::Status GetCalibration(const v1::GetCalibrationRequest& request, v1::GetCalibrationResponse& response);

 private:
  VerificationStore& store_;
  const Clock& clock_;
};

}  // namespace switchyard::verification

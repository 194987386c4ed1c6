// What is wrong with requests, by field.
#pragma once

#include <vector>

#include "libs/base/status.h"
#include "switchyard/verification/v1/verification_service.pb.h"

namespace switchyard::verification {

using Violations = std::vector<FieldViolation>;

Violations Validate(const v1::ListVerificationsRequest& request);
Violations Validate(const v1::GetVerificationRequest& request);
Violations Validate(const v1::ReassessRequest& request);
// The policy itself is checked by its rules.
Violations Validate(const v1::SetPolicyRequest& request);
Violations Validate(const v1::RemovePolicyRequest& request);
Violations Validate(const v1::ListPoliciesRequest& request);
Violations Validate(const v1::RecordOutcomeRequest& request);
Violations Validate(const v1::GetCalibrationRequest& request);

}  // namespace switchyard::verification

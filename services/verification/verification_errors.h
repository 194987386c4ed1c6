// One factory per failure that a caller of the service can see. The reasons are part of the contract.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::verification {

absl::Status VerificationNotFound(std::string_view task);
absl::Status PolicyNotFound();
absl::Status TooManyPolicies(std::size_t bound);

}  // namespace switchyard::verification

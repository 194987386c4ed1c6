// One factory per failure that a caller of the router can see. The reasons are part of the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::router {

absl::Status RouteNotHeld(std::string_view task, std::int64_t generation);
absl::Status ChainExhausted(std::string_view message);
absl::Status GrantRefused(std::string_view message);
absl::Status BudgetNotFound(std::string_view name);
absl::Status TooManyBudgets(std::size_t bound);
// Nothing was heard of the model registry yet, or not for too long.
absl::Status RegistryUnknown();

}  // namespace switchyard::router

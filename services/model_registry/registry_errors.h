// One factory per failure that a caller of the model registry can see. The reasons are part of the contract.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::model_registry {

absl::Status EndpointNotFound(std::string_view endpoint);
absl::Status EndpointNameTaken(std::string_view name);
absl::Status EndpointFromFile(std::string_view name, std::string_view file);
absl::Status EndpointAgentOnly(std::string_view name, std::string_view agent);
absl::Status EndpointDisabled(std::string_view name);
absl::Status RevisionChanged(std::string_view name);
absl::Status RequestIdReused(std::string_view request_id);
absl::Status TooManyEndpoints(std::size_t bound);
absl::Status ProbeUnderWay(std::string_view name);
// `suggestion` may be empty.
absl::Status ModelNotFound(std::string_view model, std::string_view suggestion);
absl::Status RoleNotFound(std::string_view role, std::string_view suggestion);
absl::Status PriceNotFound(std::string_view model);
// The configuration was not read yet.
absl::Status RegistryLoading();
absl::Status TooManyWatches(std::size_t bound);

}  // namespace switchyard::model_registry

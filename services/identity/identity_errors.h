// One factory per failure that a caller of the identity service can see. The reasons are part of the contract.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "services/identity/token.h"

namespace switchyard::identity {

absl::Status TokenNotFound(const TokenId& id);
// The text shown is of no live token. Does not tell why.
absl::Status TokenUnknown();
absl::Status TokenNotLive(const TokenId& id);
absl::Status LastAdminToken(const TokenId& id);
absl::Status RequestIdReused(std::string_view request_id);
absl::Status TooManyTokens(std::size_t bound);

}  // namespace switchyard::identity

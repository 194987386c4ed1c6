#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/identity/identity.h"

namespace switchyard::identity {

// Makes a token without being asked over the network, for whoever has access to the database, and writes its text and a
// newline to `path`: mode 0600, whole or not at all, and never over a file that is there. ALREADY_EXISTS, reason
// FILE_EXISTS; FAILED_PRECONDITION, reason FILE_UNWRITABLE, in which case no token stays live.
absl::StatusOr<Token> IssueTokenToFile(Identity& identity, std::string_view name, Scopes scopes,
                                       std::optional<absl::Duration> lifetime, const std::string& path);

}  // namespace switchyard::identity

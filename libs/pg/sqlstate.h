// What Postgres says, as absl::Status: the code tells a caller what to do, the reason why, and metadata "sqlstate"
// keeps the original. Messages are the server's primary ones, never the detail, which quotes data.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::pg {

// Reasons that callers of libs/pg see.
inline constexpr std::string_view kDatabaseUnavailable = "DATABASE_UNAVAILABLE";
// The commit's answer was lost and nobody can tell any more whether it landed.
inline constexpr std::string_view kCommitUnknown = "COMMIT_UNKNOWN";
inline constexpr std::string_view kRetryTransaction = "RETRY_TRANSACTION";
inline constexpr std::string_view kStatementTimeout = "STATEMENT_TIMEOUT";
inline constexpr std::string_view kLockTimeout = "LOCK_TIMEOUT";
inline constexpr std::string_view kDatabaseResources = "DATABASE_RESOURCES";
inline constexpr std::string_view kInvalidData = "INVALID_DATA";
inline constexpr std::string_view kConstraintViolated = "CONSTRAINT_VIOLATED";
inline constexpr std::string_view kStatementFailed = "STATEMENT_FAILED";

// UNAVAILABLE for lost connections and a server that starts, stops or is read-only; ABORTED for 40001 and 40P01;
// DEADLINE_EXCEEDED for a cancelled statement; RESOURCE_EXHAUSTED for memory and disk; INVALID_ARGUMENT for class 22;
// ALREADY_EXISTS for 23505, FAILED_PRECONDITION for the rest of class 23; INTERNAL for all else.
absl::Status FromSqlState(std::string_view sqlstate, std::string_view message, std::string_view constraint = {});
// UNAVAILABLE, reason DATABASE_UNAVAILABLE.
absl::Status DatabaseUnavailable(std::string_view message);

// "" when the failure did not come from the database.
std::string SqlStateOf(const absl::Status& status);
// The data of some operation is at fault, not the transaction: class 22 or 23.
bool IsBadData(const absl::Status& status);
// The same transaction may succeed when run again: 40001, 40P01 and plans that a migration made stale.
bool IsRetryTransaction(const absl::Status& status);

}  // namespace switchyard::pg

#include "libs/pg/sqlstate.h"

#include <utility>

#include "libs/base/status.h"

namespace switchyard::pg {
namespace {

struct Mapping {
  absl::StatusCode code;
  std::string_view reason;
};

Mapping Map(std::string_view sqlstate) {
  const std::string_view group = sqlstate.substr(0, 2);
  if (sqlstate == "40001" || sqlstate == "40P01") return {absl::StatusCode::kAborted, kRetryTransaction};
  if (sqlstate == "57014") return {absl::StatusCode::kDeadlineExceeded, kStatementTimeout};
  if (sqlstate == "55P03") return {absl::StatusCode::kUnavailable, kLockTimeout};
  // 25006: a standby that was not promoted yet; 25P03: the server ended an idle transaction with its session.
  if (group == "08" || group == "57" || sqlstate == "53300" || sqlstate == "25006" || sqlstate == "25P03") {
    return {absl::StatusCode::kUnavailable, kDatabaseUnavailable};
  }
  if (group == "53") return {absl::StatusCode::kResourceExhausted, kDatabaseResources};
  if (sqlstate == "23505") return {absl::StatusCode::kAlreadyExists, kConstraintViolated};
  if (group == "23") return {absl::StatusCode::kFailedPrecondition, kConstraintViolated};
  if (group == "22") return {absl::StatusCode::kInvalidArgument, kInvalidData};
  return {absl::StatusCode::kInternal, kStatementFailed};
}

}  // namespace

absl::Status FromSqlState(std::string_view sqlstate, std::string_view message, std::string_view constraint) {
  const Mapping mapping = Map(sqlstate);
  ErrorDetails details{.reason = std::string(mapping.reason)};
  details.metadata.emplace_back("sqlstate", sqlstate);
  if (!constraint.empty()) details.metadata.emplace_back("constraint", constraint);
  return MakeError(mapping.code, message, std::move(details));
}

absl::Status DatabaseUnavailable(std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, kDatabaseUnavailable, message);
}

std::string SqlStateOf(const absl::Status& status) {
  if (status.ok()) return "";
  for (const auto& [name, value] : DetailsOf(status).metadata) {
    if (name == "sqlstate") return value;
  }
  return "";
}

bool IsBadData(const absl::Status& status) {
  const std::string sqlstate = SqlStateOf(status);
  return sqlstate.starts_with("22") || sqlstate.starts_with("23");
}

bool IsRetryTransaction(const absl::Status& status) {
  return status.code() == absl::StatusCode::kAborted && ReasonOf(status) == kRetryTransaction;
}

}  // namespace switchyard::pg

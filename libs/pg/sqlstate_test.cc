#include "libs/pg/sqlstate.h"

#include <string>

#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace switchyard::pg {
namespace {

struct Case {
  std::string sqlstate;
  absl::StatusCode code;
  std::string_view reason;
};

class SqlStateTest : public ::testing::TestWithParam<Case> {};

TEST_P(SqlStateTest, TellsTheCallerWhatToDo) {
  const absl::Status status = FromSqlState(GetParam().sqlstate, "what the server said");
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_EQ(ReasonOf(status), GetParam().reason);
  EXPECT_EQ(SqlStateOf(status), GetParam().sqlstate);
}

INSTANTIATE_TEST_SUITE_P(Codes, SqlStateTest,
                         ::testing::Values(Case{"08006", absl::StatusCode::kUnavailable, kDatabaseUnavailable},
                                           Case{"57P01", absl::StatusCode::kUnavailable, kDatabaseUnavailable},
                                           Case{"57P03", absl::StatusCode::kUnavailable, kDatabaseUnavailable},
                                           Case{"53300", absl::StatusCode::kUnavailable, kDatabaseUnavailable},
                                           Case{"25006", absl::StatusCode::kUnavailable, kDatabaseUnavailable},
                                           Case{"55P03", absl::StatusCode::kUnavailable, kLockTimeout},
                                           Case{"40001", absl::StatusCode::kAborted, kRetryTransaction},
                                           Case{"40P01", absl::StatusCode::kAborted, kRetryTransaction},
                                           Case{"57014", absl::StatusCode::kDeadlineExceeded, kStatementTimeout},
                                           Case{"53100", absl::StatusCode::kResourceExhausted, kDatabaseResources},
                                           Case{"22021", absl::StatusCode::kInvalidArgument, kInvalidData},
                                           Case{"23505", absl::StatusCode::kAlreadyExists, kConstraintViolated},
                                           Case{"23503", absl::StatusCode::kFailedPrecondition, kConstraintViolated},
                                           Case{"42P01", absl::StatusCode::kInternal, kStatementFailed}),
                         [](const auto& info) { return info.param.sqlstate; });

TEST(SqlStateTest, OnlyClasses22And23AreBadData) {
  EXPECT_TRUE(IsBadData(FromSqlState("22P02", "")));
  EXPECT_TRUE(IsBadData(FromSqlState("23514", "")));
  EXPECT_FALSE(IsBadData(FromSqlState("40001", "")));
  EXPECT_FALSE(IsBadData(absl::InvalidArgumentError("not from the database")));
  EXPECT_FALSE(IsBadData(absl::OkStatus()));
}

}  // namespace
}  // namespace switchyard::pg

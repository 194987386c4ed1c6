#include "libs/testing/status_matchers.h"

#include <memory>
#include <string>
#include <vector>

namespace switchyard::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<int> Three() { return 3; }
absl::Status Stale() { return MakeError(absl::StatusCode::kFailedPrecondition, "STALE_GENERATION", "too old"); }
absl::StatusOr<int> StaleInt() { return Stale(); }

TEST(StatusMatchersTest, TellSuccessFromFailure) {
  SY_EXPECT_OK(absl::OkStatus());
  SY_EXPECT_OK(Three());
  EXPECT_THAT(Stale(), Not(IsOk()));
  EXPECT_THAT(StaleInt(), Not(IsOk()));
}

TEST(StatusMatchersTest, LookAtTheValueHeld) {
  EXPECT_THAT(Three(), IsOkAndHolds(3));
  EXPECT_THAT(Three(), IsOkAndHolds(Gt(2)));
  EXPECT_THAT(Three(), Not(IsOkAndHolds(4)));
  EXPECT_THAT(StaleInt(), Not(IsOkAndHolds(3)));
  EXPECT_THAT(absl::StatusOr<std::vector<int>>(std::vector<int>{1, 2}), IsOkAndHolds(ElementsAre(1, 2)));
  EXPECT_THAT(absl::StatusOr<std::string>("abc"), IsOkAndHolds("abc"));
}

TEST(StatusMatchersTest, LookAtCodeMessageAndReason) {
  EXPECT_THAT(Stale(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Stale(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("old")));
  EXPECT_THAT(Stale(), Not(StatusIs(absl::StatusCode::kFailedPrecondition, "other")));
  EXPECT_THAT(StaleInt(), Not(StatusIs(absl::StatusCode::kNotFound)));
  EXPECT_THAT(StaleInt(), IsError("STALE_GENERATION"));
  EXPECT_THAT(Stale(), Not(IsError("OTHER")));
  EXPECT_THAT(absl::OkStatus(), Not(IsError("")));
}

TEST(StatusMatchersTest, AssignMovesTheValueOut) {
  SY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<int> value,
                          absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(7)));
  EXPECT_EQ(*value, 7);
}

}  // namespace
}  // namespace switchyard::testing

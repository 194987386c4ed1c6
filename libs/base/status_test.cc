#include "libs/base/status.h"

#include "gtest/gtest.h"
#include "libs/base/status_macros.h"
#include "libs/testing/status_matchers.h"

namespace switchyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsError;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Pair;
using testing::StatusIs;

TEST(StatusTest, DetailsComeBack) {
  const absl::Status status = MakeError(absl::StatusCode::kResourceExhausted, "queue is full",
                                        {.reason = "QUEUE_FULL",
                                         .metadata = {{"limit", "10"}, {"odd", std::string("a\0b", 3)}},
                                         .violations = {{.field = "tasks[3].spec", .description = "too much"}},
                                         .retry_after = absl::Milliseconds(1500)});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "queue is full"));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "QUEUE_FULL");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("limit", "10"), Pair("odd", std::string("a\0b", 3))));
  EXPECT_THAT(details.violations, ElementsAre(FieldViolation{"tasks[3].spec", "too much"}));
  EXPECT_EQ(details.retry_after, absl::Milliseconds(1500));
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
}

TEST(StatusTest, OtherStatusesHaveNoDetails) {
  EXPECT_EQ(ReasonOf(absl::NotFoundError("x")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_THAT(DetailsOf(absl::NotFoundError("x")).metadata, IsEmpty());
}

TEST(StatusTest, AnErrorIsNeverOk) { EXPECT_THAT(MakeError(absl::StatusCode::kOk, "R", "m"), IsError("R")); }

TEST(StatusTest, InvalidFieldsNamesThemAll) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 7; ++i) violations.push_back({"f" + std::to_string(i), "bad"});
  const absl::Status status = InvalidFields(violations);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f0: bad; f1: bad")));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("and 2 more")));
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  EXPECT_EQ(DetailsOf(status).violations, violations);
}

TEST(StatusTest, AnnotateKeepsCodeAndDetails) {
  const absl::Status status = Annotate(MakeError(absl::StatusCode::kAborted, "R", "inner"), "outer");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, "outer: inner"));
  EXPECT_THAT(status, IsError("R"));
  EXPECT_THAT(Annotate(absl::OkStatus(), "outer"), IsOk());
}

absl::StatusOr<int> Doubled(absl::StatusOr<int> input) {
  SY_ASSIGN_OR_RETURN(const int value, input);
  SY_RETURN_IF_ERROR(value > 100 ? absl::OutOfRangeError("big") : absl::OkStatus());
  return 2 * value;
}

TEST(StatusMacrosTest, ReturnTheFirstFailure) {
  EXPECT_THAT(Doubled(4), IsOkAndHolds(8));
  EXPECT_THAT(Doubled(absl::NotFoundError("x")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Doubled(101), StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace switchyard

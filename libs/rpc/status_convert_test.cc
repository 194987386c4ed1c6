#include "libs/rpc/status_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST(StatusConvertTest, CarriesEverythingThereAndBack) {
  const absl::Status sent = MakeError(absl::StatusCode::kFailedPrecondition, "too late",
                                      {.reason = "STALE_GENERATION",
                                       .metadata = {{"expected", "3"}, {"got", "2"}},
                                       .violations = {{"tasks[0].generation", "is stale"}},
                                       .retry_after = absl::Milliseconds(1500)});
  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent, "switchyard.task_queue"));
  EXPECT_THAT(received, StatusIs(absl::StatusCode::kFailedPrecondition, "too late"));
  const ErrorDetails details = DetailsOf(received);
  EXPECT_EQ(details.reason, "STALE_GENERATION");
  EXPECT_THAT(details.metadata, ElementsAre(Pair("expected", "3"), Pair("got", "2")));
  EXPECT_THAT(details.violations, ElementsAre(FieldViolation{"tasks[0].generation", "is stale"}));
  EXPECT_EQ(details.retry_after, absl::Milliseconds(1500));
}

TEST(StatusConvertTest, AFailureHasExactlyOneErrorInfoWithTheDomain) {
  for (const absl::Status& status : {MakeError(absl::StatusCode::kNotFound, "TASK_UNKNOWN", "no such task"),
                                     absl::Status(absl::InternalError("plain"))}) {
    google::rpc::Status wire;
    ASSERT_TRUE(wire.ParseFromString(ToGrpcStatus(status, "switchyard.task_queue").error_details()));
    ASSERT_EQ(wire.details_size(), 1);
    google::rpc::ErrorInfo info;
    ASSERT_TRUE(wire.details(0).UnpackTo(&info));
    EXPECT_EQ(info.domain(), "switchyard.task_queue");
    EXPECT_FALSE(info.reason().empty());
    EXPECT_EQ(wire.code(), static_cast<int>(status.code()));
  }
}

TEST(StatusConvertTest, AStatusWithoutReasonTakesTheNameOfItsCode) {
  EXPECT_THAT(FromGrpcStatus(ToGrpcStatus(absl::InternalError("x"), "d")), IsError("INTERNAL"));
}

TEST(StatusConvertTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus(), "d").ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status()).ok());
}

TEST(StatusConvertTest, ForeignStatusesKeepCodeAndMessage) {
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused")),
              StatusIs(absl::StatusCode::kUnavailable, "connection refused"));
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "odd", "not a proto \xff")),
              StatusIs(absl::StatusCode::kUnavailable, "odd"));
}

TEST(StatusConvertTest, AHundredThousandViolationsFitIntoTheMetadataLimitAndAreCounted) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 100'000; ++i) violations.push_back({"spec.metadata[" + std::to_string(i) + "]", "too many"});
  const grpc::Status wire = ToGrpcStatus(InvalidFields(std::move(violations)), "d");
  EXPECT_LT(wire.error_details().size() * 4 / 3 + wire.error_message().size(), 7'500u);
  const ErrorDetails details = DetailsOf(FromGrpcStatus(wire));
  ASSERT_EQ(details.metadata.size(), 1u);
  EXPECT_EQ(details.metadata[0].first, "violations_omitted");
  EXPECT_EQ(std::stoul(details.metadata[0].second) + details.violations.size(), 100'000u);
}

TEST(StatusConvertTest, LongAndBrokenTextIsCutAndRepaired) {
  const absl::Status status =
      MakeError(absl::StatusCode::kInternal, std::string(900, 'a') + "\xff" + std::string(100'000, 'b'),
                {.reason = "R", .metadata = {{"k", std::string(10'000, 'v')}}, .violations = {}, .retry_after = {}});
  const grpc::Status wire = ToGrpcStatus(status, "d");
  EXPECT_LE(wire.error_message().size(), 1024u);
  EXPECT_THAT(wire.error_message(), HasSubstr("\xEF\xBF\xBD"));
  EXPECT_LT(wire.error_details().size(), 3'600u);
}

TEST(StatusConvertTest, SecretsDoNotLeaveInMessages) {
  const grpc::Status wire = ToGrpcStatus(absl::InternalError("cannot connect: password=hunter22 host=db"), "d");
  EXPECT_THAT(wire.error_message(), Not(HasSubstr("hunter22")));
  EXPECT_THAT(wire.error_details(), Not(HasSubstr("hunter22")));
}

}  // namespace
}  // namespace switchyard::rpc

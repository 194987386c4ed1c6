#include "services/executor/reconnect.h"

#include <string>

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"

namespace switchyard::executor {
namespace {

StreamEnd Lost(bool welcomed) { return {.status = absl::UnavailableError("connection refused"), .welcomed = welcomed}; }

StreamEnd Refused(absl::StatusCode code, const std::string& reason) {
  return {.status = MakeError(code, reason, "no")};
}

class ReconnectTest : public ::testing::Test {
 protected:
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
};

TEST_F(ReconnectTest, PausesGrowWithJitterToTheirBound) {
  Reconnect reconnect(1, *rng_);
  for (const double full : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0}) {
    const NextTry next = reconnect.After(Lost(false));
    EXPECT_FALSE(next.stop);
    EXPECT_GE(next.wait, absl::Seconds(full / 2));
    EXPECT_LE(next.wait, absl::Seconds(full));
  }
  for (int i = 0; i < 1'000; ++i) EXPECT_LE(reconnect.After(Lost(false)).wait, absl::Seconds(30));
}

TEST_F(ReconnectTest, AfterAStreamThatStoodItIsQuickAgain) {
  Reconnect reconnect(1, *rng_);
  for (int i = 0; i < 10; ++i) reconnect.After(Lost(false));
  EXPECT_LE(reconnect.After(Lost(true)).wait, absl::Seconds(1));
  EXPECT_LE(reconnect.After(Lost(false)).wait, absl::Milliseconds(500));
}

TEST_F(ReconnectTest, EachAddressGetsItsTurnBeforeThePauseGrows) {
  Reconnect reconnect(3, *rng_);
  std::size_t expected = reconnect.first_address();
  for (int i = 0; i < 3; ++i) {
    const NextTry next = reconnect.After(Lost(false));
    expected = (expected + 1) % 3;
    EXPECT_EQ(next.address, expected);
    EXPECT_LE(next.wait, absl::Milliseconds(500));
  }
  EXPECT_GE(reconnect.After(Lost(false)).wait, absl::Milliseconds(500));
}

TEST_F(ReconnectTest, ARefusedTokenStopsAndSaysWhatToDo) {
  for (const StreamEnd& end : {Refused(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID"),
                               Refused(absl::StatusCode::kPermissionDenied, "SCOPE_MISSING"),
                               Refused(absl::StatusCode::kPermissionDenied, "AGENT_REMOVED"),
                               Refused(absl::StatusCode::kFailedPrecondition, "VERSION_UNSUPPORTED")}) {
    const NextTry next = Reconnect(1, *rng_).After(end);
    EXPECT_TRUE(next.stop);
    EXPECT_NE(next.advice, "");
  }
  EXPECT_TRUE(Reconnect(1, *rng_).After({.permanent = true}).stop);
}

TEST_F(ReconnectTest, TheHubsWishForAPauseIsHeeded) {
  Reconnect reconnect(1, *rng_);
  StreamEnd end = Lost(true);
  end.retry_after = absl::Seconds(7);
  const NextTry next = reconnect.After(end);
  EXPECT_GE(next.wait, absl::Seconds(7));
  EXPECT_LE(next.wait, absl::Seconds(9));
  const absl::Status penalised =
      MakeError(absl::StatusCode::kUnavailable, "no", {.reason = "AGENT_PENALIZED", .retry_after = absl::Seconds(40)});
  EXPECT_GE(reconnect.After({.status = penalised}).wait, absl::Seconds(40));
}

TEST_F(ReconnectTest, TwoProcessesWithOneTokenDoNotChaseEachOther) {
  StreamEnd end = Refused(absl::StatusCode::kAborted, "SESSION_SUPERSEDED");
  end.welcomed = true;
  EXPECT_GE(Reconnect(1, *rng_).After(end).wait, absl::Seconds(30));
}

}  // namespace
}  // namespace switchyard::executor

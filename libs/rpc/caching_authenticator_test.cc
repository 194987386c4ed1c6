#include "libs/rpc/caching_authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;

// Keeps questions until the test answers them.
class AskedAuthenticator final : public Authenticator {
 public:
  void Authenticate(std::string_view token, Answer answer) override {
    tokens.emplace_back(token);
    waiting.push_back(std::move(answer));
  }
  void AnswerAll(const Result& result) {
    for (Answer& answer : std::exchange(waiting, {})) answer(result);
  }
  std::vector<std::string> tokens;
  std::vector<Answer> waiting;
};

Authenticator::Result Known(absl::Time expire_time = absl::InfiniteFuture()) {
  return std::make_shared<const Principal>(
      Principal{.id = "p", .name = "P", .scopes = {options::v1::SCOPE_READ}, .expire_time = expire_time});
}

class CachingAuthenticatorTest : public ::testing::Test {
 protected:
  void Ask(std::string_view token = "t") {
    cache_.Authenticate(token, [this](Authenticator::Result result) { results_.push_back(std::move(result)); });
  }

  FakeClock clock_;
  AskedAuthenticator backend_;
  CachingAuthenticator cache_{backend_, clock_, {.max_entries = 3, .max_waiting = 4}};
  std::vector<Authenticator::Result> results_;
};

TEST_F(CachingAuthenticatorTest, RemembersAPrincipalForThirtySeconds) {
  Ask();
  backend_.AnswerAll(Known());
  clock_.Advance(absl::Seconds(19));
  ASSERT_NE(cache_.Cached("t"), nullptr);
  EXPECT_EQ(cache_.Cached("t")->id, "p");
  EXPECT_EQ(cache_.Cached("other"), nullptr);
  clock_.Advance(absl::Seconds(11));
  EXPECT_EQ(cache_.Cached("t"), nullptr);
  EXPECT_EQ(backend_.tokens.size(), 1u);
}

TEST_F(CachingAuthenticatorTest, CountsTheTimeFromTheQuestionNotFromTheAnswer) {
  Ask();
  clock_.Advance(absl::Seconds(29));
  backend_.AnswerAll(Known());
  EXPECT_NE(cache_.Cached("t"), nullptr);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(cache_.Cached("t"), nullptr);
}

TEST_F(CachingAuthenticatorTest, AsksAgainInTheBackgroundBeforeAnAnswerIsTooOld) {
  Ask();
  backend_.AnswerAll(Known());
  clock_.Advance(absl::Seconds(25));
  EXPECT_NE(cache_.Cached("t"), nullptr);
  EXPECT_NE(cache_.Cached("t"), nullptr);
  ASSERT_EQ(backend_.waiting.size(), 1u);
  backend_.AnswerAll(Known());
  clock_.Advance(absl::Seconds(25));
  EXPECT_NE(cache_.Cached("t"), nullptr);
}

TEST_F(CachingAuthenticatorTest, ARevocationShowsWithTheNextQuestion) {
  Ask();
  backend_.AnswerAll(Known());
  clock_.Advance(absl::Seconds(25));
  EXPECT_NE(cache_.Cached("t"), nullptr);
  backend_.AnswerAll(TokenInvalid());
  EXPECT_EQ(cache_.Cached("t"), nullptr);
  Ask();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_THAT(results_[1], IsError("TOKEN_INVALID"));
}

TEST_F(CachingAuthenticatorTest, RemembersARefusalForFiveSeconds) {
  Ask();
  backend_.AnswerAll(TokenInvalid());
  clock_.Advance(absl::Seconds(4));
  Ask();
  EXPECT_EQ(backend_.tokens.size(), 1u);
  clock_.Advance(absl::Seconds(1));
  Ask();
  EXPECT_EQ(backend_.tokens.size(), 2u);
}

TEST_F(CachingAuthenticatorTest, AsksOnceForConcurrentCalls) {
  Ask();
  Ask();
  Ask("u");
  EXPECT_EQ(backend_.tokens, (std::vector<std::string>{"t", "u"}));
  backend_.AnswerAll(Known());
  EXPECT_EQ(results_.size(), 3u);
}

TEST_F(CachingAuthenticatorTest, SaysUnavailableWhenTheBackendIsAwayAndDoesNotRememberIt) {
  Ask();
  backend_.AnswerAll(absl::DeadlineExceededError("slow"));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_THAT(results_[0], IsError("IDENTITY_UNAVAILABLE"));
  EXPECT_EQ(results_[0].status().code(), absl::StatusCode::kUnavailable);
  Ask();
  EXPECT_EQ(backend_.tokens.size(), 2u);
}

TEST_F(CachingAuthenticatorTest, AFailedRefreshLeavesTheAnswerUntilItsEndAndNotLonger) {
  Ask();
  backend_.AnswerAll(Known());
  clock_.Advance(absl::Seconds(25));
  EXPECT_NE(cache_.Cached("t"), nullptr);
  backend_.AnswerAll(absl::UnavailableError("away"));
  EXPECT_NE(cache_.Cached("t"), nullptr);
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(cache_.Cached("t"), nullptr);
}

TEST_F(CachingAuthenticatorTest, DoesNotOutliveTheTokenItself) {
  Ask();
  backend_.AnswerAll(Known(clock_.Now() + absl::Seconds(3)));
  clock_.Advance(absl::Seconds(3));
  EXPECT_EQ(cache_.Cached("t"), nullptr);
}

TEST_F(CachingAuthenticatorTest, ForgetsTheLeastRecentlyUsed) {
  for (const char* token : {"a", "b", "c"}) Ask(token);
  backend_.AnswerAll(Known());
  EXPECT_NE(cache_.Cached("a"), nullptr);
  Ask("d");
  backend_.AnswerAll(Known());
  EXPECT_EQ(cache_.size(), 3u);
  EXPECT_EQ(cache_.Cached("b"), nullptr);
  EXPECT_NE(cache_.Cached("a"), nullptr);
}

TEST_F(CachingAuthenticatorTest, BoundsTheCallsThatWait) {
  for (int i = 0; i < 6; ++i) Ask();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_THAT(results_[0], IsError("IDENTITY_UNAVAILABLE"));
}

TEST_F(CachingAuthenticatorTest, AskedAnewItTakesNoAnswerFromBefore) {
  Ask();
  backend_.AnswerAll(Known());
  const auto note = [this](Authenticator::Result result) { results_.push_back(std::move(result)); };
  // Many streams of one token are rechecked at once.
  cache_.AuthenticateAnew("t", note);
  EXPECT_EQ(backend_.tokens.size(), 1u);
  clock_.Advance(absl::Seconds(2));
  cache_.AuthenticateAnew("t", note);
  cache_.AuthenticateAnew("t", note);
  EXPECT_EQ(backend_.tokens.size(), 2u);
  backend_.AnswerAll(TokenInvalid());
  ASSERT_EQ(results_.size(), 4u);
  EXPECT_THAT(results_[2], IsError("TOKEN_INVALID"));
  EXPECT_THAT(results_[3], IsError("TOKEN_INVALID"));
  EXPECT_EQ(cache_.Cached("t"), nullptr);
}

TEST_F(CachingAuthenticatorTest, ClearingAlsoVoidsAnswersUnderWay) {
  Ask();
  cache_.Clear();
  backend_.AnswerAll(Known());
  EXPECT_EQ(results_.size(), 1u);
  EXPECT_EQ(cache_.Cached("t"), nullptr);
}

TEST(ScopeSetTest, AdminImpliesSubmitAndReadAndNothingImpliesServiceOrAgent) {
  const ScopeSet admin{options::v1::SCOPE_ADMIN};
  EXPECT_TRUE(admin.Allows(options::v1::SCOPE_SUBMIT));
  EXPECT_TRUE(admin.Allows(options::v1::SCOPE_READ));
  EXPECT_FALSE(admin.Allows(options::v1::SCOPE_SERVICE));
  EXPECT_FALSE(admin.Allows(options::v1::SCOPE_AGENT));
  const ScopeSet submit{options::v1::SCOPE_SUBMIT};
  EXPECT_TRUE(submit.Allows(options::v1::SCOPE_READ));
  EXPECT_FALSE(submit.Allows(options::v1::SCOPE_ADMIN));
  EXPECT_FALSE(ScopeSet{options::v1::SCOPE_READ}.Allows(options::v1::SCOPE_SUBMIT));
  EXPECT_TRUE(ScopeSet{}.Allows(options::v1::SCOPE_NONE));
  EXPECT_FALSE(admin.Allows(options::v1::SCOPE_UNSPECIFIED));
}

}  // namespace
}  // namespace switchyard::rpc

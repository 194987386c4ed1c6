#include "libs/forge/answer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::forge {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;
using text::Json;

const std::string kHead(40, 'a');

http::HttpOutcome Answered(int status, std::string body, http::HttpHeaders headers = {}) {
  http::HttpOutcome outcome;
  outcome.head = {.status = status, .headers = std::move(headers)};
  outcome.body = std::move(body);
  return outcome;
}

absl::Status Said(int status, std::string body = "{}", Question question = Question::kRead,
                  http::HttpHeaders headers = {}) {
  return StatusOf(Answered(status, std::move(body), std::move(headers)), question, "hunter2", absl::UnixEpoch());
}

Json Pull() {
  return {{"number", 7},
          {"html_url", "https://github.com/acme/widget/pull/7"},
          {"state", "open"},
          {"title", "t"},
          {"body", "b"},
          {"head", {{"ref", "agent/1"}, {"sha", kHead}, {"repo", {{"full_name", "Acme/widget"}}}}},
          {"base", {{"ref", "main"}, {"sha", std::string(40, 'b')}, {"repo", {{"full_name", "acme/widget"}}}}},
          {"mergeable", nullptr}};
}

TEST(ForgeAnswerTest, EveryStatusHasItsOwnReason) {
  EXPECT_THAT(Said(200), IsOk());
  EXPECT_THAT(Said(201), IsOk());
  EXPECT_THAT(Said(401), IsError("FORGE_UNAUTHORIZED"));
  EXPECT_THAT(Said(403), IsError("FORGE_UNAUTHORIZED"));
  EXPECT_THAT(Said(404), IsError("FORGE_NOT_FOUND"));
  EXPECT_THAT(Said(405, "{}", Question::kMerge), IsError("FORGE_REFUSED"));
  EXPECT_THAT(Said(409, "{}", Question::kMerge), IsError("FORGE_CONFLICT"));
  EXPECT_THAT(Said(409, "{}", Question::kOpen), IsError("FORGE_ALREADY_EXISTS"));
  EXPECT_THAT(Said(409), IsError("FORGE_REFUSED"));
  EXPECT_THAT(Said(422, "{}", Question::kOpen), IsError("FORGE_REFUSED"));
  EXPECT_THAT(Said(423), IsError("FORGE_REFUSED"));
  EXPECT_THAT(Said(301), IsError("FORGE_REDIRECTED"));
  EXPECT_THAT(Said(307, "{}", Question::kOpen), IsError("FORGE_REDIRECTED"));
  EXPECT_THAT(Said(500), IsError("FORGE_UNAVAILABLE"));
  EXPECT_THAT(Said(503), IsError("FORGE_UNAVAILABLE"));
  EXPECT_THAT(Said(102), IsError("FORGE_MALFORMED"));
}

TEST(ForgeAnswerTest, ThatItExistsAlreadyIsToldByTheWordsOfTheErrors) {
  const std::string body =
      R"({"message": "Validation Failed", "errors": [{"message": "A pull request already exists for acme:agent/1."}]})";
  EXPECT_THAT(Said(422, body, Question::kOpen), IsError("FORGE_ALREADY_EXISTS"));
  EXPECT_THAT(Said(422, body, Question::kUpdate), IsError("FORGE_REFUSED"));
}

TEST(ForgeAnswerTest, ARateLimitIsNoRefusalAndSaysHowLong) {
  const absl::Status plain = Said(429, "{}", Question::kRead, {{"Retry-After", "17"}});
  EXPECT_THAT(plain, IsError("FORGE_RATE_LIMITED"));
  EXPECT_EQ(DetailsOf(plain).retry_after, absl::Seconds(17));
  const absl::Status used_up =
      Said(403, "{}", Question::kRead, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "90"}});
  EXPECT_THAT(used_up, IsError("FORGE_RATE_LIMITED"));
  EXPECT_EQ(DetailsOf(used_up).retry_after, absl::Seconds(90));
  EXPECT_THAT(Said(403, R"({"message": "You have exceeded a secondary rate limit"})"), IsError("FORGE_RATE_LIMITED"));
  EXPECT_THAT(Said(403, "{}", Question::kRead, {{"X-RateLimit-Remaining", "12"}}), IsError("FORGE_UNAUTHORIZED"));
  const absl::Status far =
      Said(429, "{}", Question::kRead, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "99999999999999"}});
  EXPECT_LE(DetailsOf(far).retry_after, absl::Hours(2));
}

TEST(ForgeAnswerTest, NoAnswerIsUnavailableAndABrokenOneIsMalformed) {
  const auto failed = [](http::HttpFailure failure) {
    http::HttpOutcome outcome;
    outcome.failure = failure;
    return StatusOf(outcome, Question::kRead, "", absl::UnixEpoch());
  };
  for (const http::HttpFailure failure :
       {http::HttpFailure::kRefused, http::HttpFailure::kReset, http::HttpFailure::kTruncated, http::HttpFailure::kTls,
        http::HttpFailure::kTotalTimeout, http::HttpFailure::kCancelled}) {
    EXPECT_THAT(failed(failure), IsError("FORGE_UNAVAILABLE"));
  }
  EXPECT_THAT(failed(http::HttpFailure::kTooLarge), IsError("FORGE_MALFORMED"));
  EXPECT_THAT(failed(http::HttpFailure::kProtocol), IsError("FORGE_MALFORMED"));
}

TEST(ForgeAnswerTest, TheForgesWordsAreShownWithoutSecretsAndOnOneLine) {
  const absl::Status said = Said(
      401,
      R"({"message": "no: hunter2\nghp_0123456789012345678901234567890123456789 \u001b[31m \u202e", "errors": ["x"]})");
  const std::string message(said.message());
  EXPECT_THAT(message, HasSubstr("the forge answered 401: no: "));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(message, Not(HasSubstr("ghp_")));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  EXPECT_THAT(message, Not(HasSubstr("\x1b")));
  EXPECT_LT(std::string(Said(500, R"({"message": ")" + std::string(5000, 'x') + "\"}").message()).size(), 400u);
}

TEST(ForgeAnswerTest, APullRequestIsReadInBothManners) {
  const absl::StatusOr<PullRequest> pull = PullRequestOf(Pull());
  ASSERT_THAT(pull, IsOk());
  EXPECT_EQ(pull->number, 7);
  EXPECT_EQ(pull->state, PullRequestState::kOpen);
  EXPECT_EQ(pull->head_branch, "agent/1");
  EXPECT_EQ(pull->head_commit, kHead);
  EXPECT_EQ(pull->base_branch, "main");
  EXPECT_FALSE(pull->from_fork);
  EXPECT_FALSE(pull->mergeable.has_value());

  Json merged = Pull();
  merged["state"] = "closed";
  EXPECT_EQ(PullRequestOf(merged)->state, PullRequestState::kClosed);
  merged["merged"] = true;
  EXPECT_EQ(PullRequestOf(merged)->state, PullRequestState::kMerged);
  merged["merged"] = nullptr;
  merged["merged_at"] = "2030-01-01T00:00:00Z";
  EXPECT_EQ(PullRequestOf(merged)->state, PullRequestState::kMerged);
  // Its branch is gone.
  merged["head"]["ref"] = "refs/pull/7/head";
  merged["head"]["label"] = "agent/1";
  EXPECT_EQ(PullRequestOf(merged)->head_branch, "agent/1");
}

TEST(ForgeAnswerTest, WhatIsNoPullRequestIsMalformed) {
  EXPECT_THAT(PullRequestOf(Json::array()), IsError("FORGE_MALFORMED"));
  EXPECT_THAT(PullRequestsOf(Json::object()), IsError("FORGE_MALFORMED"));
  for (const char* name : {"number", "state", "head", "base"}) {
    Json pull = Pull();
    pull.erase(name);
    EXPECT_THAT(PullRequestOf(pull), IsError("FORGE_MALFORMED")) << name;
    pull[name] = "x";
    EXPECT_THAT(PullRequestsOf(Json::array({pull})), IsError("FORGE_MALFORMED")) << name;
  }
  Json pull = Pull();
  pull["head"]["sha"] = "main";
  EXPECT_THAT(PullRequestOf(pull), IsError("FORGE_MALFORMED"));
  pull = Pull();
  pull["number"] = -1;
  EXPECT_THAT(PullRequestOf(pull), IsError("FORGE_MALFORMED"));
  pull = Pull();
  pull["html_url"] = "javascript:alert(1)";
  EXPECT_EQ(PullRequestOf(pull)->url, "");
}

TEST(ForgeAnswerTest, ABranchOfAForkIsNotTheTasksOwn) {
  Json fork = Pull();
  fork["number"] = 9;
  fork["head"]["repo"]["full_name"] = "mallory/widget";
  Json gone = Pull();
  gone["number"] = 10;
  gone["head"]["repo"] = nullptr;
  const absl::StatusOr<std::vector<PullRequest>> pulls = PullRequestsOf(Json::array({fork, gone, Pull()}));
  ASSERT_THAT(pulls, IsOk());
  std::optional<PullRequest> best;
  Prefer(*pulls, "agent/1", best);
  ASSERT_TRUE(best.has_value());
  EXPECT_EQ(best->number, 7);
}

TEST(ForgeAnswerTest, TheOpenOneCountsThenTheMergedThenTheNewestClosed) {
  const auto of = [](std::int64_t number, PullRequestState state) {
    PullRequest pull;
    pull.number = number;
    pull.state = state;
    pull.head_branch = "agent/1";
    return pull;
  };
  std::optional<PullRequest> best;
  Prefer({of(1, PullRequestState::kClosed), of(5, PullRequestState::kClosed)}, "agent/1", best);
  EXPECT_EQ(best->number, 5);
  Prefer({of(3, PullRequestState::kMerged), of(9, PullRequestState::kClosed)}, "agent/1", best);
  EXPECT_EQ(best->number, 3);
  Prefer({of(2, PullRequestState::kOpen)}, "agent/1", best);
  EXPECT_EQ(best->number, 2);
  Prefer({of(8, PullRequestState::kMerged)}, "agent/1", best);
  EXPECT_EQ(best->number, 2);
}

TEST(ForgeAnswerTest, AStatusIsNoBetterThanItsWorstPart) {
  EXPECT_EQ(*CommitStatusOf({{"state", "pending"}, {"total_count", 0}}), CommitStatus::kNone);
  EXPECT_EQ(*CommitStatusOf({{"state", ""}, {"total_count", 0}}), CommitStatus::kNone);
  EXPECT_EQ(*CommitStatusOf({{"state", "success"}, {"total_count", 2}}), CommitStatus::kSuccess);
  EXPECT_EQ(*CommitStatusOf({{"state", "warning"}, {"total_count", 2}}), CommitStatus::kFailure);
  EXPECT_THAT(CommitStatusOf(Json::array()), IsError("FORGE_MALFORMED"));

  const auto run = [](const char* status, const char* conclusion) {
    return Json{{"status", status}, {"conclusion", conclusion}};
  };
  const auto runs = [](Json list) { return Json{{"total_count", list.size()}, {"check_runs", list}}; };
  EXPECT_EQ(*CheckRunsOf(runs(Json::array())), CommitStatus::kNone);
  EXPECT_EQ(*CheckRunsOf(runs(Json::array({run("completed", "success"), run("completed", "skipped")}))),
            CommitStatus::kSuccess);
  EXPECT_EQ(*CheckRunsOf(runs(Json::array({run("completed", "success"), run("queued", "")}))), CommitStatus::kPending);
  EXPECT_EQ(*CheckRunsOf(runs(Json::array({run("queued", ""), run("completed", "timed_out")}))),
            CommitStatus::kFailure);
  EXPECT_EQ(*CheckRunsOf({{"total_count", 101}, {"check_runs", Json::array({run("completed", "success")})}}),
            CommitStatus::kPending);
}

TEST(ForgeAnswerTest, OnlyWhatMayGoBetterIsAskedAgainAndNotTooSoon) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(1);
  EXPECT_TRUE(MayRetry(Said(503)));
  EXPECT_TRUE(MayRetry(Said(429)));
  EXPECT_FALSE(MayRetry(Said(401)));
  EXPECT_FALSE(MayRetry(Said(404)));
  EXPECT_FALSE(MayRetry(Said(422)));
  EXPECT_FALSE(MayRetry(Said(301)));
  EXPECT_EQ(RetryDelay(Said(429, "{}", Question::kRead, {{"Retry-After", "40"}}), 1, *rng), absl::Seconds(40));
  for (int attempt = 1; attempt < 40; ++attempt) {
    const absl::Duration delay = RetryDelay(Said(503), attempt, *rng);
    EXPECT_GE(delay, absl::Milliseconds(500));
    EXPECT_LE(delay, absl::Seconds(30));
  }
}

// What the fuzz program checks, on inputs that are likely to mean something.
TEST(ForgeAnswerTest, RandomAnswersAndUrlsHoldTheirInvariants) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(20260101);
  const std::vector<std::string> words = {"https://",
                                          "ssh://",
                                          "git@",
                                          "file:///",
                                          "h",
                                          ":",
                                          "/",
                                          "..",
                                          "a/b",
                                          ".git",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "\"number\":7",
                                          ",",
                                          "\"message\":\"",
                                          "hunter2",
                                          "\"",
                                          "\"state\":\"open\"",
                                          "\\u202e",
                                          "\xff",
                                          Pull().dump()};
  for (int round = 0; round < 20000; ++round) {
    std::string input = {static_cast<char>(rng->Below(256)), static_cast<char>(rng->Below(256))};
    for (std::uint64_t left = rng->Below(12); left > 0; --left) input += words[rng->Below(words.size())];
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
}

}  // namespace
}  // namespace switchyard::forge

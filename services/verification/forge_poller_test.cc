#include "services/verification/forge_poller.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/forge/testing/fake_forge.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::verification {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeForge;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const std::string kHead(40, 'a');

struct FakeStore final : PullRequestStore {
  absl::StatusOr<std::vector<WatchedPullRequest>> ListWatched(const std::string& after, std::size_t limit) override {
    ++lists;
    SY_RETURN_IF_ERROR(failure);
    std::vector<WatchedPullRequest> page;
    for (const WatchedPullRequest& one : watched) {
      if (one.task_id > after && page.size() < limit) page.push_back(one);
    }
    return page;
  }
  absl::Status RecordOutcome(const WatchedPullRequest& one, PullRequestOutcome outcome,
                             const std::string& note) override {
    SY_RETURN_IF_ERROR(failure);
    outcomes.push_back(
        absl::StrCat(one.task_id, outcome == PullRequestOutcome::kMerged ? " merged " : " rejected ", note));
    watched.erase(std::remove_if(watched.begin(), watched.end(),
                                 [&](const WatchedPullRequest& other) { return other.task_id == one.task_id; }),
                  watched.end());
    return absl::OkStatus();
  }

  absl::StatusOr<bool> MayStillMerge(const WatchedPullRequest&) override {
    SY_RETURN_IF_ERROR(failure);
    return still;
  }

  bool still = true;
  int lists = 0;
  absl::Status failure;
  std::vector<WatchedPullRequest> watched;
  std::vector<std::string> outcomes;
};

class ForgePollerTest : public ::testing::Test {
 protected:
  // A pull request that may be merged, at the forge and in the store.
  std::int64_t Watch(const std::string& task) {
    forge::PullRequest pull;
    pull.head_branch = "agent/" + task;
    pull.head_commit = kHead;
    pull.base_branch = "main";
    pull.mergeable = true;
    const std::int64_t number = forge_.Add(pull);
    store_.watched.push_back({.task_id = task,
                              .generation = 1,
                              .repository = "https://forge.test/acme/widget",
                              .number = number,
                              .head_commit = kHead,
                              .base_branch = "main",
                              .paths = {"docs/a.md"},
                              .files_changed = 1,
                              .lines_added = 5,
                              .auto_merge = true,
                              .eligible = true});
    forge_.SetFiles({{.path = "docs/a.md", .former_path = {}, .additions = 5}});
    return number;
  }
  ForgePoller& Poller(bool allow_auto_merge = true, std::size_t page = 100,
                      absl::Duration patience = absl::Minutes(1)) {
    poller_ = std::make_unique<ForgePoller>(
        store_,
        [this](std::string_view url) -> absl::StatusOr<forge::Place> {
          if (url != "https://forge.test/acme/widget") {
            return MakeError(absl::StatusCode::kFailedPrecondition, "FORGE_NOT_CONFIGURED", "none");
          }
          return forge::Place{.forge = &forge_, .repository = {.owner = "acme", .name = "widget"}};
        },
        ForgePollerOptions{.allow_auto_merge = allow_auto_merge, .page = page, .patience = patience}, clock_);
    return *poller_;
  }

  FakeClock clock_;
  FakeForge forge_{FakeForge::Mode::kInline};
  FakeStore store_;
  std::unique_ptr<ForgePoller> poller_;
};

TEST_F(ForgePollerTest, WhatBecameOfPullRequestsIsRecordedOnce) {
  const std::int64_t merged = Watch("a");
  const std::int64_t closed = Watch("b");
  Watch("c");
  forge_.Change(merged, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kMerged; });
  forge_.Change(closed, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kClosed; });
  ForgePoller& poller = Poller(/*allow_auto_merge=*/false);
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, ElementsAre("a merged acme/widget#1", "b rejected acme/widget#2"));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, SizeIs(2));
  EXPECT_EQ(forge_.CountOf("merge"), 0);
  EXPECT_EQ(forge_.CountOf("get"), 4);
}

TEST_F(ForgePollerTest, WhatAllRulesAllowIsMergedAtItsVerifiedCommit) {
  Watch("a");
  EXPECT_THAT(Poller().Tick(), IsOk());
  EXPECT_EQ(forge_.pulls().front().state, forge::PullRequestState::kMerged);
  EXPECT_THAT(store_.outcomes, ElementsAre("a merged acme/widget#1 by the rules"));
}

TEST_F(ForgePollerTest, EachConditionAloneKeepsAPullRequestOpen) {
  const std::int64_t number = Watch("a");
  const WatchedPullRequest good = store_.watched.front();
  const forge::PullRequest fine = forge_.pulls().front();
  ForgePoller& poller = Poller();
  const auto stays_open = [&](const char* why) {
    EXPECT_THAT(poller.Tick(), IsOk()) << why;
    EXPECT_EQ(forge_.CountOf("merge"), 0) << why;
    EXPECT_THAT(store_.outcomes, IsEmpty()) << why;
    store_.watched = {good};
    forge_.Change(number, [&](forge::PullRequest& pull) { pull = fine; });
    forge_.SetComparison({});
    forge_.SetStatus(kHead, forge::CommitStatus::kNone);
    forge_.SetStatus("main", forge::CommitStatus::kNone);
    forge_.SetFiles({{.path = "docs/a.md", .former_path = {}, .additions = 5}});
  };
  const auto change = [&](const std::function<void(forge::PullRequest&)>& how) { forge_.Change(number, how); };

  store_.watched[0].auto_merge = false;
  stays_open("the task does not ask for it");
  store_.watched[0].eligible = false;
  stays_open("the rules are against it");
  change([](forge::PullRequest& pull) { pull.draft = true; });
  stays_open("a draft");
  change([](forge::PullRequest& pull) { pull.mergeable = false; });
  stays_open("it conflicts");
  change([](forge::PullRequest& pull) { pull.mergeable.reset(); });
  stays_open("the forge has not found out");
  change([](forge::PullRequest& pull) { pull.head_commit = std::string(40, 'b'); });
  stays_open("someone pushed after it was verified");
  change([](forge::PullRequest& pull) { pull.base_branch = "release"; });
  stays_open("it goes elsewhere");
  change([](forge::PullRequest& pull) { pull.head_branch = "agent/other"; });
  stays_open("it is of another task");
  change([](forge::PullRequest& pull) { pull.from_fork = true; });
  stays_open("it is from a fork");
  forge_.SetComparison({.ahead = 1, .behind = 1});
  stays_open("the base went on");
  forge_.SetStatus(kHead, forge::CommitStatus::kFailure);
  stays_open("its checks at the forge failed");
  forge_.SetStatus(kHead, forge::CommitStatus::kPending);
  stays_open("its checks at the forge run");
  forge_.SetStatus("main", forge::CommitStatus::kFailure);
  stays_open("the base is red");
  forge_.SetFiles({{.path = "docs/a.md", .former_path = {}, .additions = 5}, {.path = "deploy/x", .former_path = {}}});
  stays_open("the forge sees another file");
  forge_.SetFiles({{.path = "docs/a.md", .former_path = "src/a.cc", .additions = 5}});
  stays_open("the forge sees a file that moved");
  forge_.SetFiles({{.path = "docs/a.md", .former_path = {}, .deleted = true, .additions = 5}});
  stays_open("the forge sees a deletion");
  store_.watched[0].files_changed = 0;
  stays_open("the forge sees that a file was there before");
  forge_.SetFiles({{.path = "docs/a.md", .former_path = {}, .additions = 500}});
  stays_open("the forge sees far more lines");

  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("merge"), 1);
  EXPECT_THAT(store_.outcomes, SizeIs(1));
}

TEST_F(ForgePollerTest, NothingIsMergedThatTheRulesOfNowDoNotPermit) {
  Watch("a");
  store_.still = false;
  EXPECT_THAT(Poller().Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("merge"), 0);
  EXPECT_THAT(store_.outcomes, IsEmpty());
}

TEST_F(ForgePollerTest, NothingIsMergedWhereTheConfigurationSaysNo) {
  Watch("a");
  EXPECT_THAT(Poller(/*allow_auto_merge=*/false).Tick(), IsOk());
  EXPECT_THAT(forge_.questions(), ElementsAre("get"));
}

TEST_F(ForgePollerTest, APullRequestThatIsNotTheTasksIsLeftAloneWhateverTheReportSays) {
  const std::int64_t number = Watch("a");
  forge_.Change(number, [](forge::PullRequest& pull) {
    pull.head_branch = "feature";
    pull.state = forge::PullRequestState::kMerged;
  });
  EXPECT_THAT(Poller().Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, IsEmpty());
}

TEST_F(ForgePollerTest, AMergeWhoseAnswerGotLostIsSeenInTheNextRound) {
  Watch("a");
  forge_.FailNext("merge", MakeError(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", "lost"), /*done=*/true);
  ForgePoller& poller = Poller();
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, IsEmpty());
  clock_.Advance(absl::Minutes(2));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, ElementsAre("a merged acme/widget#1"));
  EXPECT_EQ(forge_.CountOf("merge"), 1);
}

TEST_F(ForgePollerTest, AHeadThatMovesInTheLastMomentIsNotMerged) {
  Watch("a");
  forge_.FailNext("merge", MakeError(absl::StatusCode::kAborted, "FORGE_CONFLICT", "the head was modified"));
  EXPECT_THAT(Poller().Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, IsEmpty());
}

TEST_F(ForgePollerTest, AForgeThatLimitsOrRefusesIsLeftAloneForSoLong) {
  Watch("a");
  Watch("b");
  forge_.FailNext(
      "get",
      MakeError(absl::StatusCode::kResourceExhausted, "slow down",
                {.reason = "FORGE_RATE_LIMITED", .metadata = {}, .violations = {}, .retry_after = absl::Minutes(10)}));
  ForgePoller& poller = Poller(/*allow_auto_merge=*/false);
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("get"), 1);
  clock_.Advance(absl::Minutes(9));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("get"), 1);
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("get"), 3);
}

TEST_F(ForgePollerTest, WhatFailsForOnePullRequestDoesNotSilenceTheForge) {
  Watch("a");
  const std::int64_t merged = Watch("b");
  forge_.Change(merged, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kMerged; });
  for (const auto& [code, reason] : {std::pair(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE"),
                                     std::pair(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED")}) {
    store_.outcomes.clear();
    Watch("c");
    forge_.FailNext("get", MakeError(code, reason, "this one"));
    EXPECT_THAT(Poller(/*allow_auto_merge=*/false).Tick(), IsOk());
    EXPECT_THAT(forge_.CountOf("get"), ::testing::Ge(2)) << reason;
  }
}

TEST_F(ForgePollerTest, AForgeThatAnswersNothingIsLeftAloneAfterAFewQuestions) {
  for (const char* task : {"a", "b", "c", "d", "e"}) {
    Watch(task);
    forge_.FailNext("get", MakeError(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", "503"));
  }
  EXPECT_THAT(Poller(/*allow_auto_merge=*/false).Tick(), IsOk());
  EXPECT_EQ(forge_.CountOf("get"), ForgePoller::kMostMisses);
}

TEST_F(ForgePollerTest, ARoundGoesOnBehindTheLastThatWasAskedAbout) {
  const auto limited = [this](absl::Duration wait) {
    forge_.FailNext("get",
                    MakeError(absl::StatusCode::kResourceExhausted, "slow down",
                              {.reason = "FORGE_RATE_LIMITED", .metadata = {}, .violations = {}, .retry_after = wait}));
  };
  for (const char* task : {"a", "b", "c"}) {
    forge_.Change(Watch(task), [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kClosed; });
  }
  ForgePoller& poller = Poller(/*allow_auto_merge=*/false, /*page=*/2);
  limited(absl::Hours(100));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, IsEmpty());
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes,
              ElementsAre("b rejected acme/widget#2", "c rejected acme/widget#3", "a rejected acme/widget#1"));
}

TEST_F(ForgePollerTest, AMissingPullRequestDoesNotStopTheOthers) {
  Watch("a");
  const std::int64_t merged = Watch("b");
  store_.watched[0].number = 99;
  forge_.Change(merged, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kMerged; });
  store_.watched.push_back(store_.watched[0]);
  store_.watched.back().task_id = "c";
  store_.watched.back().repository = "https://gitlab.test/acme/widget";
  EXPECT_THAT(Poller().Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, ElementsAre("b merged acme/widget#2"));
}

TEST_F(ForgePollerTest, EveryPageIsReadAndTheStoresFailureEndsTheRound) {
  for (const char* task : {"a", "b", "c", "d", "e"}) {
    forge_.Change(Watch(task), [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kClosed; });
  }
  ForgePoller& poller = Poller(/*allow_auto_merge=*/true, /*page=*/2);
  store_.failure = MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away");
  EXPECT_THAT(poller.Tick(), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(forge_.questions(), IsEmpty());
  store_.failure = absl::OkStatus();
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_THAT(store_.outcomes, SizeIs(5));
}

TEST_F(ForgePollerTest, AnAnswerThatNeverComesIsNotWaitedForForEver) {
  FakeForge silent;
  Watch("a");
  ForgePoller poller(
      store_,
      [&silent](std::string_view) -> absl::StatusOr<forge::Place> {
        return forge::Place{.forge = &silent, .repository = {.owner = "acme", .name = "widget"}};
      },
      ForgePollerOptions{.patience = absl::ZeroDuration()}, clock_);
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(silent.CountOf("get"), 1);
  // Late.
  silent.DeliverAll();
}

TEST_F(ForgePollerTest, StoppingEndsARoundThatWaits) {
  FakeForge silent;
  Watch("a");
  ForgePoller poller(
      store_,
      [&silent](std::string_view) -> absl::StatusOr<forge::Place> {
        return forge::Place{.forge = &silent, .repository = {.owner = "acme", .name = "widget"}};
      },
      ForgePollerOptions{.patience = absl::Hours(1)}, clock_);
  absl::Status ended = absl::UnknownError("");
  std::thread round([&] { ended = poller.Tick(); });
  while (silent.waiting() == 0) std::this_thread::yield();
  poller.Stop();
  round.join();
  EXPECT_THAT(ended, IsOk());
  silent.DeliverAll();
  EXPECT_THAT(poller.Tick(), IsOk());
  EXPECT_EQ(store_.lists, 1);
}

}  // namespace
}  // namespace switchyard::verification

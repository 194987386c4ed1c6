#include "services/executor/delivery/delivery.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/forge/testing/fake_forge.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::delivery {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeForge;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kBase(40, 'b');
const std::string kHead(40, 'a');
constexpr char kBranch[] = "agent/0190-task";

absl::Status Failed(absl::StatusCode code, std::string_view reason) { return MakeError(code, reason, "said so"); }
absl::Status Unavailable(std::string_view reason = "FORGE_UNAVAILABLE") {
  return Failed(absl::StatusCode::kUnavailable, reason);
}

class FakePusher final : public Pusher {
 public:
  void Push(const std::string& branch, const std::string& commit, std::function<void(absl::Status)> done) override {
    ++pushes;
    waiting.push_back([this, branch, commit, done = std::move(done)] {
      absl::Status status;
      if (!failures.empty()) {
        status = std::move(failures.front());
        failures.pop_front();
      }
      if (status.ok()) remote[branch] = commit;
      done(status);
    });
  }
  bool DeliverOne() {
    if (waiting.empty()) return false;
    const std::function<void()> next = std::move(waiting.front());
    waiting.pop_front();
    next();
    return true;
  }

  int pushes = 0;
  std::map<std::string, std::string> remote;
  std::deque<absl::Status> failures;
  std::deque<std::function<void()>> waiting;
};

struct Recorder final : DeliveryEvents {
  void OnConfirmationWanted() override {
    wanted = true;
    ++asked;
  }
  void OnProgress(std::string message) override { progress.push_back(std::move(message)); }
  void OnDelivered(DeliveryResult delivered) override {
    ++ends;
    result = std::move(delivered);
  }
  bool wanted = false;
  int asked = 0;
  int ends = 0;
  std::vector<std::string> progress;
  DeliveryResult result;
};

class DeliveryTest : public ::testing::Test {
 protected:
  static DeliveryRequest Request() {
    DeliveryRequest request;
    request.task_id = "0190-task";
    request.generation = 3;
    request.push = true;
    request.pull_request = true;
    request.branch = kBranch;
    request.base_branch = "main";
    request.base_commit = kBase;
    request.head_commit = kHead;
    request.story.title = "Mend the sum";
    return request;
  }

  // As an executor that began again after a kill.
  void Start(DeliveryRequest request = Request(), bool with_forge = true) {
    forge_.SetHead(kBranch, request.head_commit);
    recorders_.push_back(std::make_unique<Recorder>());
    delivery_ = Delivery::Start(std::move(request), {.pusher = pusher_,
                                                     .forge = with_forge ? &forge_ : nullptr,
                                                     .repository = {.owner = "acme", .name = "widget"},
                                                     .clock = clock_,
                                                     .rng = *rng_,
                                                     .events = *recorders_.back()});
  }
  Recorder& events() { return *recorders_.back(); }

  // The next thing that others do, or a second passes; false once it has ended.
  bool Step() {
    if (delivery_->ended()) return false;
    if (std::exchange(events().wanted, false)) {
      delivery_->OnConfirmation(Confirmation::kCurrent);
    } else if (!pusher_.DeliverOne() && !forge_.DeliverOne()) {
      clock_.Advance(absl::Seconds(1));
      delivery_->Tick();
    }
    return true;
  }
  const DeliveryResult& Finish() {
    for (int i = 0; i < 5000 && Step(); ++i) {
    }
    EXPECT_EQ(events().ends, 1);
    return events().result;
  }
  void StepUntilAsked(std::string_view question) {
    for (int i = 0; i < 1000 && forge_.CountOf(question) == 0 && Step(); ++i) {
    }
  }

  FakeClock clock_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(7);
  FakeForge forge_;
  FakePusher pusher_;
  std::vector<std::unique_ptr<Recorder>> recorders_;
  std::shared_ptr<Delivery> delivery_;
};

TEST_F(DeliveryTest, ItConfirmsPushesConfirmsAndOpensOnePullRequest) {
  forge_.SetComparison({.ahead = 1, .behind = 4});
  Start();
  EXPECT_EQ(pusher_.pushes, 0);
  const DeliveryResult& result = Finish();
  EXPECT_THAT(result.status, IsOk());
  EXPECT_TRUE(result.pushed);
  ASSERT_TRUE(result.pull_request.has_value());
  EXPECT_EQ(result.pull_request->number, 1);
  EXPECT_EQ(result.pull_request->url, "https://forge.test/acme/widget/pull/1");
  EXPECT_FALSE(result.pull_request->found);
  EXPECT_EQ(result.pull_request->base_behind, 4);
  EXPECT_THAT(forge_.questions(), ElementsAre("find", "open", "compare"));
  EXPECT_EQ(events().asked, 2);
  const forge::PullRequest pull = forge_.pulls().front();
  EXPECT_EQ(pull.title, "Mend the sum");
  EXPECT_EQ(pull.head_branch, kBranch);
  EXPECT_EQ(pull.base_branch, "main");
  EXPECT_THAT(pull.body, HasSubstr("`0190-task`"));
  EXPECT_EQ(pusher_.remote[kBranch], kHead);
}

TEST_F(DeliveryTest, NothingIsDoneThatWasNotAskedFor) {
  DeliveryRequest request = Request();
  request.push = request.pull_request = false;
  Start(request);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(events().asked, 0);
  request.push = true;
  Start(request, /*with_forge=*/false);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_TRUE(events().result.pushed);
  EXPECT_FALSE(events().result.pull_request.has_value());
  EXPECT_THAT(forge_.questions(), IsEmpty());
}

TEST_F(DeliveryTest, WhatCannotBeDeliveredIsSaidBeforeAnythingIsPushed) {
  DeliveryRequest request = Request();
  request.branch = "main";
  Start(request);
  EXPECT_THAT(Finish().status, IsError("BASE_REFUSED"));
  request = Request();
  request.head_commit = request.base_commit;
  Start(request);
  EXPECT_THAT(Finish().status, IsError("NOTHING_TO_DELIVER"));
  Start(Request(), /*with_forge=*/false);
  EXPECT_THAT(Finish().status, IsError("FORGE_NOT_CONFIGURED"));
  EXPECT_EQ(pusher_.pushes, 0);
}

TEST_F(DeliveryTest, AStaleGenerationLeavesTheWorldAlone) {
  Start();
  delivery_->OnConfirmation(Confirmation::kStale);
  EXPECT_THAT(events().result.status, IsError("STALE_GENERATION"));
  EXPECT_EQ(pusher_.pushes, 0);

  // It became so between the push and the pull request.
  Start();
  events().wanted = false;
  delivery_->OnConfirmation(Confirmation::kCurrent);
  pusher_.DeliverOne();
  EXPECT_TRUE(events().wanted);
  delivery_->OnConfirmation(Confirmation::kStale);
  EXPECT_THAT(events().result.status, IsError("STALE_GENERATION"));
  EXPECT_TRUE(events().result.pushed);
  EXPECT_THAT(forge_.questions(), IsEmpty());
  EXPECT_EQ(FailureOf(events().result.status).outcome, Outcome::kCancelled);
}

TEST_F(DeliveryTest, WithoutAnAnswerItAsksAgainAndThenLeavesIt) {
  Start();
  EXPECT_EQ(events().asked, 1);
  delivery_->OnConfirmation(Confirmation::kUnknown);
  clock_.Advance(absl::Seconds(9));
  delivery_->Tick();
  EXPECT_EQ(events().asked, 1);
  // Unasked.
  delivery_->OnConfirmation(Confirmation::kCurrent);
  EXPECT_EQ(pusher_.pushes, 0);
  clock_.Advance(absl::Seconds(1));
  delivery_->Tick();
  EXPECT_EQ(events().asked, 2);
  clock_.Advance(absl::Seconds(109));
  delivery_->Tick();
  EXPECT_FALSE(delivery_->ended());
  clock_.Advance(absl::Seconds(1));
  delivery_->Tick();
  EXPECT_THAT(events().result.status, IsError("NOT_CONFIRMED"));
  EXPECT_FALSE(FailureOf(events().result.status).permanent);
  EXPECT_EQ(pusher_.pushes, 0);
  // Late.
  delivery_->OnConfirmation(Confirmation::kCurrent);
  EXPECT_EQ(pusher_.pushes, 0);
  EXPECT_EQ(events().ends, 1);
}

TEST_F(DeliveryTest, EachPushIsConfirmedAnew) {
  pusher_.failures = {Unavailable("PUSH_FAILED"), Unavailable("PUSH_FAILED")};
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(pusher_.pushes, 3);
  EXPECT_EQ(events().asked, 4);
  EXPECT_THAT(events().progress, ::testing::Contains(HasSubstr("PUSH_FAILED")));
}

TEST_F(DeliveryTest, ARejectedPushIsTheEndAndMayGoBetterLater) {
  pusher_.failures = {Failed(absl::StatusCode::kFailedPrecondition, "PUSH_REJECTED")};
  Start();
  EXPECT_THAT(Finish().status, IsError("PUSH_REJECTED"));
  EXPECT_FALSE(events().result.pushed);
  EXPECT_EQ(pusher_.pushes, 1);
  EXPECT_FALSE(FailureOf(events().result.status).permanent);
  EXPECT_EQ(FailureOf(events().result.status).outcome, Outcome::kFailed);
}

TEST_F(DeliveryTest, AForgeThatIsAwayIsAskedSeveralTimesAndThenFailsTheAttempt) {
  for (int i = 0; i < 10; ++i) forge_.FailNext("find", Unavailable());
  Start();
  EXPECT_THAT(Finish().status, IsError("FORGE_UNAVAILABLE"));
  EXPECT_EQ(forge_.CountOf("find"), 5);
  EXPECT_TRUE(events().result.pushed);
  EXPECT_FALSE(FailureOf(events().result.status).permanent);
}

TEST_F(DeliveryTest, ARefusedTokenIsPermanentAndAskedOnce) {
  forge_.FailNext("find", Failed(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED"));
  Start();
  EXPECT_THAT(Finish().status, IsError("FORGE_UNAUTHORIZED"));
  EXPECT_EQ(forge_.CountOf("find"), 1);
  EXPECT_TRUE(FailureOf(events().result.status).permanent);
}

TEST_F(DeliveryTest, ARateLimitIsWaitedForUnlessItIsLong) {
  const auto limited = [](absl::Duration wait) {
    return MakeError(absl::StatusCode::kResourceExhausted, "slow down",
                     {.reason = "FORGE_RATE_LIMITED", .metadata = {}, .violations = {}, .retry_after = wait});
  };
  forge_.FailNext("open", limited(absl::Seconds(90)));
  Start();
  const absl::Time begun = clock_.Now();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_GE(clock_.Now() - begun, absl::Seconds(90));
  EXPECT_THAT(forge_.pulls(), SizeIs(1));

  forge_.FailNext("find", limited(absl::Hours(1)));
  Start();
  EXPECT_THAT(Finish().status, IsError("FORGE_RATE_LIMITED"));
}

TEST_F(DeliveryTest, APullRequestOfAnEarlierAttemptIsFoundAndBroughtUpToDate) {
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  forge_.Change(1, [](forge::PullRequest& pull) { pull.body = "See also the notes.\n" + pull.body; });
  DeliveryRequest request = Request();
  request.head_commit = std::string(40, 'c');
  Start(request);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_TRUE(events().result.pull_request->found);
  ASSERT_THAT(forge_.pulls(), SizeIs(1));
  const std::string body = forge_.pulls().front().body;
  EXPECT_THAT(body, HasSubstr("See also the notes."));
  EXPECT_THAT(body, HasSubstr(request.head_commit));
  EXPECT_EQ(forge_.CountOf("set_body"), 1);
  // The same again has nothing to bring up to date.
  Start(request);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(forge_.CountOf("set_body"), 1);
}

TEST_F(DeliveryTest, ABodyThatCannotBeBroughtUpToDateFailsTheAttempt) {
  Start();
  Finish();
  DeliveryRequest request = Request();
  request.head_commit = std::string(40, 'c');
  forge_.FailNext("set_body", Failed(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED"));
  Start(request);
  EXPECT_THAT(Finish().status, IsError("FORGE_UNAUTHORIZED"));
  EXPECT_EQ(events().result.pull_request->number, 1);
}

TEST_F(DeliveryTest, EachTryToBringABodyUpToDateIsConfirmedAnew) {
  Start();
  Finish();
  DeliveryRequest request = Request();
  request.head_commit = std::string(40, 'c');
  forge_.FailNext("set_body", Unavailable());
  Start(request);
  for (int i = 0; i < 1000 && (events().asked < 3 || !events().wanted) && Step(); ++i) {
  }
  ASSERT_EQ(events().asked, 3);
  EXPECT_EQ(forge_.CountOf("set_body"), 1);
  delivery_->OnConfirmation(Confirmation::kStale);
  EXPECT_THAT(events().result.status, IsError("STALE_GENERATION"));
  EXPECT_EQ(forge_.CountOf("set_body"), 1);

  for (int i = 0; i < 10; ++i) forge_.FailNext("set_body", Unavailable());
  Start(request);
  EXPECT_THAT(Finish().status, IsError("FORGE_UNAVAILABLE"));
  EXPECT_EQ(forge_.CountOf("set_body"), 1 + 5);
}

TEST_F(DeliveryTest, AnOldConfirmationOpensNothing) {
  Start();
  StepUntilAsked("find");
  EXPECT_EQ(events().asked, 2);
  clock_.Advance(absl::Seconds(20));
  forge_.DeliverOne();
  EXPECT_EQ(forge_.CountOf("open"), 0);
  EXPECT_EQ(events().asked, 3);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(forge_.CountOf("find"), 1);
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
  // Nor does it change what is there.
  DeliveryRequest request = Request();
  request.head_commit = std::string(40, 'c');
  Start(request);
  for (int i = 0; i < 1000 && forge_.CountOf("find") < 2 && Step(); ++i) {
  }
  clock_.Advance(absl::Seconds(20));
  forge_.DeliverOne();
  EXPECT_EQ(events().asked, 3);
  delivery_->OnConfirmation(Confirmation::kStale);
  EXPECT_EQ(forge_.CountOf("set_body"), 0);
}

TEST_F(DeliveryTest, NoSecondOneIsOpenedWhereAPersonClosedTheFirst) {
  Start();
  Finish();
  forge_.Change(1, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kClosed; });
  Start();
  EXPECT_THAT(Finish().status, IsError("PULL_REQUEST_CLOSED"));
  EXPECT_TRUE(FailureOf(events().result.status).permanent);
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
  // Merged is fine as long as it is the same work.
  forge_.Change(1, [](forge::PullRequest& pull) { pull.state = forge::PullRequestState::kMerged; });
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  DeliveryRequest request = Request();
  request.head_commit = std::string(40, 'c');
  Start(request);
  EXPECT_THAT(Finish().status, IsError("PULL_REQUEST_CLOSED"));
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
}

TEST_F(DeliveryTest, APullRequestOfAForkIsNotTheTasks) {
  forge::PullRequest fork;
  fork.head_branch = kBranch;
  fork.base_branch = "main";
  fork.from_fork = true;
  forge_.Add(fork);
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(events().result.pull_request->number, 2);
  EXPECT_FALSE(events().result.pull_request->found);
}

TEST_F(DeliveryTest, AnAnswerThatGotLostOpensNoSecondOne) {
  forge_.FailNext("open", Unavailable(), /*done=*/true);
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(forge_.CountOf("open"), 1);
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
  EXPECT_FALSE(events().result.pull_request->found);
  EXPECT_EQ(events().asked, 3);
}

TEST_F(DeliveryTest, AListThatLagsBehindOpensNoSecondOne) {
  forge_.FailNext("open", Failed(absl::StatusCode::kDataLoss, "FORGE_MALFORMED"), /*done=*/true);
  forge_.LagFinds(3);
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
  EXPECT_EQ(events().result.pull_request->number, 1);
}

TEST_F(DeliveryTest, OneThatExistsButIsNeverFoundFailsTheAttempt) {
  forge::PullRequest other;
  other.head_branch = kBranch;
  other.base_branch = "main";
  forge_.LagFinds(1000);
  forge_.Add(other);
  Start();
  EXPECT_THAT(Finish().status, IsError("FORGE_ALREADY_EXISTS"));
  EXPECT_FALSE(FailureOf(events().result.status).permanent);
  EXPECT_THAT(forge_.pulls(), SizeIs(1));
}

TEST_F(DeliveryTest, AForgeThatHasNotSeenThePushYetIsAskedOnceMore) {
  forge_.FailNext("open", Failed(absl::StatusCode::kFailedPrecondition, "FORGE_REFUSED"));
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  forge_.Change(1, [](forge::PullRequest& pull) { pull.head_branch = "other"; });
  for (int i = 0; i < 10; ++i) forge_.FailNext("open", Failed(absl::StatusCode::kFailedPrecondition, "FORGE_REFUSED"));
  Start();
  EXPECT_THAT(Finish().status, IsError("FORGE_REFUSED"));
  EXPECT_EQ(forge_.CountOf("open"), 5);
  EXPECT_TRUE(FailureOf(events().result.status).permanent);
}

TEST_F(DeliveryTest, AFreshnessThatNobodyCanTellIsNotCalledFresh) {
  for (int i = 0; i < 10; ++i) forge_.FailNext("compare", Unavailable());
  Start();
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(events().result.pull_request->base_behind, std::nullopt);
  DeliveryRequest request = Request();
  request.base_behind = 2;
  forge_.FailNext("compare", Failed(absl::StatusCode::kNotFound, "FORGE_NOT_FOUND"));
  for (int i = 0; i < 10; ++i) forge_.FailNext("compare", Unavailable());
  Start(request);
  EXPECT_THAT(Finish().status, IsOk());
  EXPECT_EQ(events().result.pull_request->base_behind, 2);
}

TEST_F(DeliveryTest, CancellingEndsItAtOnceAndLateAnswersAreDropped) {
  Start();
  StepUntilAsked("open");
  delivery_->Cancel();
  EXPECT_EQ(events().ends, 1);
  EXPECT_EQ(FailureOf(events().result.status).outcome, Outcome::kCancelled);
  EXPECT_EQ(FailureOf(events().result.status).reason, "CANCELLED");
  forge_.DeliverAll();
  delivery_->Cancel();
  delivery_->Tick();
  EXPECT_EQ(events().ends, 1);
  EXPECT_EQ(forge_.CountOf("compare"), 0);
}

TEST_F(DeliveryTest, ItDoesNotGoOnForEver) {
  Start();
  StepUntilAsked("open");
  clock_.Advance(absl::Minutes(16));
  delivery_->Tick();
  EXPECT_THAT(events().result.status, IsError("DELIVERY_TIMEOUT"));
  EXPECT_FALSE(FailureOf(events().result.status).permanent);
}

TEST_F(DeliveryTest, AllInOneBreathIsFineToo) {
  // Whoever answers at once, within the call that asked.
  struct Eager final : DeliveryEvents, Pusher {
    void OnConfirmationWanted() override {
      if (delivery != nullptr) delivery->OnConfirmation(Confirmation::kCurrent);
    }
    void OnProgress(std::string) override {}
    void OnDelivered(DeliveryResult delivered) override { result = std::move(delivered); }
    void Push(const std::string&, const std::string&, std::function<void(absl::Status)> done) override {
      done(absl::OkStatus());
    }
    std::shared_ptr<Delivery> delivery;
    DeliveryResult result;
  } eager;
  FakeForge inline_forge(FakeForge::Mode::kInline);
  eager.delivery = Delivery::Start(Request(), {.pusher = eager,
                                               .forge = &inline_forge,
                                               .repository = {.owner = "acme", .name = "widget"},
                                               .clock = clock_,
                                               .rng = *rng_,
                                               .events = eager});
  eager.delivery->OnConfirmation(Confirmation::kCurrent);
  EXPECT_TRUE(eager.delivery->ended());
  EXPECT_THAT(eager.result.status, IsOk());
  EXPECT_THAT(inline_forge.pulls(), SizeIs(1));
  eager.delivery.reset();
}

// Killed after `steps` things that happened, with or without what was on its way; begun anew, killed again likewise,
// and begun anew.
TEST_F(DeliveryTest, KilledAnywhereItMakesNoSecondBranchAndNoSecondPullRequest) {
  int most = 0;
  for (int first = 0; first <= 8; ++first) {
    for (int second = 0; second <= 8; ++second) {
      for (int on_its_way = 0; on_its_way < 8; ++on_its_way) {
        SCOPED_TRACE(absl::StrCat("killed after ", first, " and ", second, " steps, ", on_its_way));
        FakePusher pusher;
        FakeForge forge;
        forge.SetHead(kBranch, kHead);
        if ((on_its_way & 4) != 0) forge.LagFinds(2);
        for (const auto& [steps, arrives] : {std::pair(first, (on_its_way & 1) != 0),
                                             std::pair(second, (on_its_way & 2) != 0), std::pair(10'000, true)}) {
          Recorder events;
          const std::shared_ptr<Delivery> delivery =
              Delivery::Start(Request(), {.pusher = pusher,
                                          .forge = &forge,
                                          .repository = {.owner = "acme", .name = "widget"},
                                          .clock = clock_,
                                          .rng = *rng_,
                                          .events = events});
          int done = 0;
          for (; done < steps && !delivery->ended(); ++done) {
            if (std::exchange(events.wanted, false)) {
              delivery->OnConfirmation(Confirmation::kCurrent);
            } else if (!pusher.DeliverOne() && !forge.DeliverOne()) {
              clock_.Advance(absl::Seconds(1));
              delivery->Tick();
            }
          }
          if (steps < 10'000) {
            if ((on_its_way & 4) == 0) most = std::max(most, done);
            delivery->Cancel();
            if (arrives) {
              while (pusher.DeliverOne() || forge.DeliverOne()) {
              }
            }
            pusher.waiting.clear();
            forge.DropAll();
            continue;
          }
          EXPECT_THAT(events.result.status, IsOk());
          EXPECT_TRUE(events.result.pushed);
          ASSERT_TRUE(events.result.pull_request.has_value());
          EXPECT_EQ(events.result.pull_request->number, 1);
        }
        EXPECT_THAT(forge.pulls(), SizeIs(1));
        EXPECT_THAT(pusher.remote, SizeIs(1));
        EXPECT_EQ(pusher.remote[kBranch], kHead);
      }
    }
  }
  // Every point was among them, the end too.
  EXPECT_LT(most, 8);
}

}  // namespace
}  // namespace switchyard::executor::delivery

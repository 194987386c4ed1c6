#include "services/task_queue/decide.h"

#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/life.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum TaskState;

// One task and what happens to it.
class DecideTest : public ::testing::Test {
 protected:
  DecideTest() { Begin(now_, now_, record_); }

  void Restart(TaskPolicy policy, absl::Time start = absl::InfinitePast()) {
    record_ = {.policy = std::move(policy)};
    Begin(start, now_, record_);
  }
  void Advance(absl::Duration by) { now_ += by; }

  template <class What>
  absl::StatusOr<Answered> Do(What what) {
    const TaskRecord before = record_;
    const absl::StatusOr<Answered> answered = Decide(rules_, {record_.id, std::move(what)}, now_, record_);
    if (!answered.ok() || answered->unchanged) {
      EXPECT_EQ(record_, before) << "a refusal and a repetition leave the record as it was";
    } else {
      EXPECT_EQ(record_.revision, before.revision + 1);
      EXPECT_GT(record_.timeline.back().ordinal + record_.revision, before.timeline.back().ordinal + before.revision);
    }
    return answered;
  }
  template <class What>
  Report By(std::string agent, Generation generation, What what) {
    return {.generation = generation, .agent = std::move(agent), .what = std::move(what)};
  }
  // By the current owner.
  template <class What>
  absl::StatusOr<Answered> Say(What what) {
    return Do(By(record_.agent, record_.generation, std::move(what)));
  }
  void Give(std::string agent = "a") {
    ASSERT_THAT(Do(Assign{.seen = record_.generation, .agent = std::move(agent)}), IsOk());
  }
  void Start(std::string agent = "a") {
    Give(std::move(agent));
    ASSERT_THAT(Say(Accepted{}), IsOk());
  }
  // Acts on every limit that has passed.
  void Sweep() {
    while (DueTime(rules_, record_) <= now_) {
      const absl::StatusOr<Answered> answered = Do(Due{});
      ASSERT_THAT(answered, IsOk());
      ASSERT_FALSE(answered->unchanged) << "a limit that has passed is acted on";
    }
  }
  void SweepAfter(absl::Duration by) {
    Advance(by);
    Sweep();
  }
  // The same final report again: the state that is answered.
  template <class What>
  TaskState Again(std::string agent, Generation generation, What what) {
    const absl::StatusOr<Answered> answered = Do(By(std::move(agent), generation, std::move(what)));
    EXPECT_THAT(answered, IsOk());
    if (!answered.ok()) return TaskState{};
    EXPECT_TRUE(answered->unchanged);
    return answered->state;
  }
  std::string LastCause() const { return record_.timeline.back().cause; }

  Rules rules_;
  absl::Time now_ = testing::FakeClock().Now();
  TaskRecord record_;
};

const Failed kFailed{.failure = {"EXIT_STATUS", "2"}};

TEST_F(DecideTest, LeadsAPlainTaskToItsEnd) {
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Start();
  EXPECT_EQ(record_.state, kRunning);
  EXPECT_EQ(Say(Finished{.result = "r", .usage = "u", .model = "m"})->state, kSucceeded);
  EXPECT_EQ(record_.result, "r");
  EXPECT_EQ(record_.agent, "");
  EXPECT_EQ(record_.finish_time, now_);
  ASSERT_THAT(record_.history, SizeIs(1));
  EXPECT_TRUE(record_.history[0].charged);
  EXPECT_EQ(record_.history[0].usage, "u");
  std::vector<EventKind> kinds;
  for (const TaskEvent& event : record_.timeline) kinds.push_back(event.kind);
  EXPECT_THAT(kinds,
              ElementsAre(EventKind::kSubmitted, EventKind::kAssigned, EventKind::kAccepted, EventKind::kFinished));
  EXPECT_EQ(record_.timeline.back().agent, "a");
}

TEST_F(DecideTest, AddsOneToTheGenerationWithEveryAssignment) {
  Give();
  EXPECT_EQ(record_.generation, Generation(1));
  Say(Released{}).IgnoreError();
  EXPECT_EQ(record_.generation, Generation(1));
  Give("b");
  EXPECT_EQ(record_.generation, Generation(2));
}

TEST_F(DecideTest, RefusesToAssignWhatIsNotReady) {
  EXPECT_THAT(Do(Assign{.seen = Generation(1), .agent = "a"}), IsError("STALE_GENERATION"));
  Give();
  EXPECT_THAT(Do(Assign{.seen = Generation(0), .agent = "b"}), IsError("STALE_GENERATION"));
  EXPECT_THAT(Do(Assign{.seen = Generation(1), .agent = "b"}), IsError("TASK_NOT_READY"));
  Say(Released{}).IgnoreError();
  ASSERT_THAT(Do(PauseOne{}), IsOk());
  EXPECT_THAT(Do(Assign{.seen = Generation(1), .agent = "b"}), IsError("TASK_NOT_READY"));
}

TEST_F(DecideTest, RefusesReportsOfAnotherAssignmentOrAgent) {
  Give("a");
  EXPECT_THAT(Do(By("b", Generation(1), Accepted{})), IsError("NOT_OWNER"));
  EXPECT_THAT(Do(By("a", Generation(0), Accepted{})), IsError("STALE_GENERATION"));
  EXPECT_THAT(Do(By("a", Generation(2), Finished{})), IsError("STALE_GENERATION"));
  Say(Released{}).IgnoreError();
  EXPECT_THAT(Do(By("a", Generation(1), Finished{})), IsError("STALE_GENERATION")) << "owned by nobody";
}

TEST_F(DecideTest, TakesARepeatedAcceptanceOnce) {
  Start();
  EXPECT_TRUE(Say(Accepted{})->unchanged);
  EXPECT_TRUE(Say(PhaseChanged{.phase = Phase::kNone})->unchanged);
  EXPECT_FALSE(Say(PhaseChanged{.phase = Phase::kLoading})->unchanged);
  EXPECT_TRUE(Say(PhaseChanged{.phase = Phase::kLoading})->unchanged);
}

TEST_F(DecideTest, TakesAnyReportOfWorkAsAnAcceptance) {
  Give();
  EXPECT_EQ(Say(PhaseChanged{.phase = Phase::kLoading})->state, kRunning);
  EXPECT_EQ(record_.accept_time, now_);
  Say(Released{}).IgnoreError();
  Give();
  EXPECT_EQ(Say(Progressed{.message = "half"})->state, kRunning);
  Say(Released{}).IgnoreError();
  Give();
  EXPECT_EQ(Say(Finished{})->state, kSucceeded);
  EXPECT_EQ(record_.history.back().accept_time, now_);
}

TEST_F(DecideTest, TellsWhichRouteAnAttemptGotAndEveryChangeOfItOnce) {
  ASSERT_THAT(Do(Assign{.seen = Generation(0), .agent = "a", .routing = "r1", .route_summary = "small at host-a"}),
              IsOk());
  EXPECT_EQ(record_.timeline.back().message, "small at host-a");
  const RouteChanged changed{.routing = "r2", .cause = "RATE_LIMITED", .message = "small at host-b"};
  EXPECT_EQ(Say(changed)->state, kRunning) << "who asks for another endpoint has accepted";
  EXPECT_EQ(record_.routing, "r2");
  EXPECT_EQ(record_.timeline.back().kind, EventKind::kRouteChanged);
  EXPECT_EQ(LastCause(), "RATE_LIMITED");
  EXPECT_EQ(record_.timeline.back().message, "small at host-b");
  EXPECT_TRUE(Say(changed)->unchanged);
  EXPECT_THAT(Do(By("a", Generation(0), changed)), IsError("STALE_GENERATION"));
  Say(Finished{}).IgnoreError();
  EXPECT_THAT(Do(By("a", Generation(1), changed)), IsError("STALE_GENERATION"));
}

TEST_F(DecideTest, OffersWhatWasHandedBackForLaterOnlyThen) {
  Start();
  EXPECT_EQ(Say(Released{.reason = "rate limited", .retry_after = absl::Seconds(20)})->state, kQueued);
  EXPECT_EQ(record_.hold, HoldReason::kBackoff);
  EXPECT_EQ(record_.hold_until, now_ + absl::Seconds(20));
  EXPECT_EQ(record_.attempts, 0);
  SweepAfter(absl::Seconds(20));
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

// The same final report twice is answered as the first was.

TEST_F(DecideTest, AnswersARepeatedFailureAsTheFirstAlsoAfterTheNextAttemptBegan) {
  Start("a");
  EXPECT_EQ(Say(kFailed)->state, kQueued);
  EXPECT_EQ(Again("a", Generation(1), kFailed), kQueued);
  Start("a");
  EXPECT_EQ(Again("a", Generation(1), kFailed), kQueued);
  EXPECT_EQ(Say(Finished{})->state, kSucceeded);
  EXPECT_EQ(Again("a", Generation(1), kFailed), kQueued);
  EXPECT_EQ(Again("a", Generation(2), Finished{}), kSucceeded);
  EXPECT_THAT(Do(By("a", Generation(1), Finished{})), IsError("STALE_GENERATION")) << "another report than the first";
  EXPECT_THAT(Do(By("b", Generation(1), kFailed)), IsError("STALE_GENERATION"));
  EXPECT_THAT(record_.history, SizeIs(2));
}

TEST_F(DecideTest, AnswersARepeatedFailureAsTheFirstAlsoAfterAPersonsRetry) {
  Start("a");
  Failed failed = kFailed;
  failed.permanent = true;
  EXPECT_EQ(Say(failed)->state, kDeadLetter);
  EXPECT_EQ(Again("a", Generation(1), failed), kDeadLetter);
  ASSERT_THAT(Do(Retry{}), IsOk());
  EXPECT_EQ(Again("a", Generation(1), failed), kDeadLetter);
  Start("a");
  EXPECT_EQ(Again("a", Generation(1), failed), kDeadLetter);
}

TEST_F(DecideTest, AnswersRepeatedEvidenceAsTheFirstWhateverTheVerdict) {
  for (const Verdict verdict : {Verdict::kSucceeded, Verdict::kPartial, Verdict::kFailed}) {
    Restart({.needs_verdict = true});
    Start("a");
    EXPECT_EQ(Say(Finished{.result = "r"})->state, kVerifying);
    EXPECT_EQ(Again("a", Generation(1), Finished{}), kVerifying);
    ASSERT_THAT(Do(Conclude{.generation = Generation(1), .verdict = verdict}), IsOk());
    EXPECT_EQ(Again("a", Generation(1), Finished{}), kVerifying);
    EXPECT_THAT(Do(By("a", Generation(1), kFailed)), IsError("STALE_GENERATION"));
  }
}

TEST_F(DecideTest, AVerdictMayComeWithWordsAndForbidAnotherAttempt) {
  for (const bool permanent : {false, true}) {
    Restart({.needs_verdict = true});
    Start("a");
    ASSERT_THAT(Say(Finished{}), IsOk());
    ASSERT_THAT(Do(Conclude{.generation = Generation(1),
                            .verdict = Verdict::kFailed,
                            .failure = {"CHECK_FAILED", "red"},
                            .message = "2 of 3 checks passed",
                            .permanent = permanent}),
                IsOk());
    EXPECT_EQ(record_.state, permanent ? kDeadLetter : kQueued);
    EXPECT_EQ(record_.timeline.back().message, "2 of 3 checks passed");
    EXPECT_EQ(record_.failure, (Failure{"CHECK_FAILED", "red"}));
  }
  Restart({.needs_verdict = true});
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  ASSERT_THAT(Do(Conclude{.generation = Generation(1), .verdict = Verdict::kSucceeded, .message = "unjudged"}), IsOk());
  EXPECT_EQ(record_.timeline.back().message, "unjudged");
  EXPECT_EQ(record_.failure, Failure());
}

TEST_F(DecideTest, AVerdictThatIsNotUnderstoodPassesNothing) {
  Restart({.max_attempts = 1, .needs_verdict = true});
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  ASSERT_THAT(Do(Conclude{.generation = Generation(1), .verdict = static_cast<Verdict>(9), .message = "new"}), IsOk());
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_EQ(record_.timeline.back().message, "new");
}

TEST_F(DecideTest, AnswersRepeatedEvidenceAlsoWhenNoVerdictCame) {
  Restart({.needs_verdict = true});
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  SweepAfter(absl::Minutes(31));
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_EQ(LastCause(), "VERIFICATION_TIMEOUT");
  EXPECT_EQ(Again("a", Generation(1), Finished{}), kVerifying);

  Restart({.needs_verdict = true, .complete_by = now_ + absl::Minutes(1)});
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(record_.state, kExpired);
  EXPECT_EQ(Again("a", Generation(1), Finished{}), kVerifying);

  Restart({.needs_verdict = true});
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  EXPECT_EQ(Do(Cancel{})->state, kCancelled);
  EXPECT_THAT(record_.history, SizeIs(1));
  EXPECT_EQ(Again("a", Generation(1), Finished{}), kVerifying);
}

TEST_F(DecideTest, AnswersEveryFinalReportAgainAlsoWhenItEndedACancelledTask) {
  Start("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(kFailed)->state, kCancelled);
  EXPECT_EQ(Again("a", Generation(1), kFailed), kCancelled);
  EXPECT_THAT(Do(By("a", Generation(1), Released{})), IsError("STALE_GENERATION"));

  Restart({});
  Start("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(Released{})->state, kCancelled);
  EXPECT_EQ(Again("a", Generation(1), Released{}), kCancelled);
  EXPECT_THAT(Do(By("a", Generation(1), Finished{})), IsError("STALE_GENERATION"));

  Restart({});
  Give("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(Rejected{.failure = {"FULL", ""}})->state, kCancelled);
  EXPECT_EQ(Again("a", Generation(1), Rejected{}), kCancelled);

  Restart({.needs_verdict = true});
  Start("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(Finished{})->state, kCancelled) << "nobody needs the verdict any more";
  EXPECT_EQ(Again("a", Generation(1), Finished{}), kCancelled);
}

TEST_F(DecideTest, RefusesALateReportOfAnAssignmentThatNoReportEnded) {
  Start("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(record_.state, kCancelled);
  EXPECT_EQ(LastCause(), "CANCEL_TIMEOUT");
  EXPECT_THAT(Do(By("a", Generation(1), Released{})), IsError("STALE_GENERATION"));
  EXPECT_THAT(Do(By("a", Generation(1), Finished{})), IsError("STALE_GENERATION"));

  Restart({});
  Start("a");
  ASSERT_THAT(Do(AgentLost{.agent = "a", .generation = Generation(1), .cause = "AGENT_LOST"}), IsOk());
  EXPECT_THAT(Do(By("a", Generation(1), Finished{})), IsError("STALE_GENERATION"));
}

TEST_F(DecideTest, KeepsTheFirstAnswerWhenSomethingElseHappensAtTheSameMoment) {
  Start("a");
  EXPECT_EQ(Say(Released{})->state, kQueued);
  EXPECT_EQ(Do(Cancel{})->state, kCancelled);
  EXPECT_EQ(Again("a", Generation(1), Released{}), kQueued);
}

// Retries, losses, releases.

TEST_F(DecideTest, BacksOffLongerFromAttemptToAttemptThenGivesUp) {
  Start();
  EXPECT_EQ(Say(kFailed)->state, kQueued);
  EXPECT_EQ(record_.hold, HoldReason::kNone) << "the first retry comes at once";
  Start();
  EXPECT_EQ(Say(kFailed)->state, kQueued);
  EXPECT_EQ(record_.hold, HoldReason::kBackoff);
  EXPECT_EQ(record_.hold_until, now_ + absl::Seconds(30));
  SweepAfter(absl::Seconds(29));
  EXPECT_EQ(record_.stage(), Stage::kHeld);
  SweepAfter(absl::Seconds(1));
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  EXPECT_EQ(record_.hold_until, now_ + absl::Minutes(2));
  SweepAfter(absl::Minutes(2));
  Start();
  EXPECT_EQ(Say(kFailed)->state, kDeadLetter);
  EXPECT_EQ(LastCause(), "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(record_.failure, kFailed.failure);
  EXPECT_EQ(record_.attempts, 4);
}

TEST_F(DecideTest, FollowsTheTasksOwnPolicyOfRetries) {
  Restart({.max_attempts = 3, .backoff = {absl::Seconds(7)}});
  for (int attempt = 1; attempt <= 2; ++attempt) {
    Start();
    EXPECT_EQ(Say(kFailed)->state, kQueued);
    EXPECT_EQ(record_.hold_until, now_ + absl::Seconds(7)) << "the last wait repeats";
    SweepAfter(absl::Seconds(7));
  }
  Start();
  EXPECT_EQ(Say(kFailed)->state, kDeadLetter);
}

TEST_F(DecideTest, CountsLossesApartAndCapsThem) {
  Give("a");
  SweepAfter(absl::Seconds(60));
  EXPECT_EQ(LastCause(), "ACCEPT_TIMEOUT");
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Give("b");
  ASSERT_THAT(Say(Rejected{.failure = {"DISK_FULL", ""}}), IsOk());
  EXPECT_EQ(record_.hold_until, now_ + absl::Seconds(5)) << "the second loss cools down";
  SweepAfter(absl::Seconds(5));
  Start("c");
  const Generation third = record_.generation;
  ASSERT_THAT(Do(AgentLost{.agent = "c", .generation = third, .cause = "AGENT_LOST"}), IsOk());
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "LOST_TOO_OFTEN");
  EXPECT_EQ(record_.attempts, 0);
  EXPECT_EQ(record_.losses, 3);
  EXPECT_THAT(record_.avoid_agents, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(Do(AgentLost{.agent = "c", .generation = third})->unchanged) << "a loss counts once";
}

TEST_F(DecideTest, AcceptsAtTheLastMomentBeforeTheTimeOut) {
  Give("a");
  EXPECT_EQ(AcceptBy(rules_, record_), now_ + absl::Seconds(60));
  Advance(absl::Seconds(59));
  EXPECT_TRUE(Do(Due{})->unchanged);
  ASSERT_THAT(Say(Accepted{}), IsOk());
  EXPECT_GT(DueTime(rules_, record_), now_ + absl::Seconds(60));
}

TEST_F(DecideTest, GivesUpALostTaskWithEffectsOnlyWhenItHadStarted) {
  const TaskPolicy effects{.on_lost = OnLost::kDeadLetter};
  Restart(effects);
  Give("a");
  ASSERT_THAT(Do(AgentLost{.agent = "a", .generation = Generation(1), .cause = "AGENT_LOST"}), IsOk());
  EXPECT_EQ(record_.state, kQueued) << "it had not begun";
  Give("b");
  SweepAfter(absl::Seconds(60));
  EXPECT_EQ(record_.state, kQueued) << "not accepted";
  Restart(effects);
  Start("a");
  ASSERT_THAT(Do(AgentLost{.agent = "a", .generation = Generation(1), .cause = "AGENT_LOST"}), IsOk());
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "LOST_WITH_EFFECTS");
}

TEST_F(DecideTest, GivesUpATaskWithEffectsThatIsHandedBackOnceItHadStarted) {
  const TaskPolicy effects{.on_lost = OnLost::kDeadLetter};
  Restart(effects);
  Give("a");
  EXPECT_EQ(Say(Released{.reason = "drain"})->state, kQueued) << "it had not begun";
  Start("b");
  const Generation second = record_.generation;
  EXPECT_EQ(Say(Released{.reason = "drain"})->state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "LOST_WITH_EFFECTS");
  EXPECT_EQ(record_.attempts, 0);
  EXPECT_EQ(Again("b", second, Released{}), kDeadLetter);
  ASSERT_THAT(Do(Retry{}), IsOk());
  EXPECT_EQ(record_.state, kQueued);
  Start("c");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(Released{})->state, kCancelled);
}

TEST_F(DecideTest, CapsReleases) {
  for (int i = 1; i < rules_.max_releases; ++i) {
    Give();
    EXPECT_EQ(Say(Released{.reason = "drain"})->state, kQueued);
    EXPECT_EQ(record_.stage(), Stage::kReady);
  }
  Give();
  EXPECT_EQ(Say(Released{.reason = "drain"})->state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "RELEASED_TOO_OFTEN");
  EXPECT_EQ(record_.losses, 0);
  EXPECT_THAT(record_.avoid_agents, IsEmpty());
}

TEST_F(DecideTest, BoundsTheAgentsToAvoid) {
  rules_.max_losses = 100;
  for (int i = 0; i < kAvoidBound + 3; ++i) {
    SweepAfter(absl::Minutes(1));
    Give("agent-" + std::to_string(i));
    ASSERT_THAT(Say(Rejected{}), IsOk());
  }
  EXPECT_THAT(record_.avoid_agents, SizeIs(kAvoidBound));
  EXPECT_EQ(record_.avoid_agents.front(), "agent-3");
}

const Rejected kRefused{.failure = {"NOT_ALLOWED", "no rule allows it"}, .permanent = true};

TEST_F(DecideTest, ARefusalForGoodIsNoLossAndRulesOutThatAgent) {
  Give("a");
  EXPECT_EQ(Say(kRefused)->state, kQueued);
  EXPECT_EQ(record_.stage(), Stage::kReady) << "another agent may take it at once";
  EXPECT_EQ(LastCause(), "REFUSED");
  EXPECT_EQ(record_.losses, 0);
  EXPECT_EQ(record_.attempts, 0);
  EXPECT_THAT(record_.refusing_agents, ElementsAre("a"));
  EXPECT_THAT(record_.avoid_agents, IsEmpty());
  EXPECT_EQ(record_.failure, kRefused.failure);
  EXPECT_EQ(Again("a", Generation(1), kRefused), kQueued);
  Start("b");
  EXPECT_EQ(Say(Finished{})->state, kSucceeded);
}

TEST_F(DecideTest, ARefusalReplacesWhatWasOnlyToBeAvoided) {
  Give("a");
  ASSERT_THAT(Say(Rejected{.failure = {"NO_SLOT", ""}}), IsOk());
  EXPECT_THAT(record_.avoid_agents, ElementsAre("a"));
  SweepAfter(absl::Minutes(1));
  Give("a");
  ASSERT_THAT(Say(kRefused), IsOk());
  EXPECT_THAT(record_.avoid_agents, IsEmpty());
  EXPECT_THAT(record_.refusing_agents, ElementsAre("a"));
}

TEST_F(DecideTest, ManyRefusalsForGoodGiveTheTaskUp) {
  for (int i = 1; i < kRefusalBound; ++i) {
    Give("agent-" + std::to_string(i));
    EXPECT_EQ(Say(kRefused)->state, kQueued);
  }
  Give("last");
  EXPECT_EQ(Say(kRefused)->state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "REFUSED_BY_AGENTS");
  EXPECT_EQ(Do(Retry{})->state, kQueued);
  EXPECT_THAT(record_.refusing_agents, IsEmpty());
}

TEST_F(DecideTest, APersonsRetryAsksTheRefusingAgentsAgain) {
  Give("a");
  ASSERT_THAT(Say(kRefused), IsOk());
  EXPECT_FALSE(Do(Retry{})->unchanged);
  EXPECT_THAT(record_.refusing_agents, IsEmpty());
  EXPECT_EQ(record_.stage(), Stage::kReady);
  EXPECT_TRUE(Do(Retry{})->unchanged);
}

TEST_F(DecideTest, APersonsRetryEndsTheWaitForARoute) {
  ASSERT_THAT(
      Do(Hold{.generation = record_.generation, .reason = HoldReason::kNoRoute, .until = now_ + absl::Minutes(1)}),
      IsOk());
  EXPECT_EQ(Do(Retry{})->state, kQueued);
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

TEST_F(DecideTest, ARefusalEndsACancelledTask) {
  Give("a");
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(kRefused)->state, kCancelled);
  EXPECT_EQ(Again("a", Generation(1), kRefused), kCancelled);
}

TEST_F(DecideTest, BeginsToCountAnewWhenAPersonRetries) {
  Restart({.max_attempts = 1, .complete_by = now_ + absl::Minutes(1), .time_to_live = absl::Minutes(1)});
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  Advance(absl::Hours(1));
  EXPECT_EQ(Do(Retry{})->state, kQueued);
  EXPECT_EQ(record_.attempts, 0);
  EXPECT_EQ(record_.finish_time, absl::InfiniteFuture());
  EXPECT_GT(DueTime(rules_, record_), now_) << "limits of the first life do not end the second";
  EXPECT_TRUE(Do(Retry{})->unchanged);
  Start();
  EXPECT_EQ(Say(kFailed)->state, kDeadLetter);
}

TEST_F(DecideTest, EndsABackoffWhenAPersonRetries) {
  Restart({.backoff = {absl::Hours(1)}});
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  EXPECT_EQ(record_.hold, HoldReason::kBackoff);
  ASSERT_THAT(Do(Retry{}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

TEST_F(DecideTest, DiscardsOnlyDeadLetters) {
  EXPECT_THAT(Do(Discard{}), IsError("WRONG_STATE"));
  Restart({.max_attempts = 1});
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  EXPECT_THAT(Do(Cancel{}), IsError("WRONG_STATE"));
  EXPECT_EQ(Do(Discard{})->state, kDiscarded);
  EXPECT_TRUE(Do(Discard{})->unchanged);
  EXPECT_THAT(Do(Retry{}), IsError("WRONG_STATE"));
}

// Cancelling.

TEST_F(DecideTest, CancelsAtOnceWhatNoAgentHas) {
  EXPECT_EQ(Do(Cancel{.reason = "no need"})->state, kCancelled);
  EXPECT_EQ(record_.failure.message, "no need");
  EXPECT_TRUE(Do(Cancel{})->unchanged);
  EXPECT_THAT(Do(Assign{.agent = "a"}), IsError("TASK_NOT_READY"));
}

TEST_F(DecideTest, AsksTheAgentToStopACancelledTask) {
  Start();
  EXPECT_EQ(Do(Cancel{.reason = "no need"})->state, kRunning);
  EXPECT_TRUE(record_.cancel_requested);
  EXPECT_TRUE(Do(Cancel{})->unchanged);
  EXPECT_EQ(DueTime(rules_, record_), now_ + rules_.cancel_grace);
  EXPECT_EQ(Say(Released{})->state, kCancelled);
}

TEST_F(DecideTest, LetsASuccessOutrunItsCancellation) {
  Start();
  ASSERT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(Say(Finished{})->state, kSucceeded);
  EXPECT_THAT(Do(Cancel{}), IsError("WRONG_STATE")) << "it was not cancelled";
}

TEST_F(DecideTest, EndsACancelledTaskHoweverItsAssignmentEnds) {
  const auto cancelled = [&](auto end) {
    Restart({.on_lost = OnLost::kDeadLetter});
    Give();
    ASSERT_THAT(Do(Cancel{.reason = "no need"}), IsOk());
    end();
    EXPECT_EQ(record_.state, kCancelled);
    EXPECT_EQ(record_.failure, (Failure{"CANCELLED", "no need"}));
    EXPECT_THAT(record_.history, SizeIs(1));
  };
  cancelled([&] { Say(kFailed).IgnoreError(); });
  cancelled([&] { Say(Failed{.permanent = true}).IgnoreError(); });
  cancelled([&] { Do(AgentLost{.agent = "a", .generation = Generation(1), .cause = "AGENT_LOST"}).IgnoreError(); });
  cancelled([&] {
    Say(Accepted{}).IgnoreError();
    Do(AgentLost{.agent = "a", .generation = Generation(1), .cause = "AGENT_LOST"}).IgnoreError();
  });
  cancelled([&] { SweepAfter(absl::Minutes(1)); });
}

// Blocking.

TEST_F(DecideTest, StopsTheStuckClockWhileATaskIsBlocked) {
  Start();
  ASSERT_THAT(Say(Blocked{.question = "Which branch?", .reason = "needs_input"}), IsOk());
  EXPECT_TRUE(Say(Blocked{.question = "Which branch?"})->unchanged);
  SweepAfter(absl::Minutes(50));
  EXPECT_EQ(record_.state, kRunning);
  ASSERT_THAT(Do(Answer{.answer = "main"}), IsOk());
  EXPECT_TRUE(Do(Answer{.answer = "main"})->unchanged) << "the answer to the answer was lost";
  SweepAfter(absl::Minutes(4));
  EXPECT_EQ(record_.state, kRunning) << "the clock began anew";
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(LastCause(), "STUCK");
}

TEST_F(DecideTest, KeepsAnAnswerUntilTheAgentGoesOn) {
  Start();
  ASSERT_THAT(Say(Blocked{.question = "Which branch?"}), IsOk());
  ASSERT_THAT(Do(Answer{.answer = "main"}), IsOk());
  EXPECT_TRUE(Say(Blocked{.question = "Which branch?"})->unchanged) << "a late repetition takes no answer away";
  EXPECT_EQ(record_.answer, "main");
  EXPECT_FALSE(Say(PhaseChanged{.phase = Phase::kExecuting})->unchanged);
  EXPECT_EQ(record_.answer, "");
  EXPECT_FALSE(Say(Blocked{.question = "Which branch?"})->unchanged) << "now it is asked again";
}

TEST_F(DecideTest, AnswersOnlyABlockedTask) {
  EXPECT_THAT(Do(Answer{.answer = "main"}), IsError("WRONG_STATE"));
  Start();
  EXPECT_THAT(Do(Answer{.answer = "main"}), IsError("WRONG_STATE"));
}

// Time limits.

TEST_F(DecideTest, EndsARunThatTakesTooLong) {
  Restart({.run = absl::Minutes(10)});
  Start();
  for (int i = 0; i < 9; ++i) {
    Advance(absl::Minutes(1));
    ASSERT_THAT(Say(Progressed{.message = "going on"}), IsOk());
  }
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(LastCause(), "RUN_TIMEOUT");
  EXPECT_EQ(record_.state, kQueued);
  EXPECT_EQ(record_.attempts, 1);
  EXPECT_EQ(record_.history.back().outcome, AttemptOutcome::kTimedOut);
}

TEST_F(DecideTest, GivesATaskWithAModelMoreTimeWithoutASign) {
  Restart({.uses_model = true});
  Start();
  SweepAfter(absl::Minutes(14));
  EXPECT_EQ(record_.state, kRunning);
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(LastCause(), "STUCK");
}

TEST_F(DecideTest, WritesSignsOfProgressNoMoreOftenThanNeeded) {
  Start();
  Advance(absl::Seconds(19));
  EXPECT_TRUE(Say(Progressed{.message = "1"})->unchanged);
  Advance(absl::Seconds(1));
  EXPECT_FALSE(Say(Progressed{.message = "2"})->unchanged);
}

TEST_F(DecideTest, ExpiresATaskThatDidNotStartInTime) {
  Restart({.time_to_live = absl::Minutes(10)});
  Give("a");
  ASSERT_THAT(Say(Rejected{}), IsOk());
  SweepAfter(absl::Minutes(10));
  EXPECT_EQ(record_.state, kExpired) << "being rejected is no start";
  EXPECT_EQ(record_.failure.reason, "TIME_TO_LIVE");

  Restart({.time_to_live = absl::Minutes(10)}, now_ + absl::Hours(1));
  SweepAfter(absl::Minutes(10));
  EXPECT_EQ(record_.state, kExpired) << "also while it is delayed";
}

TEST_F(DecideTest, ForgetsTheTimeToLiveOnceATaskStarted) {
  Restart({.time_to_live = absl::Minutes(2)});
  Start("a");
  SweepAfter(absl::Minutes(3));
  ASSERT_THAT(Say(kFailed), IsOk());
  Sweep();
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

TEST_F(DecideTest, ExpiresATaskThatDidNotEndInTimeInEveryState) {
  const auto expired = [&](auto prepare) {
    Restart({.needs_verdict = true, .complete_by = now_ + absl::Seconds(30)});
    prepare();
    SweepAfter(absl::Seconds(30));
    EXPECT_EQ(record_.state, kExpired);
    EXPECT_EQ(LastCause(), "COMPLETE_BY");
    EXPECT_EQ(record_.history.size(), static_cast<std::size_t>(ToInt(record_.generation)));
    EXPECT_EQ(DueTime(rules_, record_), absl::InfiniteFuture());
  };
  expired([] {});
  expired([&] { Do(PauseOne{}).IgnoreError(); });
  expired([&] { Give(); });
  expired([&] { Start(); });
  expired([&] {
    Start();
    Say(Finished{}).IgnoreError();
  });
}

// Verdicts.

TEST_F(DecideTest, ConcludesOnAVerdict) {
  Restart({.needs_verdict = true});
  Start("a");
  ASSERT_THAT(Say(Finished{.usage = "first"}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kJudging);
  EXPECT_THAT(Do(Conclude{.generation = Generation(2), .verdict = Verdict::kSucceeded}), IsError("STALE_GENERATION"));
  const Conclude refused{.generation = Generation(1), .verdict = Verdict::kFailed, .failure = {"CHECK", "red"}};
  EXPECT_EQ(Do(refused)->state, kQueued);
  EXPECT_TRUE(Do(refused)->unchanged) << "a verdict counts once";
  EXPECT_EQ(record_.attempts, 1);
  Start("a");
  ASSERT_THAT(Say(Finished{}), IsOk());
  const Conclude passed{.generation = Generation(2), .verdict = Verdict::kSucceeded};
  EXPECT_EQ(Do(passed)->state, kSucceeded);
  EXPECT_TRUE(Do(passed)->unchanged);
  EXPECT_THAT(Do(Conclude{.generation = Generation(2), .verdict = Verdict::kFailed}), IsError("WRONG_STATE"));
}

TEST_F(DecideTest, LeavesNoUsageOfAnEarlierAttemptOnALaterOne) {
  Start("a");
  ASSERT_THAT(Say(Failed{.failure = {"EXIT_STATUS", "1"}, .usage = "40 tokens"}), IsOk());
  Start("a");
  ASSERT_THAT(Do(AgentLost{.agent = "a", .generation = Generation(2), .cause = "AGENT_LOST"}), IsOk());
  EXPECT_EQ(record_.history[0].usage, "40 tokens");
  EXPECT_EQ(record_.history[1].usage, "");
}

// Holds and pauses.

TEST_F(DecideTest, HoldsAndOffersAgain) {
  const Hold hold{.reason = HoldReason::kNoRoute, .until = now_ + absl::Minutes(1), .message = "no model"};
  ASSERT_THAT(Do(hold), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kHeld);
  EXPECT_TRUE(Do(hold)->unchanged);
  ASSERT_THAT(Do(Hold{.reason = HoldReason::kNone}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);
  EXPECT_TRUE(Do(Hold{.reason = HoldReason::kNone, .until = now_})->unchanged);
  ASSERT_THAT(Do(hold), IsOk());
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Give();
  EXPECT_THAT(Do(hold), IsError("STALE_GENERATION"));
  EXPECT_THAT(Do(Hold{.generation = Generation(1), .reason = HoldReason::kNoAgent}), IsError("WRONG_STATE"));
}

TEST_F(DecideTest, LetsNoSchedulerEndAPauseOrABackoffOrADelay) {
  const auto refused = [&] {
    EXPECT_THAT(Do(Hold{.generation = record_.generation, .reason = HoldReason::kNone}), IsError("WRONG_STATE"));
  };
  ASSERT_THAT(Do(PauseOne{}), IsOk());
  refused();
  Restart({}, now_ + absl::Hours(1));
  refused();
  Restart({.backoff = {absl::Hours(1)}});
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  refused();
}

TEST_F(DecideTest, ReturnsFromAPauseToWhatItInterrupted) {
  const auto hold_after_pause = [&](absl::Duration pause) {
    EXPECT_THAT(Do(PauseOne{.reason = "lunch"}), IsOk());
    EXPECT_TRUE(Do(PauseOne{})->unchanged);
    SweepAfter(pause);
    EXPECT_EQ(record_.hold, HoldReason::kPaused);
    EXPECT_THAT(Do(ResumeOne{}), IsOk());
    EXPECT_TRUE(Do(ResumeOne{})->unchanged);
    return record_.hold;
  };
  EXPECT_EQ(hold_after_pause(absl::Hours(1)), HoldReason::kNone);

  Restart({.backoff = {absl::Hours(1)}});
  Start();
  ASSERT_THAT(Say(kFailed), IsOk());
  const absl::Time until = record_.hold_until;
  EXPECT_EQ(hold_after_pause(absl::Minutes(1)), HoldReason::kBackoff);
  EXPECT_EQ(record_.hold_until, until);
  EXPECT_EQ(hold_after_pause(absl::Hours(1)), HoldReason::kNone) << "the backoff passed meanwhile";

  Restart({}, now_ + absl::Hours(1));
  EXPECT_EQ(hold_after_pause(absl::Minutes(1)), HoldReason::kDelayed);

  Restart({});
  ASSERT_THAT(Do(Hold{.reason = HoldReason::kApproval}), IsOk());
  EXPECT_EQ(hold_after_pause(absl::Hours(1)), HoldReason::kApproval) << "a pause approves nothing";
}

// Bounds.

TEST_F(DecideTest, BoundsTheTimelineFromItsMiddle) {
  Start();
  for (int i = 0; i < 400; ++i) {
    Advance(absl::Seconds(1));
    ASSERT_THAT(Say(PhaseChanged{.phase = i % 2 == 0 ? Phase::kLoading : Phase::kGenerating}), IsOk());
  }
  EXPECT_THAT(record_.timeline, SizeIs(kTimelineHead + kTimelineTail));
  EXPECT_EQ(record_.timeline[kTimelineHead - 1].ordinal, kTimelineHead);
  EXPECT_EQ(record_.timeline.back().ordinal, kTimelineHead + kTimelineTail + record_.omitted_events);
  EXPECT_EQ(record_.timeline.back().ordinal, 403);
}

TEST_F(DecideTest, BoundsTheHistoryToTheNewestAttempts) {
  Restart({.max_attempts = 1});
  for (int i = 0; i < kHistoryBound + 10; ++i) {
    Start();
    ASSERT_THAT(Say(kFailed), IsOk());
    ASSERT_THAT(Do(Retry{}), IsOk());
  }
  EXPECT_THAT(record_.history, SizeIs(kHistoryBound));
  EXPECT_EQ(record_.history.back().generation, record_.generation);
  EXPECT_EQ(Again("a", record_.generation, kFailed), kDeadLetter);
  EXPECT_THAT(Do(By("a", Generation(1), kFailed)), IsError("STALE_GENERATION"));
}

TEST_F(DecideTest, BeginsHeldUntilItsStartTime) {
  Restart({}, now_ + absl::Minutes(1));
  EXPECT_EQ(record_.hold, HoldReason::kDelayed);
  EXPECT_EQ(record_.revision, 1);
  EXPECT_THAT(record_.timeline, SizeIs(1));
  SweepAfter(absl::Minutes(1));
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

}  // namespace
}  // namespace switchyard::task_queue

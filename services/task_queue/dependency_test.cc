// Tasks that wait for others: the rules of their life, and that they hear of every end.
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/dependency_desk.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/sweeper.h"
#include "tests/sim/forwarding_store.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum TaskState;

// One task that waits, and what it hears.
class WaitingTest : public ::testing::Test {
 protected:
  TaskId Id(int n) const { return TaskId(testing::FakeUuid(now_, static_cast<std::uint64_t>(n))); }
  void Wait(std::vector<Awaited> awaits, TaskPolicy policy = {}, absl::Time start = absl::InfinitePast(),
            const std::vector<EndedTask>& ended = {}) {
    record_ = {.policy = std::move(policy), .awaits = std::move(awaits)};
    Begin(start, now_, record_, ended);
  }
  // True when it was news.
  bool Hear(std::vector<EndedTask> ended) { return !Do(DependenciesEnded{std::move(ended)})->unchanged; }
  template <class What>
  absl::StatusOr<Answered> Do(What what) {
    return Decide(rules_, {record_.id, std::move(what)}, now_, record_);
  }
  const TaskEvent& Last() const { return record_.timeline.back(); }

  const Rules rules_;
  absl::Time now_ = FakeClock().Now();
  const TaskId a_ = Id(1), b_ = Id(2), c_ = Id(3);
  TaskRecord record_;
};

TaskPolicy Any(OnDependencyFailure failure = OnDependencyFailure::kFail) {
  TaskPolicy policy;
  policy.dependency_rule = DependencyRule::kAny;
  policy.on_dependency_failure = failure;
  return policy;
}
TaskPolicy All(OnDependencyFailure failure) {
  TaskPolicy policy;
  policy.on_dependency_failure = failure;
  return policy;
}

TEST_F(WaitingTest, IsHeldUntilAllHaveSucceeded) {
  Wait({{.task = a_}, {.task = b_}});
  EXPECT_EQ(record_.stage(), Stage::kHeld);
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
  EXPECT_EQ(Last().cause, "DEPENDENCY");
  EXPECT_EQ(Last().message, "waits for " + a_.ToString() + ", " + b_.ToString());
  EXPECT_EQ(DueTime(rules_, record_), absl::InfiniteFuture());
  EXPECT_TRUE(Hear({{a_, true}}));
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
  EXPECT_THAT(Last().message, HasSubstr("waits for " + b_.ToString()));
  EXPECT_FALSE(Hear({{a_, true}})) << "told twice";
  EXPECT_FALSE(Hear({{c_, false}})) << "nobody waits for it";
  EXPECT_TRUE(Hear({{b_, true}}));
  EXPECT_EQ(record_.stage(), Stage::kReady);
  EXPECT_EQ(Last().cause, "DEPENDENCY_ENDED");
  EXPECT_THAT(record_.awaits, IsEmpty());
}

TEST_F(WaitingTest, WhatEndedBeforeCountsAtOnce) {
  Wait({{.task = a_}}, {}, absl::InfinitePast(), {{a_, true}});
  EXPECT_EQ(record_.stage(), Stage::kReady);
  EXPECT_THAT(record_.timeline, SizeIs(1));
  Wait({{.task = a_}, {.task = b_}}, {}, absl::InfinitePast(), {{a_, false}});
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_EQ(record_.failure.reason, "DEPENDENCY_FAILED");
  EXPECT_THAT(record_.timeline, SizeIs(2));
  EXPECT_THAT(record_.awaits, IsEmpty());
}

TEST_F(WaitingTest, AFailureEndsItAsItAskedFor) {
  Wait({{.task = a_}, {.task = b_}});
  EXPECT_TRUE(Hear({{b_, false}}));
  EXPECT_EQ(record_.state, kDeadLetter);
  EXPECT_THAT(record_.failure.message, HasSubstr(b_.ToString()));
  EXPECT_EQ(record_.attempts, 0);
  Wait({{.task = a_}, {.task = b_}}, All(OnDependencyFailure::kCancel));
  EXPECT_TRUE(Hear({{b_, false}}));
  EXPECT_EQ(record_.state, kCancelled);
  EXPECT_EQ(Last().cause, "DEPENDENCY_FAILED");
  Wait({{.task = a_}, {.task = b_}}, All(OnDependencyFailure::kRun));
  EXPECT_TRUE(Hear({{b_, false}}));
  EXPECT_EQ(record_.hold, HoldReason::kDependency) << "the other one is still waited for";
  EXPECT_TRUE(Hear({{a_, true}}));
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

TEST_F(WaitingTest, AnySuccessIsEnough) {
  Wait({{.task = a_}, {.task = b_}, {.task = c_}}, Any());
  EXPECT_TRUE(Hear({{a_, false}}));
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
  EXPECT_TRUE(Hear({{b_, true}}));
  EXPECT_EQ(record_.stage(), Stage::kReady);
  EXPECT_THAT(record_.awaits, IsEmpty());
  Wait({{.task = a_}, {.task = b_}}, Any());
  EXPECT_TRUE(Hear({{a_, false}}));
  EXPECT_TRUE(Hear({{b_, false}}));
  EXPECT_EQ(record_.state, kDeadLetter);
  Wait({{.task = a_}, {.task = b_}}, Any(OnDependencyFailure::kRun));
  EXPECT_TRUE(Hear({{a_, false}, {b_, false}}));
  EXPECT_EQ(record_.stage(), Stage::kReady) << "all have ended";
}

TEST_F(WaitingTest, AContinuationWaitsForAnyEnd) {
  Wait({{.task = a_, .any_end = true}});
  EXPECT_TRUE(Hear({{a_, false}}));
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Wait({{.task = a_}, {.task = b_}, {.task = c_, .any_end = true}}, Any());
  EXPECT_TRUE(Hear({{a_, true}}));
  EXPECT_EQ(record_.hold, HoldReason::kDependency) << "whatever the rule";
  EXPECT_THAT(record_.awaits, ElementsAre(Awaited{.task = c_, .any_end = true}));
  EXPECT_TRUE(Hear({{c_, false}}));
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

TEST_F(WaitingTest, AnOptionalOneMayFailOrTakeTooLong) {
  Wait({{.task = a_, .optional = true}, {.task = b_, .optional = true, .until = now_ + absl::Minutes(5)}});
  EXPECT_EQ(DueTime(rules_, record_), now_ + absl::Minutes(5));
  EXPECT_TRUE(Hear({{a_, false}}));
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
  now_ += absl::Minutes(5);
  EXPECT_THAT(Do(Due{}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);
  Wait({{.task = a_}, {.task = b_, .optional = true, .until = now_ + absl::Minutes(5)}}, Any());
  EXPECT_TRUE(Hear({{a_, false}}));
  now_ += absl::Minutes(5);
  EXPECT_THAT(Do(Due{}), IsOk());
  EXPECT_EQ(record_.state, kDeadLetter) << "the one that had to succeed did not, and no other did";
}

TEST_F(WaitingTest, AStartTimeAndAPauseHoldItToo) {
  Wait({{.task = a_}}, {}, now_ + absl::Minutes(5));
  EXPECT_EQ(record_.hold, HoldReason::kDelayed);
  now_ += absl::Minutes(5);
  EXPECT_THAT(Do(Due{}), IsOk());
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
  EXPECT_THAT(Do(PauseOne{}), IsOk());
  EXPECT_TRUE(Hear({{a_, true}}));
  EXPECT_EQ(record_.hold, HoldReason::kPaused);
  EXPECT_THAT(Do(ResumeOne{}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);

  Wait({{.task = a_}}, {}, now_ + absl::Minutes(5));
  EXPECT_TRUE(Hear({{a_, true}}));
  EXPECT_EQ(record_.hold, HoldReason::kDelayed);
  now_ += absl::Minutes(5);
  EXPECT_THAT(Do(Due{}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);

  Wait({{.task = a_}});
  EXPECT_THAT(Do(PauseOne{}), IsOk());
  EXPECT_THAT(Do(ResumeOne{}), IsOk());
  EXPECT_EQ(record_.hold, HoldReason::kDependency);
}

TEST_F(WaitingTest, NobodyElseEndsTheWaitButWhoEndsTheTask) {
  Wait({{.task = a_}});
  EXPECT_THAT(Do(Hold{.reason = HoldReason::kNone}), IsError("WRONG_STATE"));
  EXPECT_THAT(Do(Retry{}), IsError("WRONG_STATE"));
  EXPECT_THAT(Do(Assign{.agent = "agent"}), IsError("TASK_NOT_READY"));
  EXPECT_THAT(Do(Cancel{}), IsOk());
  EXPECT_EQ(record_.state, kCancelled);
  EXPECT_THAT(record_.awaits, IsEmpty());
  EXPECT_FALSE(Hear({{a_, true}}));
  TaskPolicy policy;
  policy.time_to_live = absl::Minutes(1);
  Wait({{.task = a_}}, policy);
  now_ += absl::Minutes(1);
  EXPECT_THAT(Do(Due{}), IsOk());
  EXPECT_EQ(record_.state, kExpired);
}

TEST_F(WaitingTest, ARetryFromTheDeadLetterWaitsNoMore) {
  Wait({{.task = a_}});
  EXPECT_TRUE(Hear({{a_, false}}));
  EXPECT_THAT(Do(Retry{}), IsOk());
  EXPECT_EQ(record_.stage(), Stage::kReady);
}

// Over the in-memory store, without threads.
class DependencyDeskTest : public ::testing::Test {
 protected:
  absl::StatusOr<Submitted> TrySubmit(std::vector<Awaited> awaits = {}, TaskPolicy policy = {}) {
    Submission submission;
    submission.task.record.awaits = std::move(awaits);
    submission.task.record.policy = std::move(policy);
    absl::StatusOr<Submitted> answer = absl::UnknownError("");
    lanes_.Submit(std::move(submission), [&](absl::StatusOr<Submitted> submitted) { answer = std::move(submitted); });
    if (answer.ok()) desk_.Committed(*answer->record);
    return answer;
  }
  TaskId Submit(std::vector<Awaited> awaits = {}, TaskPolicy policy = {}) {
    return TrySubmit(std::move(awaits), std::move(policy))->id;
  }
  TaskRecord Read(const TaskId& id) { return store_.Get(id)->record; }
  // As this process does it, or, not `heard`, another one that dies before it can say so.
  void Do(const TaskId& id, Command command, bool heard = true) {
    command.id = id;
    lanes_.Execute(std::move(command), [&](const absl::StatusOr<Executed>& executed) {
      ASSERT_THAT(executed, IsOk());
      if (heard && executed->record != nullptr) desk_.Committed(*executed->record);
    });
  }
  void Succeed(const TaskId& id, bool heard = true) {
    Do(id, {{}, Assign{.seen = Read(id).generation, .agent = "a", .session_epoch = session_.epoch}});
    Do(id, {{}, Report{.generation = Read(id).generation, .agent = "a", .session_epoch = 1, .what = Finished{}}},
       heard);
  }
  void Cancel(const TaskId& id, bool heard = true) { Do(id, {{}, task_queue::Cancel{}}, heard); }
  // A whole round of sweeps.
  void Sweep() {
    clock_.Advance(DependencyDesk::kSweepPeriod);
    ASSERT_THAT(desk_.Tick(), IsOk());
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  InMemoryTaskStore store_;
  const Session session_ = *store_.OpenSession("a", "hub", absl::InfiniteFuture());
  RecordCache cache_{1024, 64u << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{store_, queue_};
  int woken_ = 0;
  DependencyDesk desk_{store_, lanes_, clock_, [this] { ++woken_; }};
};

TEST_F(DependencyDeskTest, AnEndIsToldAtOnceToAllWhoWait) {
  const TaskId first = Submit();
  const TaskId one = Submit({{.task = first}});
  const TaskId two = Submit({{.task = first}});
  const TaskId after_both = Submit({{.task = one}, {.task = two}});
  ASSERT_THAT(desk_.Tick(), IsOkAndHolds(0));
  EXPECT_EQ(Read(one).hold, HoldReason::kDependency);
  woken_ = 0;
  Succeed(first);
  EXPECT_GT(woken_, 0);
  EXPECT_THAT(desk_.Tick(), IsOkAndHolds(2));
  EXPECT_EQ(Read(one).stage(), Stage::kReady);
  EXPECT_EQ(Read(two).stage(), Stage::kReady);
  Succeed(one);
  Succeed(two);
  EXPECT_THAT(desk_.Tick(), IsOkAndHolds(1));
  EXPECT_EQ(Read(after_both).stage(), Stage::kReady);
  EXPECT_THAT(store_.ScanWaits({}, 10), IsOkAndHolds(IsEmpty()));
}

TEST_F(DependencyDeskTest, FailuresRunDownAChain) {
  std::vector<TaskId> chain = {Submit()};
  for (int i = 0; i < 20; ++i) chain.push_back(Submit({{.task = chain.back()}}));
  Cancel(chain.front());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    ASSERT_THAT(desk_.Tick(), IsOk());
    // What the desk has executed is said to it by the lanes of the product.
    desk_.Committed(Read(chain[i]));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) EXPECT_EQ(Read(chain[i]).state, kDeadLetter) << i;
}

TEST_F(DependencyDeskTest, AnEndThatASubmissionDidNotSeeIsFoundByItsOwnLook) {
  const TaskId first = Submit();
  ASSERT_THAT(desk_.Tick(), IsOk());
  Submission submission;
  submission.task.record.awaits = {{.task = first}};
  // Stored as if it had read before the other one's end was committed.
  NewTask late = submission.task;
  late.record.id = ids_.New<TaskId>();
  Begin(absl::InfinitePast(), clock_.Now(), late.record);
  Succeed(first);
  ASSERT_THAT(desk_.Tick(), IsOkAndHolds(0)) << "nobody waits for it yet";
  ASSERT_THAT(store_.RunBatch([&](TaskBatch& batch) {
    return batch.Insert({&late, 1}, clock_.Now()).status();
  }),
              IsOk());
  desk_.Committed(late.record);
  EXPECT_THAT(desk_.Tick(), IsOkAndHolds(1));
  EXPECT_EQ(Read(late.record.id).stage(), Stage::kReady);
}

TEST_F(DependencyDeskTest, WhatACrashLostIsFoundByTheSweep) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  ASSERT_THAT(desk_.Tick(), IsOk());
  Succeed(first, /*heard=*/false);
  ASSERT_THAT(desk_.Tick(), IsOkAndHolds(0));
  EXPECT_EQ(Read(second).hold, HoldReason::kDependency);
  Sweep();
  EXPECT_EQ(Read(second).stage(), Stage::kReady);
}

TEST_F(DependencyDeskTest, EndsCostNothingWhileNobodyWaits) {
  Sweep();
  woken_ = 0;
  Succeed(Submit());
  EXPECT_EQ(woken_, 0);
  // Another replica's news.
  desk_.SomebodyWaits();
  Succeed(Submit());
  EXPECT_EQ(woken_, 1);
  Sweep();
  Succeed(Submit());
  EXPECT_EQ(woken_, 1);
}

TEST_F(DependencyDeskTest, ManyWaitForOne) {
  const TaskId first = Submit();
  std::vector<TaskId> waiting;
  for (int i = 0; i < DependencyDesk::kPage + 10; ++i) waiting.push_back(Submit({{.task = first}}));
  while (*desk_.Tick() > 0 || desk_.Period() == absl::ZeroDuration()) {
  }
  Succeed(first);
  ASSERT_THAT(desk_.Tick(), IsOkAndHolds(static_cast<int>(waiting.size())));
  for (const TaskId& id : waiting) ASSERT_EQ(Read(id).stage(), Stage::kReady);
}

TEST_F(DependencyDeskTest, OnlyStoredTasksCanBeWaitedFor) {
  const TaskId first = Submit();
  const TaskId never = ids_.New<TaskId>();
  const absl::StatusOr<Submitted> unknown = TrySubmit({{.task = first}, {.task = never}});
  EXPECT_THAT(unknown, IsError("DEPENDENCY_NOT_FOUND"));
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  ASSERT_THAT(DetailsOf(unknown.status()).violations, SizeIs(1));
  EXPECT_EQ(DetailsOf(unknown.status()).violations[0].field, "spec.dependencies[1].task_id");
  const absl::StatusOr<Submitted> continued = TrySubmit({{.task = never, .any_end = true}});
  ASSERT_THAT(DetailsOf(continued.status()).violations, SizeIs(1));
  EXPECT_EQ(DetailsOf(continued.status()).violations[0].field, "spec.continues_task_id");
  EXPECT_THAT(store_.AllRecords(), SizeIs(1));
}

TEST_F(DependencyDeskTest, OneThatIsStoredNoMoreCannotBeCountedUpon) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  Cancel(first, /*heard=*/false);
  store_.DropTask(first);
  Sweep();
  EXPECT_EQ(Read(second).state, kDeadLetter);
}

// Answers when told so, and has no room when told so.
class SlowLanes final : public TaskLanes {
 public:
  explicit SlowLanes(TaskLanes& lanes) : lanes_(lanes) {}
  void Submit(Submission submission, SubmitAnswer answer) override {
    lanes_.Submit(std::move(submission), std::move(answer));
  }
  void Execute(Command command, ExecuteAnswer answer) override {
    if (full) return answer(MakeError(absl::StatusCode::kResourceExhausted, "QUEUE_FULL", "full"));
    held_.emplace_back(std::move(command), std::move(answer));
  }
  void Answer(std::size_t count) {
    for (; count > 0 && !held_.empty(); --count) {
      auto [command, answer] = std::move(held_.front());
      held_.pop_front();
      lanes_.Execute(std::move(command), std::move(answer));
    }
  }
  std::size_t held() const { return held_.size(); }
  bool full = false;

 private:
  TaskLanes& lanes_;
  std::deque<std::pair<Command, ExecuteAnswer>> held_;
};

// Notes where sweeps begin, and finds nothing or fails when told so.
class TroubledStore final : public sim::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  absl::StatusOr<std::vector<task_queue::Wait>> ScanWaits(const task_queue::Wait& after, int limit) override {
    swept_from.push_back(after.task);
    if (blind) return std::vector<task_queue::Wait>();
    return ForwardingStore::ScanWaits(after, limit);
  }
  absl::StatusOr<std::vector<task_queue::Wait>> WaitsFor(absl::Span<const TaskId> awaited,
                                                         const task_queue::Wait& after, int limit) override {
    if (away) return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away");
    return ForwardingStore::WaitsFor(awaited, after, limit);
  }
  std::vector<TaskId> swept_from;
  bool blind = false;
  bool away = false;
};

// What stands in the desk's way.
class TroubledDeskTest : public DependencyDeskTest {
 protected:
  // The end of a task is committed, and nobody looked yet.
  void End(const TaskId& id) {
    Cancel(id, /*heard=*/false);
    troubled_desk_.Committed(Read(id));
  }
  bool Waits(const TaskId& id) { return Read(id).stage() == Stage::kHeld; }

  TroubledStore troubled_{store_};
  SlowLanes slow_{lanes_};
  int woken_for_room_ = 0;
  DependencyDesk troubled_desk_{troubled_, slow_, clock_, [this] { ++woken_for_room_; }};
};

TEST_F(TroubledDeskTest, TheLanesKeepRoomForOthers) {
  constexpr std::size_t kMost = DependencyDesk::kMostInFlight;
  const TaskId first = Submit();
  std::vector<TaskId> waiting;
  for (int i = 0; i < DependencyDesk::kPage + 100; ++i) waiting.push_back(Submit({{.task = first}}));
  End(first);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(static_cast<int>(kMost)));
  EXPECT_THAT(troubled_desk_.Tick(), IsOkAndHolds(0));
  EXPECT_GT(troubled_desk_.Period(), absl::ZeroDuration()) << "there is nothing to do until answers return";
  woken_for_room_ = 0;
  slow_.Answer(kMost / 2 - 1);
  EXPECT_EQ(woken_for_room_, 0) << "each look is to be worth it";
  slow_.Answer(1);
  EXPECT_EQ(woken_for_room_, 1);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(static_cast<int>(kMost / 2)));
  while (slow_.held() > 0) {
    ASSERT_LE(slow_.held(), kMost);
    slow_.Answer(kMost);
    do {
      ASSERT_THAT(troubled_desk_.Tick(), IsOk());
    } while (troubled_desk_.Period() == absl::ZeroDuration());
  }
  for (const TaskId& id : waiting) ASSERT_FALSE(Waits(id));
}

TEST_F(TroubledDeskTest, WhoWasRefusedIsToldAgain) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  troubled_.blind = true;
  slow_.full = true;
  End(first);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(1));
  slow_.full = false;
  EXPECT_THAT(troubled_desk_.Tick(), IsOkAndHolds(0)) << "not at once";
  EXPECT_GT(troubled_desk_.Period(), absl::ZeroDuration());
  clock_.Advance(DependencyDesk::kSweepPeriod);
  EXPECT_THAT(troubled_desk_.Tick(), IsOkAndHolds(1));
  slow_.Answer(1);
  EXPECT_FALSE(Waits(second));
}

TEST_F(TroubledDeskTest, TheSweepRunsThoughTheLookAfterEndsFails) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  Cancel(first, /*heard=*/false);
  troubled_.away = true;
  End(Submit());
  EXPECT_THAT(troubled_desk_.Tick(), IsError("DATABASE_UNAVAILABLE"));
  slow_.Answer(1);
  EXPECT_FALSE(Waits(second));
}

TEST_F(TroubledDeskTest, ALookThatFailedIsTakenAgain) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  troubled_.blind = true;
  troubled_.away = true;
  End(first);
  EXPECT_THAT(troubled_desk_.Tick(), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_GT(troubled_desk_.Period(), absl::ZeroDuration());
  troubled_.away = false;
  EXPECT_THAT(troubled_desk_.Tick(), IsOkAndHolds(1));
  slow_.Answer(1);
  EXPECT_FALSE(Waits(second));
}

TEST_F(TroubledDeskTest, SweepsBeginWhereSomebodyWaitsAndNowAndThenAtTheBeginning) {
  Submit({{.task = Submit()}});
  const auto next = [this] {
    clock_.Advance(DependencyDesk::kSweepPeriod);
    EXPECT_THAT(troubled_desk_.Tick(), IsOk());
    return troubled_.swept_from.back();
  };
  EXPECT_EQ(next(), TaskId());
  for (absl::Duration since; since + DependencyDesk::kSweepPeriod < DependencyDesk::kFullRound;
       since += DependencyDesk::kSweepPeriod) {
    ASSERT_GT(next(), TaskId()) << since;
  }
  EXPECT_EQ(next(), TaskId());
}

TEST_F(TroubledDeskTest, OnlyASweepOfAllFindsThatNobodyWaits) {
  const TaskId first = Submit();
  const TaskId second = Submit({{.task = first}});
  clock_.Advance(DependencyDesk::kSweepPeriod);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(0));
  Cancel(second, /*heard=*/false);
  clock_.Advance(DependencyDesk::kSweepPeriod);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(0));
  EXPECT_GT(troubled_.swept_from.back(), TaskId());
  clock_.Advance(DependencyDesk::kSweepPeriod);
  ASSERT_THAT(troubled_desk_.Tick(), IsOkAndHolds(0));
  EXPECT_EQ(troubled_.swept_from.back(), TaskId()) << "at once, not in a minute";
  woken_for_room_ = 0;
  End(first);
  EXPECT_EQ(woken_for_room_, 0) << "nobody waits";
}

// Tasks that name any earlier ones by any rule, ends in any order, news lost as they come: in the end nobody waits for
// what has ended.
TEST_F(DependencyDeskTest, NobodyWaitsForWhatHasEnded) {
  const std::uint64_t fresh = MakeSystemRng()->Next() >> 32;
  for (const std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, fresh}) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    DueSweeper due(store_, lanes_, clock_);
    std::vector<TaskId> all;
    for (int step = 0; step < 600; ++step) {
      const std::uint64_t what = rng->Below(10);
      if (what < 4 || all.empty()) {
        TaskPolicy policy;
        if (rng->Below(2) == 0) policy.dependency_rule = DependencyRule::kAny;
        policy.on_dependency_failure = static_cast<OnDependencyFailure>(1 + rng->Below(3));
        std::vector<Awaited> awaits;
        for (std::uint64_t i = rng->Below(4); i > 0 && !all.empty(); --i) {
          const TaskId id = all[rng->Below(all.size())];
          bool known = false;
          for (const Awaited& awaited : awaits) known = known || awaited.task == id;
          if (known) continue;
          Awaited& awaited = awaits.emplace_back(Awaited{.task = id});
          awaited.any_end = rng->Below(5) == 0;
          awaited.optional = !awaited.any_end && rng->Below(4) == 0;
          if (awaited.optional && rng->Below(2) == 0) awaited.until = clock_.Now() + absl::Seconds(rng->Below(30));
        }
        all.push_back(Submit(std::move(awaits), std::move(policy)));
      } else {
        const TaskId id = all[rng->Below(all.size())];
        const TaskRecord record = Read(id);
        const bool heard = rng->Below(3) > 0;
        if (record.stage() == Stage::kReady && what < 8) {
          Succeed(id, heard);
        } else if (record.stage() == Stage::kReady || (record.stage() == Stage::kHeld && rng->Below(8) == 0)) {
          Cancel(id, heard);
        } else if (record.stage() == Stage::kHeld && rng->Below(3) == 0) {
          Do(id,
             {{}, record.hold == HoldReason::kPaused ? Command{{}, ResumeOne{}}.what : Command{{}, PauseOne{}}.what});
        }
      }
      clock_.Advance(absl::Milliseconds(rng->Below(500)));
      if (rng->Below(3) == 0) {
        ASSERT_THAT(desk_.Tick(), IsOk());
      }
      if (rng->Below(5) == 0) {
        ASSERT_THAT(due.Tick(), IsOk());
      }
      if (step % 20 != 0) continue;
      for (const TaskRecord& record : store_.AllRecords()) {
        ASSERT_TRUE(record.awaits.empty() || record.stage() == Stage::kHeld);
        ASSERT_TRUE(record.hold != HoldReason::kDependency || !record.awaits.empty());
      }
    }
    for (int i = 0; i < 40; ++i) {
      Sweep();
      ASSERT_THAT(due.Tick(), IsOk());
    }
    SY_ASSERT_OK_AND_ASSIGN(const std::vector<task_queue::Wait> waits, store_.ScanWaits({}, 100'000));
    for (const task_queue::Wait& wait : waits) {
      EXPECT_EQ(StandingOf(Read(wait.awaited).state), Standing::kLive) << "its end was missed";
    }
  }
}

}  // namespace
}  // namespace switchyard::task_queue

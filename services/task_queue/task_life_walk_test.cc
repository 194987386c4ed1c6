// Random walks: a fleet of simulated agents, schedulers, sweeps and people over one store, with late, repeated and lost
// messages, checked after every step against a model that knows only the promises.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/in_memory_task_store.h"

namespace switchyard::task_queue {
namespace {

using Fault = InMemoryTaskStore::Fault;
using enum TaskState;

constexpr int kAgents = 5;
constexpr int kMaxAttempts = 3;

// What was promised about one task, from what was seen of it.
struct Promise {
  TaskRecord seen;
  // Who was given which generation: at most one agent each.
  std::map<std::int64_t, std::string> owners;
  // The report that ended an assignment, as (generation, kind), and what it was answered.
  std::map<std::pair<std::int64_t, std::size_t>, TaskState> final_answers;
  int closed_assignments = 0;
  int charged = 0;
  int successes = 0;
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : rng_(MakeSeededRng(seed)) {
    rules_.loss_cooldown = {absl::ZeroDuration(), absl::Seconds(5)};
    rules_.max_releases = 4;
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) Step();
    if (!::testing::Test::HasFatalFailure()) Settle();
    if (!::testing::Test::HasFatalFailure()) CheckEventLog();
  }
  const std::map<TaskState, int>& endings() const { return endings_; }
  int changes() const { return changes_; }
  int refusals() const { return refusals_; }
  int replays() const { return replays_; }

 private:
  struct Message {
    absl::Time deliver_at;
    TaskId task;
    Report report;
  };

  bool OneIn(std::uint64_t n) { return rng_->Below(n) == 0; }
  std::string AnyAgent() { return absl::StrCat("agent-", rng_->Below(kAgents)); }

  // Runs one command as the service does; loses answers and commits now and then while `faulty_`.
  absl::StatusOr<Answered> Execute(const TaskId& id, const Command& command) {
    if (faulty_ && OneIn(25)) store_.InjectFaults({OneIn(2) ? Fault::kFailBeforeCommit : Fault::kCommitThenLoseAnswer});
    absl::StatusOr<Answered> answered = absl::InternalError("not run");
    const absl::Status committed = store_.RunBatch([&](TaskBatch& batch) -> absl::Status {
      SY_ASSIGN_OR_RETURN(const auto rows, batch.Load({&id, 1}));
      EXPECT_TRUE(rows[0].has_value()) << "a task was lost";
      TaskRecord next = *rows[0];
      answered = Decide(rules_, command, now_, next);
      if (!answered.ok() || answered->unchanged) {
        EXPECT_EQ(next, *rows[0]) << "a refusal changed the record";
        return absl::OkStatus();
      }
      const Move move{.from = rows[0]->stage(),
                      .generation = rows[0]->generation,
                      .revision = rows[0]->revision,
                      .next = &next,
                      .new_events = next.timeline.back().ordinal - rows[0]->timeline.back().ordinal,
                      .due = DueTime(rules_, next),
                      .settled = SettledBy(*rows[0], next)};
      SY_ASSIGN_OR_RETURN(const auto outcomes, batch.Apply({&move, 1}, now_));
      EXPECT_EQ(outcomes[0], MoveOutcome::kApplied);
      return absl::OkStatus();
    });
    Observe(id, command, answered);
    if (!committed.ok()) return committed;
    return answered;
  }

  // Compares what the store holds now with what was promised before, whatever the caller was told.
  void Observe(const TaskId& id, const Command& command, const absl::StatusOr<Answered>& answered) {
    Promise& promise = promises_.at(id);
    const TaskRecord before = promise.seen;
    const absl::StatusOr<StoredTask> stored = store_.Get(id);
    ASSERT_TRUE(stored.ok()) << "a task was lost";
    const TaskRecord& after = stored->record;
    promise.seen = after;
    if (const auto* report = std::get_if<Report>(&command.what)) CheckReport(promise, before, after, *report, answered);
    if (!answered.ok()) {
      ++refusals_;
      ASSERT_EQ(answered.status().code(), absl::StatusCode::kFailedPrecondition) << answered.status();
    }
    if (after == before) return;
    ++changes_;

    ASSERT_FALSE(IsFinal(before.state)) << "a final state changed";
    if (before.state == kDeadLetter) {
      ASSERT_TRUE(std::holds_alternative<Retry>(command.what) || std::holds_alternative<Discard>(command.what));
    }
    ASSERT_TRUE(IsTransitionLegal(before.state, after.state)) << int(before.state) << " to " << int(after.state);
    ASSERT_EQ(after.revision, before.revision + 1);

    if (std::holds_alternative<Assign>(command.what)) {
      ASSERT_EQ(before.stage(), Stage::kReady);
      ASSERT_EQ(after.generation, Next(before.generation));
      const bool first = promise.owners.emplace(ToInt(after.generation), after.agent).second;
      ASSERT_TRUE(first) << "a generation was given twice";
    } else {
      ASSERT_EQ(after.generation, before.generation) << "only an assignment raises the generation";
    }
    const bool assigned = after.stage() == Stage::kRunning;
    if (assigned) {
      ASSERT_EQ(after.agent, promise.owners.at(ToInt(after.generation))) << "two owners of one generation";
    } else if (after.stage() != Stage::kJudging) {
      ASSERT_EQ(after.agent, "") << "an owner where none can be";
    }
    CheckCounts(promise, before, after, command);
    ASSERT_TRUE(after.awaits.empty() || after.stage() == Stage::kHeld)
        << "something was done without what it waits for";
    ASSERT_TRUE(after.hold != HoldReason::kDependency || !after.awaits.empty()) << "it waits for nothing";
    ASSERT_LE(after.awaits.size(), before.awaits.size());
    const int events = static_cast<int>(after.timeline.size());
    ASSERT_LE(events, kTimelineHead + kTimelineTail);
    ASSERT_EQ(after.timeline.back().ordinal, events + after.omitted_events);
    ASSERT_GT(after.timeline.back().ordinal, 0);
    if (after.phase == Phase::kBlocked) {
      ASSERT_EQ(after.state, kRunning);
    }
  }

  void CheckCounts(Promise& promise, const TaskRecord& before, const TaskRecord& after, const Command& command) {
    if (std::holds_alternative<Retry>(command.what) && before.state == kDeadLetter) {
      promise.charged = 0;
      ASSERT_EQ(after.attempts + after.losses + after.releases, 0);
    }
    const auto busy = [](const TaskRecord& record) {
      return record.stage() == Stage::kRunning || record.stage() == Stage::kJudging;
    };
    if (busy(before) && !busy(after)) {
      ++promise.closed_assignments;
      ASSERT_FALSE(after.history.empty());
      const Attempt& closed = after.history.back();
      ASSERT_EQ(closed.generation, before.generation);
      ASSERT_EQ(closed.agent, promise.owners.at(ToInt(before.generation)));
      if (closed.charged) ++promise.charged;
    }
    // Every assignment is closed once, before the next one.
    ASSERT_EQ(promise.closed_assignments + (busy(after) ? 1 : 0), ToInt(after.generation));
    ASSERT_EQ(static_cast<int>(after.history.size()), std::min(promise.closed_assignments, kHistoryBound));
    for (std::size_t i = 1; i < after.history.size(); ++i) {
      ASSERT_EQ(after.history[i].generation, Next(after.history[i - 1].generation));
    }
    ASSERT_EQ(after.attempts, promise.charged);
    ASSERT_LE(after.attempts, kMaxAttempts);
    ASSERT_LE(after.losses, rules_.max_losses);
    ASSERT_LE(after.releases, rules_.max_releases);
    ASSERT_LE(static_cast<int>(after.avoid_agents.size()), kAvoidBound);
    if (after.state == kSucceeded || after.state == kPartial) {
      ++promise.successes;
      ASSERT_EQ(promise.successes, 1) << "a result counted twice";
    }
    if (after.stage() == Stage::kReady) {
      ASSERT_LT(after.attempts, kMaxAttempts);
      ASSERT_LT(after.losses, rules_.max_losses);
    }
    if (IsFinal(after.state) || after.state == kDeadLetter) {
      ASSERT_EQ(after.finish_time, now_);
      ASSERT_EQ(DueTime(rules_, after), absl::InfiniteFuture());
    }
  }

  void CheckReport(Promise& promise, const TaskRecord& before, const TaskRecord& after, const Report& report,
                   const absl::StatusOr<Answered>& answered) {
    const std::int64_t generation = ToInt(report.generation);
    const bool is_final =
        !std::holds_alternative<Accepted>(report.what) && !std::holds_alternative<PhaseChanged>(report.what) &&
        !std::holds_alternative<Blocked>(report.what) && !std::holds_alternative<Progressed>(report.what);
    const bool owner = before.stage() == Stage::kRunning && before.generation == report.generation &&
                       promise.owners.at(generation) == report.agent;
    const std::pair key(generation, report.what.index());
    if (owner) {
      ASSERT_TRUE(answered.ok()) << "the owner was refused: " << answered.status();
      if (!is_final || after.revision == before.revision) return;
      promise.final_answers[key] = answered->state;
      ASSERT_EQ(answered->state, ExpectedAfter(before, report));
      return;
    }
    ASSERT_EQ(after.revision, before.revision) << "a stale report changed something";
    const auto first = promise.final_answers.find(key);
    const bool was_owner = promise.owners.count(generation) > 0 && promise.owners.at(generation) == report.agent;
    if (was_owner && first != promise.final_answers.end()) {
      if (generation + kHistoryBound <= ToInt(before.generation)) return;
      ASSERT_TRUE(answered.ok()) << "a repeated report was refused: " << answered.status();
      ASSERT_EQ(answered->state, first->second) << "a repeated report was answered differently";
      ++replays_;
    } else {
      ASSERT_FALSE(answered.ok());
      const std::string reason = ReasonOf(answered.status());
      ASSERT_TRUE(reason == "STALE_GENERATION" || reason == "NOT_OWNER") << reason;
    }
  }

  // The policy in the fewest words.
  TaskState ExpectedAfter(const TaskRecord& before, const Report& report) const {
    if (std::holds_alternative<Finished>(report.what)) {
      if (!before.policy.needs_verdict) return kSucceeded;
      return before.cancel_requested ? kCancelled : kVerifying;
    }
    if (before.cancel_requested) return kCancelled;
    if (const auto* failed = std::get_if<Failed>(&report.what)) {
      return failed->permanent || before.attempts + 1 == kMaxAttempts ? kDeadLetter : kQueued;
    }
    if (std::holds_alternative<Rejected>(report.what)) {
      return before.losses + 1 == rules_.max_losses ? kDeadLetter : kQueued;
    }
    if (before.state == kRunning && before.policy.on_lost == OnLost::kDeadLetter) return kDeadLetter;
    return before.releases + 1 == rules_.max_releases ? kDeadLetter : kQueued;
  }

  void Submit() {
    NewTask task;
    task.record.id = TaskId(testing::FakeUuid(now_, promises_.size() + 1));
    task.record.lane = static_cast<Lane>(1 + rng_->Below(kLaneCount));
    TaskPolicy& policy = task.record.policy;
    policy.max_attempts = kMaxAttempts;
    if (OneIn(2)) policy.backoff = {absl::Seconds(rng_->Below(20))};
    policy.needs_verdict = OneIn(2);
    if (OneIn(4)) policy.on_lost = OnLost::kDeadLetter;
    if (OneIn(6)) policy.complete_by = now_ + absl::Minutes(1 + rng_->Below(60));
    if (OneIn(6)) policy.time_to_live = absl::Minutes(1 + rng_->Below(30));
    if (OneIn(2)) policy.dependency_rule = DependencyRule::kAny;
    policy.on_dependency_failure = static_cast<OnDependencyFailure>(1 + rng_->Below(3));
    std::set<TaskId> awaited;
    for (std::uint64_t i = OneIn(3) ? rng_->Below(4) : 0; i > 0 && !promises_.empty(); --i) awaited.insert(AnyTask());
    for (const TaskId& id : awaited) {
      task.record.awaits.push_back({.task = id, .any_end = OneIn(5), .optional = OneIn(4)});
      if (OneIn(3)) task.record.awaits.back().until = now_ + absl::Seconds(rng_->Below(90));
    }
    Begin(OneIn(4) ? now_ + absl::Seconds(rng_->Below(90)) : now_, now_, task.record);
    const absl::Status status = store_.RunBatch([&](TaskBatch& batch) {
      return batch.Insert({&task, 1}, now_).status();
    });
    ASSERT_TRUE(status.ok());
    promises_[task.record.id].seen = task.record;
  }

  TaskId AnyTask() {
    auto it = promises_.begin();
    std::advance(it, rng_->Below(promises_.size()));
    return it->first;
  }

  // A scheduler, which may act on an old view.
  void AssignSome() {
    std::vector<int> shards;
    for (int shard = 0; shard < kShardCount; ++shard) shards.push_back(shard);
    if (view_.empty() || !OneIn(4)) view_ = store_.ScanReady(shards, 4)->tasks;
    if (view_.empty()) return;
    const TaskRecord& task = view_[rng_->Below(view_.size())];
    const std::string agent = AnyAgent();
    // Whatever the answer, the agent learns from the ledger what it owns.
    Execute(task.id, {task.id, Assign{.seen = task.generation, .agent = agent}}).IgnoreError();
  }

  std::string Text() { return absl::StrCat("text-", rng_->Below(3)); }

  Report AnyReport(const std::string& agent, Generation generation) {
    Report report{.generation = generation, .agent = agent};
    switch (rng_->Below(12)) {
      case 0:
      case 1:
        report.what = Accepted{};
        break;
      case 2:
        report.what = Rejected{.failure = {"REFUSED", Text()}};
        break;
      case 3:
        report.what = PhaseChanged{.phase = static_cast<Phase>(rng_->Below(7))};
        break;
      case 4:
        report.what = Blocked{.question = Text(), .reason = "needs_input"};
        break;
      case 5:
        report.what = Progressed{.message = Text()};
        break;
      case 6:
      case 7:
      case 8:
        report.what = Finished{.result = Text(), .usage = Text(), .model = "m"};
        break;
      case 9:
      case 10:
        report.what = Failed{.failure = {"EXIT_STATUS", Text()}, .permanent = OneIn(8)};
        break;
      default:
        report.what = Released{.reason = "drain"};
        break;
    }
    return report;
  }

  // An agent says something about a task it has or once had.
  void SendReport() {
    const std::string agent = AnyAgent();
    if (OneIn(8)) {
      const TaskId id = AnyTask();
      const std::int64_t top = ToInt(promises_.at(id).seen.generation) + 1;
      Send(id, AnyReport(agent, Generation(rng_->Below(top + 1))));
      return;
    }
    const std::vector<StoredTask> owned = store_.OwnedBy({&agent, 1}).value();
    if (owned.empty()) return;
    const TaskRecord& task = owned[rng_->Below(owned.size())].record;
    Send(task.id, AnyReport(agent, task.generation));
  }

  void Send(const TaskId& id, const Report& report) {
    const int copies = OneIn(4) ? 3 : 1;
    for (int i = 0; i < copies; ++i) {
      const absl::Duration delay = OneIn(3) ? absl::Seconds(rng_->Below(200)) : absl::ZeroDuration();
      if (messages_.size() < 500) messages_.push_back({now_ + delay, id, report});
    }
  }

  void DeliverOne() {
    if (messages_.empty()) return;
    const std::size_t index = rng_->Below(messages_.size());
    if (messages_[index].deliver_at > now_ && faulty_) return;
    const Message message = messages_[index];
    messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(index));
    const absl::StatusOr<Answered> answered = Execute(message.task, {message.task, message.report});
    // The journal keeps what was not answered.
    if (absl::IsUnavailable(answered.status())) messages_.push_back(message);
  }

  void Sweep(int limit) {
    const std::vector<DueTask> due_tasks = store_.ScanDue(now_, limit).value();
    for (const DueTask& due : due_tasks) {
      const absl::StatusOr<Answered> answered = Execute(due.id, {due.id, Due{}});
      ASSERT_TRUE(!answered.ok() || !answered->unchanged) << "a due task stayed as it was: it would be swept for ever";
    }
  }

  // Tells one that waits what has become of the others; more often than not there is no news.
  void TellEnds() {
    const std::vector<Wait> waits = store_.ScanWaits({}, 1'000).value();
    if (waits.empty()) return;
    const TaskId id = waits[rng_->Below(waits.size())].task;
    DependenciesEnded news;
    for (const Wait& wait : waits) {
      const Standing standing = StandingOf(promises_.at(wait.awaited).seen.state);
      if (wait.task == id && standing != Standing::kLive) {
        news.ended.push_back({wait.awaited, standing == Standing::kSucceeded});
      }
    }
    Execute(id, {id, std::move(news)}).IgnoreError();
  }

  void LoseAgent() {
    const std::string agent = AnyAgent();
    const std::vector<StoredTask> owned = store_.OwnedBy({&agent, 1}).value();
    for (const StoredTask& task : owned) {
      Execute(task.record.id, {task.record.id, AgentLost{agent, task.record.generation, "AGENT_LOST"}}).IgnoreError();
    }
  }

  void Judge() {
    const TaskId id = AnyTask();
    const TaskRecord& seen = promises_.at(id).seen;
    if (seen.state != kVerifying && !OneIn(5)) return;
    const Verdict verdict = static_cast<Verdict>(1 + rng_->Below(3));
    const Conclude conclude{.generation = seen.generation, .verdict = verdict, .failure = {"CHECK", ""}};
    Execute(id, {id, conclude}).IgnoreError();
    if (OneIn(4)) Execute(id, {id, conclude}).IgnoreError();
  }

  void PersonActs() {
    const TaskId id = AnyTask();
    Command command{id, Retry{}};
    switch (rng_->Below(12)) {
      case 0:
        command.what = Cancel{.reason = "no need"};
        break;
      case 1:
        if (OneIn(8)) command.what = Discard{};
        break;
      case 2:
      case 3:
        command.what = PauseOne{.reason = "wait"};
        break;
      case 4:
      case 5:
      case 6:
        command.what = ResumeOne{};
        break;
      case 7:
      case 8:
        command.what = Answer{.answer = Text()};
        break;
      case 9:
        command.what = Hold{.generation = promises_.at(id).seen.generation,
                            .reason = OneIn(2) ? HoldReason::kNone : HoldReason::kNoRoute,
                            .until = OneIn(2) ? now_ + absl::Seconds(20) : absl::InfiniteFuture()};
        break;
      default:
        break;
    }
    Execute(id, command).IgnoreError();
  }

  void Step() {
    if (OneIn(200)) {
      now_ += absl::Hours(2);
    } else if (OneIn(30)) {
      now_ += absl::Minutes(3);
    } else if (OneIn(3)) {
      now_ += absl::Milliseconds(rng_->Below(6000));
    }
    if (promises_.empty()) Submit();
    switch (rng_->Below(17)) {
      case 0:
        Submit();
        break;
      case 16:
        TellEnds();
        break;
      case 1:
      case 2:
      case 3:
        AssignSome();
        break;
      case 4:
      case 5:
      case 6:
        SendReport();
        break;
      case 7:
      case 8:
      case 9:
      case 10:
        DeliverOne();
        break;
      case 11:
        Sweep(3);
        break;
      case 12:
        if (OneIn(6)) LoseAgent();
        break;
      case 13:
      case 14:
        Judge();
        break;
      default:
        PersonActs();
        break;
    }
  }

  DependenciesEnded EndsFor(const TaskRecord& record) const {
    DependenciesEnded news;
    for (const Awaited& awaited : record.awaits) {
      const Standing standing = StandingOf(promises_.at(awaited.task).seen.state);
      EXPECT_NE(standing, Standing::kLive);
      news.ended.push_back({awaited.task, standing == Standing::kSucceeded});
    }
    return news;
  }

  // With everything well again, every task comes to an end: none is lost, none hangs.
  void Settle() {
    faulty_ = false;
    for (int i = 0; i < 100'000 && !messages_.empty(); ++i) DeliverOne();
    const std::vector<TaskRecord> records = store_.AllRecords();
    ASSERT_EQ(records.size(), promises_.size()) << "a task was lost";
    for (auto& [id, promise] : promises_) {
      for (int round = 0; promise.seen.stage() != Stage::kDone && promise.seen.stage() != Stage::kDead; ++round) {
        ASSERT_LT(round, 100) << "a task does not come to its end";
        const TaskRecord seen = promise.seen;
        now_ += absl::Minutes(1);
        switch (seen.stage()) {
          case Stage::kReady:
            Execute(id, {id, Assign{.seen = seen.generation, .agent = "last"}}).IgnoreError();
            break;
          case Stage::kHeld:
            // Tasks end in the order of their ids here, so those it waits for have ended.
            Execute(id, {id, EndsFor(seen)}).IgnoreError();
            Execute(id, {id, seen.hold == HoldReason::kPaused ? Command{id, ResumeOne{}}.what
                                                              : Command{id, Hold{seen.generation}}.what})
                .IgnoreError();
            break;
          case Stage::kRunning:
            Execute(id, {id, Report{.generation = seen.generation, .agent = seen.agent, .what = Finished{}}})
                .IgnoreError();
            break;
          default:
            Execute(id, {id, Conclude{seen.generation, Verdict::kSucceeded, {}}}).IgnoreError();
            break;
        }
        Sweep(1000);
        if (::testing::Test::HasFatalFailure()) return;
      }
      ++endings_[promise.seen.state];
    }
  }

  // Each event of each task was published once, in order.
  void CheckEventLog() {
    std::map<TaskId, int> last;
    EventPosition position;
    while (true) {
      const EventPage page = store_.ReadEvents(position, 1 + static_cast<int>(rng_->Below(50))).value();
      if (page.batches.empty()) break;
      for (const EventBatch& batch : page.batches) {
        ASSERT_LT(position, batch.position);
        position = batch.position;
        for (const PublishedEvent& event : batch.events) ASSERT_EQ(event.event.ordinal, ++last[event.task]);
      }
    }
    for (const auto& [id, promise] : promises_) ASSERT_EQ(last[id], promise.seen.timeline.back().ordinal);
  }

  Rules rules_;
  const std::unique_ptr<Rng> rng_;
  absl::Time now_ = testing::FakeClock().Now();
  bool faulty_ = true;
  InMemoryTaskStore store_;
  std::map<TaskId, Promise> promises_;
  std::vector<TaskRecord> view_;
  std::vector<Message> messages_;
  std::map<TaskState, int> endings_;
  int changes_ = 0;
  int refusals_ = 0;
  int replays_ = 0;
};

TEST(TaskLifeWalkTest, KeepsItsPromisesOnEveryWalk) {
  constexpr int kSeeds = 20;
  constexpr int kSteps = 4000;
  std::map<TaskState, int> endings;
  const std::uint64_t fresh = MakeSystemRng()->Next() >> 32;
  for (int i = 0; i < kSeeds; ++i) {
    // Half of the walks are the same in every run, half are new ground.
    const std::uint64_t seed = i % 2 == 0 ? i : fresh + i;
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Walk walk(seed);
    walk.Run(kSteps);
    std::printf("seed %llu: %d changes, %d refusals, %d repeated reports\n", static_cast<unsigned long long>(seed),
                walk.changes(), walk.refusals(), walk.replays());
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_FALSE(HasNonfatalFailure());
    ASSERT_GT(walk.replays(), 10) << "the walk does not go where it should";
    for (const auto& [state, count] : walk.endings()) endings[state] += count;
  }
  for (const TaskState state : {kSucceeded, kPartial, kDeadLetter, kCancelled, kExpired, kDiscarded}) {
    EXPECT_GT(endings[state], 0) << "no walk ended in state " << static_cast<int>(state);
  }
}

// Records as no life makes them: the rules must stand any input without stopping the process.
class Scramble {
 public:
  explicit Scramble(std::uint64_t seed) : rng_(MakeSeededRng(seed)) {}

  int Any(int least, int most) { return least + static_cast<int>(rng_->Below(most - least + 1)); }
  bool Half() { return Any(0, 1) == 0; }
  std::string Text() {
    static constexpr const char* kTexts[] = {"", "a", "b", "RELEASED", "CANCEL_TIMEOUT"};
    return kTexts[Any(0, 4)];
  }
  absl::Time Time() {
    if (Any(0, 3) == 0) return Half() ? absl::InfiniteFuture() : absl::InfinitePast();
    return absl::FromUnixSeconds(Any(-1000, 1000));
  }
  absl::Duration Span() {
    if (Any(0, 5) == 0) return Half() ? absl::InfiniteDuration() : -absl::InfiniteDuration();
    return absl::Seconds(Any(-100, 1000));
  }
  Generation AnyGeneration() { return Generation(Any(-1, 4)); }
  // Mostly known enumerators, sometimes not.
  template <class Enum>
  Enum AnyOf(int least, int most) {
    return static_cast<Enum>(Any(0, 30) == 0 ? Any(-3, 99) : Any(least, most));
  }
  Failure AnyFailure() { return {Text(), Text()}; }
  TaskId SomeTask() { return TaskId(testing::FakeUuid(absl::UnixEpoch(), Any(1, 4))); }

  TaskRecord AnyRecord() {
    TaskRecord record{.create_time = Time(), .state = AnyOf<TaskState>(1, 10)};
    if (Half()) record.hold = AnyOf<HoldReason>(1, 8);
    record.hold_until = Time();
    record.generation = AnyGeneration();
    record.attempts = Any(-2, 9);
    record.losses = Any(-2, 9);
    record.releases = Any(-2, 12);
    record.phase = AnyOf<Phase>(0, 7);
    record.agent = Text();
    record.assign_time = Time();
    record.accept_time = Time();
    record.sign_time = Time();
    record.cancel_requested = Any(0, 3) == 0;
    record.cancel_time = Time();
    record.question = Text();
    record.answer = Text();
    record.policy = {.max_attempts = Any(-1, 5),
                     .on_lost = AnyOf<OnLost>(1, 2),
                     .needs_verdict = Half(),
                     .accept = Span(),
                     .run = Span(),
                     .stuck = Span(),
                     .verification = Span(),
                     .complete_by = Time(),
                     .time_to_live = Span(),
                     .uses_model = Half()};
    for (int i = Any(0, 2); i > 0; --i) record.policy.backoff.push_back(Span());
    record.policy.dependency_rule = AnyOf<DependencyRule>(1, 2);
    record.policy.on_dependency_failure = AnyOf<OnDependencyFailure>(1, 3);
    for (int i = Any(0, 3) == 0 ? Any(1, 3) : 0; i > 0; --i) {
      record.awaits.push_back(
          {.task = SomeTask(), .any_end = Half(), .optional = Half(), .until = Time(), .failed = Any(0, 4) == 0});
    }
    for (int i = Any(0, 3) == 0 ? kHistoryBound : Any(0, 3); i > 0; --i) {
      record.history.push_back({.generation = AnyGeneration(),
                                .agent = Text(),
                                .outcome = AnyOf<AttemptOutcome>(1, 9),
                                .failure = AnyFailure(),
                                .answered = AnyOf<TaskState>(1, 10)});
    }
    for (int i = Any(0, 3) == 0 ? kTimelineHead + kTimelineTail : Any(0, 3); i > 0; --i) {
      record.timeline.push_back({.hold = AnyOf<HoldReason>(1, 8), .ordinal = Any(0, 400)});
    }
    return record;
  }

  Command AnyCommand() {
    Report report{.generation = AnyGeneration(), .agent = Text()};
    switch (Any(0, 7)) {
      case 0:
        report.what = Accepted{};
        break;
      case 1:
        report.what = Rejected{AnyFailure()};
        break;
      case 2:
        report.what = PhaseChanged{AnyOf<Phase>(0, 7)};
        break;
      case 3:
        report.what = Blocked{Text(), Text()};
        break;
      case 4:
        report.what = Progressed{Text()};
        break;
      case 5:
        report.what = Finished{Text(), Text(), Text()};
        break;
      case 6:
        report.what = Failed{.failure = AnyFailure(), .permanent = Half()};
        break;
      default:
        report.what = Released{Text()};
        break;
    }
    switch (Any(0, 16)) {
      case 0:
        return {{}, Assign{.seen = AnyGeneration(), .agent = Text()}};
      case 1:
        return {{}, Conclude{AnyGeneration(), AnyOf<Verdict>(1, 3), AnyFailure(), Text(), Half()}};
      case 2:
        return {{}, Hold{AnyGeneration(), AnyOf<HoldReason>(1, 8), Time(), Text()}};
      case 3:
        return {{}, Cancel{Text()}};
      case 4:
        return {{}, Retry{}};
      case 5:
        return {{}, Discard{Text()}};
      case 6:
        return {{}, PauseOne{Text()}};
      case 7:
        return {{}, ResumeOne{}};
      case 8:
        return {{}, Answer{Text()}};
      case 9:
        return {{}, Due{}};
      case 10:
        return {{}, AgentLost{Text(), AnyGeneration(), Text()}};
      case 11:
        return {{}, DependenciesEnded{{{SomeTask(), Half()}, {SomeTask(), Half()}}}};
      default:
        return {{}, report};
    }
  }

 private:
  const std::unique_ptr<Rng> rng_;
};

TEST(DecideScrambleTest, StandsAnyCommandOnAnyRecord) {
  const std::uint64_t fresh = MakeSystemRng()->Next() >> 32;
  int changes = 0;
  for (const std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{2}, fresh}) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Scramble scramble(seed);
    Rules rules;
    for (int i = 0; i < 15'000; ++i) {
      if (i % 100 == 0) {
        rules.max_losses = scramble.Any(-1, 5);
        rules.loss_cooldown.assign(scramble.Any(0, 2), scramble.Span());
        rules.backoff.assign(scramble.Any(0, 2), scramble.Span());
      }
      TaskRecord record = scramble.AnyRecord();
      for (int command = 0; command < 3; ++command) {
        const TaskRecord before = record;
        const absl::StatusOr<Answered> answered = Decide(rules, scramble.AnyCommand(), scramble.Time(), record);
        if (!answered.ok() || answered->unchanged) {
          ASSERT_EQ(record, before);
          continue;
        }
        ++changes;
        ASSERT_TRUE(IsTransitionLegal(before.state, record.state));
        ASSERT_EQ(record.revision, before.revision + 1);
        ASSERT_LE(static_cast<int>(record.timeline.size()), kTimelineHead + kTimelineTail);
        ASSERT_LE(static_cast<int>(record.history.size()), kHistoryBound);
        ASSERT_GE(record.generation, before.generation);
        DueTime(rules, record);
        AcceptBy(rules, record);
      }
    }
  }
  EXPECT_GT(changes, 5'000);
}

}  // namespace
}  // namespace switchyard::task_queue

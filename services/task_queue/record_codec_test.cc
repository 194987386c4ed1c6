#include "services/task_queue/record_codec.h"

#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "switchyard/task_queue/stored/v1/stored.pb.h"

namespace switchyard::task_queue {
namespace {

// Anything the types allow, usual values more often than others.
class RandomRecords {
 public:
  explicit RandomRecords(std::uint64_t seed) : random_(seed) {}

  int Number(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  bool Chance(int of) { return Number(1, of) == 1; }
  template <class Enum>
  Enum Any(Enum first, Enum last) {
    return static_cast<Enum>(Number(static_cast<int>(first), static_cast<int>(last)));
  }
  std::string Text() {
    static const char* const words[] = {"", "default", "agent-7", "AGENT_LOST", "a rather longer text of some kind"};
    if (!Chance(4)) return words[Number(0, 4)];
    std::string text(Number(0, 300), ' ');
    for (char& c : text) c = static_cast<char>(Number(0, 255));
    return text;
  }
  absl::Time Time() {
    if (Chance(3)) return absl::InfiniteFuture();
    if (Chance(50)) return absl::InfinitePast();
    if (Chance(20)) return absl::UnixEpoch();
    if (Chance(20)) return absl::FromUnixMicros(static_cast<std::int64_t>(random_()));
    return absl::FromUnixMicros(1'790'000'000'000'000 + Number(0, 1'000'000'000));
  }
  absl::Duration Span() {
    if (Chance(10)) return absl::InfiniteDuration();
    return Chance(2) ? absl::ZeroDuration() : absl::Microseconds(Number(0, 2'000'000'000));
  }
  TaskId Id() {
    std::array<std::uint8_t, 16> bytes;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(Number(0, 255));
    return TaskId(Uuid(bytes));
  }
  Failure AnyFailure() { return Chance(2) ? Failure{} : Failure{.reason = Text(), .message = Text()}; }

  TaskEvent Event() {
    return {.kind = Any(EventKind::kSubmitted, EventKind::kRouteChanged),
            .time = Time(),
            .state = Any(TaskState::kQueued, TaskState::kDiscarded),
            .hold = Any(HoldReason::kNone, HoldReason::kNoAgent),
            .hold_until = Time(),
            .generation = Generation(Number(0, 9)),
            .agent = Text(),
            .phase = Any(Phase::kNone, Phase::kBlocked),
            .cause = Text(),
            .message = Text(),
            .ordinal = Number(0, 1000)};
  }
  PublishedEvent Published() {
    return {.task = Chance(2) ? TaskId() : Id(),
            .project = Text(),
            .lane = Any(Lane::kUrgent, Lane::kLow),
            .event = Event()};
  }
  Attempt AnyAttempt() {
    return {.generation = Generation(Number(0, 9)),
            .agent = Text(),
            .outcome = Any(AttemptOutcome::kSucceeded, AttemptOutcome::kReleased),
            .charged = Chance(2),
            .failure = AnyFailure(),
            .assign_time = Time(),
            .accept_time = Time(),
            .finish_time = Time(),
            .answered = Any(TaskState::kQueued, TaskState::kDiscarded),
            .usage = Text()};
  }
  TaskPolicy Policy() {
    TaskPolicy policy;
    if (Chance(3)) return policy;
    policy.max_attempts = Number(0, 20);
    for (int i = Number(0, 4); i > 0; --i) policy.backoff.push_back(Span());
    policy.on_lost = Any(OnLost::kRetry, OnLost::kDeadLetter);
    policy.needs_verdict = Chance(2);
    policy.accept = Span();
    policy.run = Span();
    policy.stuck = Span();
    policy.verification = Span();
    policy.complete_by = Time();
    policy.time_to_live = Span();
    policy.uses_model = Chance(2);
    policy.dependency_rule = Any(DependencyRule::kAll, DependencyRule::kAny);
    policy.on_dependency_failure = Any(OnDependencyFailure::kFail, OnDependencyFailure::kRun);
    return policy;
  }
  Awaited AnyAwaited() {
    return {.task = Id(), .any_end = Chance(2), .optional = Chance(2), .until = Time(), .failed = Chance(2)};
  }
  TaskRecord Record() {
    TaskRecord record;
    record.id = Id();
    record.lane = Any(Lane::kUrgent, Lane::kLow);
    record.project = Text();
    record.principal = Text();
    record.create_time = Time();
    record.policy = Policy();
    record.matching = Text();
    record.state = Any(TaskState::kQueued, TaskState::kDiscarded);
    record.hold = Any(HoldReason::kNone, HoldReason::kNoAgent);
    record.hold_until = Time();
    record.generation = Generation(Number(0, 100));
    record.revision = Number(0, 100000);
    record.attempts = Number(0, 20);
    record.losses = Number(0, 20);
    record.releases = Number(0, 20);
    record.phase = Any(Phase::kNone, Phase::kBlocked);
    record.agent = Text();
    record.assign_time = Time();
    record.accept_time = Time();
    record.finish_time = Time();
    record.sign_time = Time();
    record.cancel_requested = Chance(2);
    record.cancel_time = Time();
    record.cancel_reason = Text();
    record.question = Text();
    record.answer = Text();
    record.routing = Text();
    record.result = Text();
    record.usage = Text();
    record.model = Text();
    record.failure = AnyFailure();
    for (int i = Number(0, 3); i > 0; --i) record.history.push_back(AnyAttempt());
    for (int i = Number(0, 3); i > 0; --i) record.avoid_agents.push_back(Text());
    for (int i = Number(0, 3); i > 0; --i) record.refusing_agents.push_back(Text());
    for (int i = Number(0, 3); i > 0; --i) record.awaits.push_back(AnyAwaited());
    for (int i = Number(0, 5); i > 0; --i) record.timeline.push_back(Event());
    record.omitted_events = Number(0, 3);
    return record;
  }

 private:
  std::mt19937_64 random_;
};

TaskRecord FreshRecord() {
  TaskRecord record;
  record.create_time = absl::FromUnixMicros(1'790'000'000'123'456);
  std::array<std::uint8_t, 16> bytes = Uuid::LowestAt(record.create_time).bytes();
  for (int i = 7; i < 16; ++i) bytes[i] = static_cast<std::uint8_t>(17 * i);
  record.id = TaskId(Uuid(bytes));
  record.project = "default";
  record.principal = "someone@example";
  record.revision = 1;
  record.timeline = {{.kind = EventKind::kSubmitted, .time = record.create_time, .ordinal = 1},
                     {.kind = EventKind::kReady, .time = record.create_time, .ordinal = 2}};
  return record;
}

TEST(RecordCodecTest, GivesBackEveryRecord) {
  constexpr std::uint64_t kSeed = 20260101;
  RandomRecords random(kSeed);
  for (int i = 0; i < 3000; ++i) {
    const TaskRecord record = random.Record();
    const absl::StatusOr<TaskRecord> back = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(back.ok()) << back.status() << ", seed " << kSeed << ", record " << i;
    ASSERT_TRUE(*back == record) << "seed " << kSeed << ", record " << i;
  }
}

TEST(RecordCodecTest, GivesBackADefaultRecord) {
  const TaskRecord record;
  const absl::StatusOr<TaskRecord> back = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, record);
}

TEST(RecordCodecTest, GivesBackEveryBatchOfEvents) {
  constexpr std::uint64_t kSeed = 20260102;
  RandomRecords random(kSeed);
  for (int i = 0; i < 1000; ++i) {
    std::vector<PublishedEvent> events;
    for (int n = random.Number(0, 12); n > 0; --n) events.push_back(random.Published());
    const auto back = DecodeEventBatch(EncodeEventBatch(events));
    ASSERT_TRUE(back.ok()) << back.status() << ", seed " << kSeed << ", batch " << i;
    ASSERT_EQ(back->size(), events.size());
    for (std::size_t n = 0; n < events.size(); ++n) {
      ASSERT_TRUE((*back)[n].task == events[n].task && (*back)[n].project == events[n].project &&
                  (*back)[n].lane == events[n].lane && (*back)[n].event == events[n].event)
          << "seed " << kSeed << ", batch " << i << ", event " << n;
    }
  }
}

TEST(RecordCodecTest, KeepsAFreshRecordSmall) {
  TaskRecord record = FreshRecord();
  const std::size_t fresh = EncodeRecord(record).size();
  record.state = TaskState::kRunning;
  record.generation = Generation(1);
  record.agent = "agent-on-host-17";
  record.assign_time = record.create_time + absl::Milliseconds(3);
  record.accept_time = record.create_time + absl::Milliseconds(5);
  record.timeline.push_back({.kind = EventKind::kAssigned,
                             .time = record.assign_time,
                             .state = TaskState::kAssigned,
                             .generation = Generation(1),
                             .agent = record.agent,
                             .ordinal = 3});
  record.timeline.push_back({.kind = EventKind::kAccepted,
                             .time = record.accept_time,
                             .state = TaskState::kRunning,
                             .generation = Generation(1),
                             .agent = record.agent,
                             .ordinal = 4});
  const std::size_t running = EncodeRecord(record).size();
  std::cout << "fresh record: " << fresh << " bytes and matching; running: " << running << " bytes\n";
  RecordProperty("fresh_bytes", static_cast<int>(fresh));
  EXPECT_LT(fresh, 60u);
  EXPECT_LT(running, 150u);
}

TEST(RecordCodecTest, IgnoresFieldsOfLaterVersions) {
  const TaskRecord record = FreshRecord();
  std::string bytes = EncodeRecord(record);
  stored::v1::Record later;
  later.GetReflection()->MutableUnknownFields(&later)->AddLengthDelimited(900, "something new");
  bytes += later.SerializeAsString();
  const absl::StatusOr<TaskRecord> back = DecodeRecord(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, record);
}

TEST(RecordCodecTest, CallsGarbageDataLoss) {
  for (const std::string garbage : {"", "x", "\xff\xff\xff\xff", "\x0a\x03zzz"}) {
    const absl::Status status = DecodeRecord(garbage).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_EQ(ReasonOf(status), "STORED_DATA_CORRUPT");
  }
  EXPECT_EQ(DecodeEventBatch("x").status().code(), absl::StatusCode::kDataLoss);
}

TEST(RecordCodecTest, KeepsNumbersThatANewerVersionWroteWhereNothingIsDecidedByThem) {
  TaskRecord record = FreshRecord();
  record.state = TaskState::kQueued;
  record.hold = static_cast<HoldReason>(99);
  record.phase = static_cast<Phase>(98);
  record.policy.on_lost = static_cast<OnLost>(97);
  record.history.push_back({.agent = "a", .outcome = static_cast<AttemptOutcome>(96)});
  record.timeline.push_back({.kind = static_cast<EventKind>(95),
                             .time = record.create_time,
                             .state = static_cast<TaskState>(94),
                             .ordinal = record.timeline.empty() ? 1 : record.timeline.back().ordinal + 1});
  const absl::StatusOr<TaskRecord> back = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->hold, record.hold);
  EXPECT_EQ(back->phase, record.phase);
  EXPECT_EQ(back->policy.on_lost, record.policy.on_lost);
  EXPECT_EQ(back->history.back().outcome, record.history.back().outcome);
  EXPECT_EQ(back->timeline.back(), record.timeline.back());
  const PublishedEvent event{
      .task = record.id, .project = "p", .lane = static_cast<Lane>(93), .event = record.timeline.back()};
  const auto events = DecodeEventBatch(EncodeEventBatch({&event, 1}));
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(events->front().lane, event.lane);
  EXPECT_EQ(events->front().event, event.event);
}

TEST(RecordCodecTest, CallsUnknownStatesAndLanesOfATaskDataLoss) {
  stored::v1::Record record;
  record.set_id(std::string(16, 'i'));
  record.set_state(11);
  EXPECT_EQ(DecodeRecord(record.SerializeAsString()).status().code(), absl::StatusCode::kDataLoss);
  record.set_state(-1);
  EXPECT_EQ(DecodeRecord(record.SerializeAsString()).status().code(), absl::StatusCode::kDataLoss);
  record.clear_state();
  record.add_timeline();
  EXPECT_EQ(DecodeRecord(record.SerializeAsString()).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RecordCodecTest, SurvivesEveryTruncationAndManyBitFlips) {
  RandomRecords random(20260103);
  const std::string bytes = EncodeRecord(random.Record());
  const auto expect_ok_or_data_loss = [](std::string_view some) {
    const absl::Status status = DecodeRecord(some).status();
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss) << status;
  };
  for (std::size_t size = 0; size < bytes.size(); ++size)
    expect_ok_or_data_loss(std::string_view(bytes).substr(0, size));
  for (int i = 0; i < 5000; ++i) {
    std::string broken = bytes;
    broken[random.Number(0, static_cast<int>(bytes.size()) - 1)] ^= static_cast<char>(1 << random.Number(0, 7));
    expect_ok_or_data_loss(broken);
  }
}

TEST(RecordCodecTest, LeavesNothingOfALargeRecordInTheNext) {
  TaskRecord large = FreshRecord();
  large.result = std::string(1 << 20, 'r');
  large.history.resize(5);
  for (Attempt& attempt : large.history) attempt.agent = "somebody";
  ASSERT_TRUE(DecodeRecord(EncodeRecord(large)).ok());
  const TaskRecord small = FreshRecord();
  const absl::StatusOr<TaskRecord> back = DecodeRecord(EncodeRecord(small));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, small);
}

}  // namespace
}  // namespace switchyard::task_queue

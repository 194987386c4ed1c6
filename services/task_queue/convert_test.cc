#include <string>
#include <variant>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/request_validation.h"
#include "services/task_queue/spec_convert.h"
#include "services/task_queue/spec_validation.h"
#include "services/task_queue/task_convert.h"

namespace switchyard::task_queue {
namespace {

using testing::ElementsAre;

constexpr char kSomeId[] = "01990000-0000-7000-8000-000000000001";
const absl::Time kConvertTime = absl::FromUnixMillis(1'790'000'000'123);

template <class Message>
Message ReadText(std::string text) {
  for (std::size_t at; (at = text.find("$ID")) != std::string::npos;) text.replace(at, 3, kSomeId);
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}
template <class Message>
bool Same(const Message& message, const std::string& text) {
  const Message expected = ReadText<Message>(text);
  const bool same = google::protobuf::util::MessageDifferencer::Equals(message, expected);
  EXPECT_TRUE(same) << message.DebugString() << "instead of\n" << expected.DebugString();
  return same;
}
TaskId SomeId() { return *TaskId::Parse(kSomeId); }

// Names of the core in their order from the lowest number, against the contract's numbers without zero.
template <class Core>
void ExpectSame(const google::protobuf::EnumDescriptor* contract, Core first, Core last) {
  int named = 0;
  for (int i = 0; i < contract->value_count(); ++i) named += contract->value(i)->number() != 0;
  EXPECT_EQ(static_cast<int>(last), named) << contract->full_name();
  EXPECT_NE(contract->FindValueByNumber(static_cast<int>(last)), nullptr) << contract->full_name();
  EXPECT_EQ(contract->FindValueByNumber(static_cast<int>(last) + 1), nullptr) << contract->full_name();
  EXPECT_GE(static_cast<int>(first), 0);
}

#define EXPECT_NUMBER(core, contract) EXPECT_EQ(static_cast<int>(core), static_cast<int>(contract)) << #core

TEST(EnumTest, NumbersOfTheCoreAreThoseOfTheContract) {
  ExpectSame(v1::Lane_descriptor(), Lane::kUrgent, Lane::kLow);
  EXPECT_NUMBER(Lane::kUrgent, v1::LANE_URGENT);
  EXPECT_NUMBER(Lane::kHigh, v1::LANE_HIGH);
  EXPECT_NUMBER(Lane::kNormal, v1::LANE_NORMAL);
  EXPECT_NUMBER(Lane::kLow, v1::LANE_LOW);

  ExpectSame(v1::TaskState_descriptor(), TaskState::kQueued, TaskState::kDiscarded);
  EXPECT_NUMBER(TaskState::kQueued, v1::TASK_STATE_QUEUED);
  EXPECT_NUMBER(TaskState::kAssigned, v1::TASK_STATE_ASSIGNED);
  EXPECT_NUMBER(TaskState::kRunning, v1::TASK_STATE_RUNNING);
  EXPECT_NUMBER(TaskState::kVerifying, v1::TASK_STATE_VERIFYING);
  EXPECT_NUMBER(TaskState::kSucceeded, v1::TASK_STATE_SUCCEEDED);
  EXPECT_NUMBER(TaskState::kPartial, v1::TASK_STATE_PARTIAL);
  EXPECT_NUMBER(TaskState::kDeadLetter, v1::TASK_STATE_DEAD_LETTER);
  EXPECT_NUMBER(TaskState::kCancelled, v1::TASK_STATE_CANCELLED);
  EXPECT_NUMBER(TaskState::kExpired, v1::TASK_STATE_EXPIRED);
  EXPECT_NUMBER(TaskState::kDiscarded, v1::TASK_STATE_DISCARDED);

  ExpectSame(v1::HoldReason_descriptor(), HoldReason::kNone, HoldReason::kNoAgent);
  EXPECT_NUMBER(HoldReason::kNone, v1::HOLD_REASON_NONE);
  EXPECT_NUMBER(HoldReason::kDelayed, v1::HOLD_REASON_DELAYED);
  EXPECT_NUMBER(HoldReason::kBackoff, v1::HOLD_REASON_BACKOFF);
  EXPECT_NUMBER(HoldReason::kDependency, v1::HOLD_REASON_DEPENDENCY);
  EXPECT_NUMBER(HoldReason::kPaused, v1::HOLD_REASON_PAUSED);
  EXPECT_NUMBER(HoldReason::kApproval, v1::HOLD_REASON_APPROVAL);
  EXPECT_NUMBER(HoldReason::kNoRoute, v1::HOLD_REASON_NO_ROUTE);
  EXPECT_NUMBER(HoldReason::kNoAgent, v1::HOLD_REASON_NO_AGENT);

  ExpectSame(v1::Phase_descriptor(), Phase::kNone, Phase::kBlocked);
  EXPECT_NUMBER(Phase::kNone, v1::PHASE_UNSPECIFIED);
  EXPECT_NUMBER(Phase::kWorkspace, v1::PHASE_WORKSPACE);
  EXPECT_NUMBER(Phase::kLoading, v1::PHASE_LOADING);
  EXPECT_NUMBER(Phase::kGenerating, v1::PHASE_GENERATING);
  EXPECT_NUMBER(Phase::kApplying, v1::PHASE_APPLYING);
  EXPECT_NUMBER(Phase::kExecuting, v1::PHASE_EXECUTING);
  EXPECT_NUMBER(Phase::kVerifying, v1::PHASE_VERIFYING);
  EXPECT_NUMBER(Phase::kBlocked, v1::PHASE_BLOCKED);

  ExpectSame(v1::OnLost_descriptor(), OnLost::kRetry, OnLost::kDeadLetter);
  EXPECT_NUMBER(OnLost::kRetry, v1::ON_LOST_RETRY);
  EXPECT_NUMBER(OnLost::kDeadLetter, v1::ON_LOST_DEAD_LETTER);

  ExpectSame(v1::DependencyRule_descriptor(), DependencyRule::kAll, DependencyRule::kAny);
  EXPECT_NUMBER(DependencyRule::kAll, v1::DEPENDENCY_RULE_ALL);
  EXPECT_NUMBER(DependencyRule::kAny, v1::DEPENDENCY_RULE_ANY);

  ExpectSame(v1::OnDependencyFailure_descriptor(), OnDependencyFailure::kFail, OnDependencyFailure::kRun);
  EXPECT_NUMBER(OnDependencyFailure::kFail, v1::ON_DEPENDENCY_FAILURE_FAIL);
  EXPECT_NUMBER(OnDependencyFailure::kCancel, v1::ON_DEPENDENCY_FAILURE_CANCEL);
  EXPECT_NUMBER(OnDependencyFailure::kRun, v1::ON_DEPENDENCY_FAILURE_RUN);

  ExpectSame(v1::AttemptOutcome_descriptor(), AttemptOutcome::kSucceeded, AttemptOutcome::kReleased);
  EXPECT_NUMBER(AttemptOutcome::kSucceeded, v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_NUMBER(AttemptOutcome::kFailed, v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_NUMBER(AttemptOutcome::kTimedOut, v1::ATTEMPT_OUTCOME_TIMED_OUT);
  EXPECT_NUMBER(AttemptOutcome::kVerificationFailed, v1::ATTEMPT_OUTCOME_VERIFICATION_FAILED);
  EXPECT_NUMBER(AttemptOutcome::kCancelled, v1::ATTEMPT_OUTCOME_CANCELLED);
  EXPECT_NUMBER(AttemptOutcome::kLost, v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_NUMBER(AttemptOutcome::kRejected, v1::ATTEMPT_OUTCOME_REJECTED);
  EXPECT_NUMBER(AttemptOutcome::kNotAccepted, v1::ATTEMPT_OUTCOME_NOT_ACCEPTED);
  EXPECT_NUMBER(AttemptOutcome::kReleased, v1::ATTEMPT_OUTCOME_RELEASED);

  ExpectSame(v1::EventKind_descriptor(), EventKind::kSubmitted, EventKind::kRouteChanged);
  EXPECT_NUMBER(EventKind::kSubmitted, v1::EVENT_KIND_SUBMITTED);
  EXPECT_NUMBER(EventKind::kReady, v1::EVENT_KIND_READY);
  EXPECT_NUMBER(EventKind::kHeld, v1::EVENT_KIND_HELD);
  EXPECT_NUMBER(EventKind::kAssigned, v1::EVENT_KIND_ASSIGNED);
  EXPECT_NUMBER(EventKind::kAccepted, v1::EVENT_KIND_ACCEPTED);
  EXPECT_NUMBER(EventKind::kPhase, v1::EVENT_KIND_PHASE);
  EXPECT_NUMBER(EventKind::kBlocked, v1::EVENT_KIND_BLOCKED);
  EXPECT_NUMBER(EventKind::kAnswered, v1::EVENT_KIND_ANSWERED);
  EXPECT_NUMBER(EventKind::kReturned, v1::EVENT_KIND_RETURNED);
  EXPECT_NUMBER(EventKind::kEvidence, v1::EVENT_KIND_EVIDENCE);
  EXPECT_NUMBER(EventKind::kCancelRequested, v1::EVENT_KIND_CANCEL_REQUESTED);
  EXPECT_NUMBER(EventKind::kFinished, v1::EVENT_KIND_FINISHED);
  EXPECT_NUMBER(EventKind::kRevived, v1::EVENT_KIND_REVIVED);
  EXPECT_NUMBER(EventKind::kProgress, v1::EVENT_KIND_PROGRESS);
  EXPECT_NUMBER(EventKind::kRouteChanged, v1::EVENT_KIND_ROUTE_CHANGED);

  ExpectSame(v1::Verdict_descriptor(), Verdict::kSucceeded, Verdict::kFailed);
  EXPECT_NUMBER(Verdict::kSucceeded, v1::VERDICT_SUCCEEDED);
  EXPECT_NUMBER(Verdict::kPartial, v1::VERDICT_PARTIAL);
  EXPECT_NUMBER(Verdict::kFailed, v1::VERDICT_FAILED);
}

TEST(ProtoTimeTest, KeepsEveryMomentToTheNanosecond) {
  for (const absl::Time time :
       {absl::UnixEpoch(), kConvertTime, kConvertTime + absl::Nanoseconds(1), absl::FromUnixMicros(-1),
        absl::FromUnixSeconds(-62135596800), absl::FromUnixSeconds(253402300799)}) {
    google::protobuf::Timestamp message;
    Set(time, &message);
    EXPECT_TRUE(IsNormalised(message));
    EXPECT_EQ(ToTime(message), time);
  }
  for (const absl::Duration span : {absl::ZeroDuration(), absl::Nanoseconds(-1), absl::Seconds(-1.5), absl::Hours(9)}) {
    google::protobuf::Duration message;
    Set(span, &message);
    EXPECT_TRUE(IsNormalised(message));
    EXPECT_EQ(ToDuration(message), span);
  }
}

TEST(SpecConvertTest, HashesWhatWasAskedAndNothingElse) {
  v1::TaskSpec one =
      ReadText<v1::TaskSpec>("command { argv: 'x' } metadata { key: 'a' value: '1' } metadata { key: 'b' }");
  v1::TaskSpec two =
      ReadText<v1::TaskSpec>("metadata { key: 'b' } metadata { key: 'a' value: '1' } command { argv: 'x' }");
  EXPECT_EQ(ContentHash(one).size(), 32u);
  EXPECT_EQ(ContentHash(one), ContentHash(two));
  (*two.mutable_metadata())["b"] = "2";
  EXPECT_NE(ContentHash(one), ContentHash(two));
  two = one;
  ApplyDefaults(&two);
  EXPECT_NE(ContentHash(one), ContentHash(two));
}

TEST(SpecConvertTest, ResolvesWhatWasLeftOpen) {
  v1::TaskSpec spec = ReadText<v1::TaskSpec>("command { argv: 'make' argv: 'all' }");
  ApplyDefaults(&spec);
  Same(spec, R"pb(
    schema_version: 1
    title: "make all"
    command { argv: "make" argv: "all" }
    lane: LANE_NORMAL
    project: "default"
    verdict_policy: VERDICT_POLICY_NONE
    on_lost: ON_LOST_RETRY
    effects: EFFECTS_WORKSPACE)pb");
  EXPECT_TRUE(ValidateSpec(spec, "spec", kConvertTime).empty());
}

TEST(SpecConvertTest, LeavesAloneWhatWasSaid) {
  const std::string text =
      "schema_version: 1 title: 't' command { argv: 'x' } lane: LANE_LOW project: 'p' verdict_policy: "
      "VERDICT_POLICY_REQUIRED on_lost: ON_LOST_RETRY effects: EFFECTS_HOST";
  v1::TaskSpec spec = ReadText<v1::TaskSpec>(text);
  ApplyDefaults(&spec);
  Same(spec, text);
}

TEST(SpecConvertTest, DerivesVerdictAndLossFromTheWork) {
  v1::TaskSpec spec =
      ReadText<v1::TaskSpec>("command { argv: 'x' } verification { git_clean {} } effects: EFFECTS_NETWORK");
  ApplyDefaults(&spec);
  EXPECT_EQ(spec.verdict_policy(), v1::VERDICT_POLICY_REQUIRED);
  EXPECT_EQ(spec.on_lost(), v1::ON_LOST_DEAD_LETTER);
}

TEST(SpecConvertTest, MakesAOneLineTitleThatEndsBetweenCharacters) {
  v1::TaskSpec spec;
  spec.mutable_prompt()->set_instruction("\n  Fix\tit:\n" + std::string(68, 'x') + "\u00e4\u00f6\u00fc");
  ApplyDefaults(&spec);
  EXPECT_EQ(spec.title(), "Fix it: " + std::string(68, 'x') + "\u00e4\u00f6");
  EXPECT_TRUE(ValidateSpec(spec, "spec", kConvertTime).empty());
}

TEST(SpecConvertTest, FillsTheRecord) {
  v1::TaskSpec spec = ReadText<v1::TaskSpec>(R"pb(
    prompt { instruction: "Do it." }
    lane: LANE_HIGH
    project: "p"
    task_type: "docs"
    role: "writer"
    complexity: COMPLEXITY_STANDARD
    local_only: true
    model_pin { model: "m" }
    capabilities: "gpu"
    context { repository: "repo" }
    verification { git_clean {} }
    time_limits {
      run { seconds: 60 }
      complete_by { seconds: 1800000000 }
      time_to_live {}
    }
    retry_policy {
      max_attempts: 4
      backoff { seconds: 1 }
      backoff { nanos: 500000000 }
    }
    expected_duration { seconds: 9 }
    start_time { seconds: 1790000600 })pb");
  ApplyDefaults(&spec);
  NewTask task;
  FillFromSpec(spec, &task);
  EXPECT_EQ(task.title, "Do it.");
  EXPECT_EQ(task.task_type, "docs");
  EXPECT_EQ(task.record.lane, Lane::kHigh);
  EXPECT_EQ(task.record.project, "p");
  TaskPolicy policy;
  policy.max_attempts = 4;
  policy.backoff = {absl::Seconds(1), absl::Milliseconds(500)};
  policy.needs_verdict = true;
  policy.uses_model = true;
  policy.run = absl::Seconds(60);
  policy.complete_by = absl::FromUnixSeconds(1800000000);
  EXPECT_EQ(task.record.policy, policy);
  EXPECT_EQ(StartTimeOf(spec), absl::FromUnixSeconds(1790000600));
  EXPECT_EQ(StartTimeOf(v1::TaskSpec()), absl::InfinitePast());
  v1::TaskSpec stored;
  ASSERT_TRUE(stored.ParseFromString(task.spec));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(stored, spec));

  task.record.id = SomeId();
  task.record.create_time = kConvertTime;
  task.record.generation = Generation(2);
  task.record.avoid_agents = {"bad"};
  task.record.refusing_agents = {"never"};
  v1::ReadyTask ready;
  ASSERT_TRUE(ToProto(task.record, &ready).ok());
  EXPECT_EQ(ready.shard(), task.record.shard());
  ready.clear_shard();
  Same(ready, R"pb(
    task_id: "$ID"
    generation: 2
    lane: LANE_HIGH
    retried: true
    project: "p"
    create_time { seconds: 1790000000 nanos: 123000000 }
    capabilities: "gpu"
    task_type: "docs"
    role: "writer"
    complexity: COMPLEXITY_STANDARD
    model_pin { model: "m" }
    local_only: true
    repository: "repo"
    avoid_agent_ids: "bad"
    refusing_agent_ids: "never"
    expected_duration { seconds: 9 }
    kind: "prompt")pb");
}

TEST(SpecConvertTest, KeepsTheRequirementsOfACommandSmall) {
  v1::TaskSpec spec = ReadText<v1::TaskSpec>("command { argv: 'true' }");
  ApplyDefaults(&spec);
  NewTask task;
  FillFromSpec(spec, &task);
  EXPECT_EQ(task.record.policy, TaskPolicy());
  EXPECT_LT(task.record.matching.size(), 12u);
}

v1::ReadyTask MatchingOf(const char* text) {
  v1::TaskSpec spec = ReadText<v1::TaskSpec>(text);
  ApplyDefaults(&spec);
  NewTask task;
  FillFromSpec(spec, &task);
  v1::ReadyTask matching;
  EXPECT_TRUE(matching.ParseFromString(task.record.matching));
  return matching;
}

TEST(SpecConvertTest, WorkThatRulesOutFamiliesNeverRunsOnASnapshotThatKnowsNone) {
  EXPECT_TRUE(MatchingOf("prompt { instruction: 'x' } free_fallback: true").free_fallback());
  EXPECT_FALSE(
      MatchingOf("prompt { instruction: 'x' } free_fallback: true excluded_model_families: 'qwen'").free_fallback());
}

TEST(SpecConvertTest, AnAgentIsACapabilityAndWithAModelOfTheRoutersAnother) {
  const auto needs = [](const char* text) {
    const v1::ReadyTask matching = MatchingOf(text);
    return std::vector<std::string>(matching.capabilities().begin(), matching.capabilities().end());
  };
  EXPECT_THAT(needs("external { agent: 'claude' instruction: 'x' } capabilities: 'gpu'"),
              ::testing::ElementsAre("gpu", "external:claude"));
  EXPECT_THAT(needs("external { agent: 'claude' instruction: 'x' } model_pin { model: 'm' }"),
              ::testing::ElementsAre("external-model:claude"));
  EXPECT_THAT(needs("prompt { instruction: 'x' }"), ::testing::IsEmpty());
}

StoredTask Finished(const std::string& report_text) {
  const auto command = ToCommand(ReadText<v1::TaskReport>("task_id: '$ID' generation: 1 agent_id: 'a' " + report_text));
  EXPECT_TRUE(command.ok()) << command.status();
  const auto& finished = std::get<struct Finished>(std::get<Report>(command->what).what);
  StoredTask task;
  task.record.id = command->id;
  task.record.create_time = kConvertTime;
  task.record.state = TaskState::kSucceeded;
  task.record.result = finished.result;
  task.record.usage = finished.usage;
  task.record.model = finished.model;
  task.spec = ReadText<v1::TaskSpec>("command { argv: 'x' }").SerializeAsString();
  return task;
}

TEST(TaskConvertTest, GivesBackResultAndUsageAsReported) {
  StoredTask task = Finished(
      "evidence { result { summary: 's' output: 'o' evidence: 'e' exit_code: 0 usage { model: 'm' input_tokens: 5 } "
      "checks: 'c' state_summary: 'left' } }");
  EXPECT_EQ(task.record.model, "m");
  task.record.history.push_back({.generation = Generation(1),
                                 .agent = "a",
                                 .outcome = AttemptOutcome::kSucceeded,
                                 .charged = true,
                                 .assign_time = kConvertTime,
                                 .finish_time = kConvertTime,
                                 .usage = task.record.usage});
  v1::Task out;
  ASSERT_TRUE(ToProto(task, TaskView::kFull, &out).ok());
  Same(out, R"pb(
    id: "$ID"
    spec { command { argv: "x" } }
    state: TASK_STATE_SUCCEEDED
    hold_reason: HOLD_REASON_NONE
    create_time { seconds: 1790000000 nanos: 123000000 }
    result {
      summary: "s"
      output: "o"
      evidence: "e"
      checks: "c"
      state_summary: "left"
      usage { model: "m" input_tokens: 5 }
    }
    history {
      generation: 1
      agent_id: "a"
      outcome: ATTEMPT_OUTCOME_SUCCEEDED
      charged: true
      usage { model: "m" input_tokens: 5 }
      assign_time { seconds: 1790000000 nanos: 123000000 }
      finish_time { seconds: 1790000000 nanos: 123000000 }
    })pb");
  ASSERT_TRUE(ToProto(task, TaskView::kList, &out).ok());
  Same(out.result(), "summary: 's' usage { model: 'm' input_tokens: 5 }");
}

TEST(TaskConvertTest, TellsWhoTriesNextWhatTheVerdictHeldAgainstTheLastAttempt) {
  StoredTask task = Finished("evidence { result { summary: 's' } }");
  const auto given = [&] {
    v1::AssignResult assignment;
    EXPECT_TRUE(ToProto(task, absl::InfiniteFuture(), &assignment).ok());
    return assignment.state_summary();
  };
  EXPECT_EQ(given(), "");
  task.record.history.push_back({.generation = Generation(1),
                                 .agent = "a",
                                 .outcome = AttemptOutcome::kVerificationFailed,
                                 .charged = true,
                                 .failure = {"JUDGE_REJECTED", "judge, high: a.c:3: the error is swallowed"}});
  const std::string found =
      "The attempt before was not accepted (JUDGE_REJECTED): judge, high: a.c:3: the error is swallowed";
  EXPECT_EQ(given(), found);
  task.record.history.push_back({.generation = Generation(2), .agent = "b", .outcome = AttemptOutcome::kLost});
  EXPECT_EQ(given(), found) << "nobody has answered it yet";
  task.record.history.push_back(
      {.generation = Generation(3), .agent = "b", .outcome = AttemptOutcome::kFailed, .charged = true});
  EXPECT_EQ(given(), "");
}

TEST(TaskConvertTest, LeavesInfiniteTimesAndEmptyPartsAbsent) {
  StoredTask task;
  task.record.create_time = absl::InfinitePast();
  v1::Task out;
  ASSERT_TRUE(ToProto(task, TaskView::kFull, &out).ok());
  EXPECT_FALSE(out.has_hold_until() || out.has_assign_time() || out.has_accept_time() || out.has_finish_time() ||
               out.has_create_time() || out.has_result() || out.has_failure());
}

TEST(TaskConvertTest, CallsAnUnreadableSpecificationDataLoss) {
  StoredTask task;
  task.spec = "\xff";
  v1::Task out;
  const absl::Status status = ToProto(task, TaskView::kFull, &out);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "STORED_DATA_CORRUPT");
  EXPECT_EQ(status.message().find("\xff"), absl::string_view::npos);
}

TEST(TaskConvertTest, KeepsEventsBothWays) {
  const PublishedEvent event{.task = SomeId(),
                             .project = "p",
                             .lane = Lane::kLow,
                             .event = {.kind = EventKind::kReturned,
                                       .time = kConvertTime,
                                       .state = TaskState::kQueued,
                                       .hold = HoldReason::kBackoff,
                                       .hold_until = kConvertTime + absl::Seconds(30),
                                       .generation = Generation(3),
                                       .agent = "a",
                                       .phase = Phase::kExecuting,
                                       .cause = "STUCK",
                                       .message = "m",
                                       .ordinal = 7}};
  v1::TaskEvent message;
  ToProto(event, &message);
  const auto back = FromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->task, event.task);
  EXPECT_EQ(back->project, event.project);
  EXPECT_EQ(back->lane, event.lane);
  EXPECT_EQ(back->event, event.event);
  message.set_state(static_cast<v1::TaskState>(55));
  EXPECT_EQ(FromProto(message).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TaskConvertTest, TellsStatsPausesAndDirectives) {
  StageCounts counts;
  for (int i = 0; i < kStageCount; ++i) counts.by_stage[i] = i + 1;
  counts.oldest_ready = kConvertTime - absl::Seconds(5);
  v1::LaneStats stats;
  ToProto(Lane::kHigh, counts, true, 4, kConvertTime, &stats);
  Same(stats,
       "lane: LANE_HIGH ready: 1 held: 2 assigned_or_running: 3 verifying: 4 dead_letter: 5 finished: 6 "
       "oldest_ready_age { seconds: 5 } paused: true weight: 4");

  const auto lane = ToPauseEntry(ReadText<v1::QueueTarget>("lane: LANE_LOW"), "why", "who", kConvertTime);
  const auto project = ToPauseEntry(ReadText<v1::QueueTarget>("project: 'p'"), "why", "who", kConvertTime);
  ASSERT_TRUE(lane.ok() && project.ok());
  EXPECT_FALSE(ToPauseEntry(ReadText<v1::QueueTarget>("task_id: 'x'"), "", "", kConvertTime).ok());
  v1::Pause pause;
  ToProto(*lane, &pause);
  Same(pause,
       "target { lane: LANE_LOW } reason: 'why' principal: 'who' create_time { seconds: 1790000000 nanos: 123000000 }");
  const auto back = FromProto(pause);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->key, lane->key);
  EXPECT_EQ(back->create_time, kConvertTime);
  v1::PauseSet set;
  ToProto({*lane, *project}, &set);
  Same(set, "lanes: LANE_LOW projects: 'p'");

  TaskRecord record;
  record.id = SomeId();
  record.agent = "a";
  v1::Directive directive;
  EXPECT_FALSE(ToProto(record, &directive));
  record.answer = "yes";
  ASSERT_TRUE(ToProto(record, &directive));
  Same(directive, "task_id: '$ID' agent_id: 'a' answer { answer: 'yes' }");
  record.cancel_requested = true;
  ASSERT_TRUE(ToProto(record, &directive));
  EXPECT_TRUE(directive.has_cancel());
}

TEST(CommandConvertTest, ReadsAssignmentsVerdictsAndHolds) {
  const auto assign = ToCommand(ReadText<v1::Assignment>(
      "task_id: '$ID' generation: 2 agent_id: 'a' session_epoch: 3 shard_epoch: 4 routing: 'r' "
      "route_summary: 's'"));
  ASSERT_TRUE(assign.ok()) << assign.status();
  EXPECT_EQ(assign->id, SomeId());
  const Assign& given = std::get<Assign>(assign->what);
  EXPECT_EQ(given.seen, Generation(2));
  EXPECT_EQ(given.agent, "a");
  EXPECT_EQ(given.session_epoch, 3);
  EXPECT_EQ(given.shard_epoch, 4);
  EXPECT_EQ(given.routing, "r");
  EXPECT_EQ(given.route_summary, "s");

  const auto conclude = ToCommand(ReadText<v1::Conclusion>(
      "task_id: '$ID' generation: 2 verdict: VERDICT_PARTIAL failure { reason: 'X' message: 'm' } message: 'w' "
      "permanent: true"));
  ASSERT_TRUE(conclude.ok()) << conclude.status();
  EXPECT_EQ(std::get<Conclude>(conclude->what).verdict, Verdict::kPartial);
  EXPECT_EQ(std::get<Conclude>(conclude->what).failure, (Failure{"X", "m"}));
  EXPECT_EQ(std::get<Conclude>(conclude->what).message, "w");
  EXPECT_TRUE(std::get<Conclude>(conclude->what).permanent);

  const auto hold = ToCommand(ReadText<v1::Hold>("task_id: '$ID' reason: HOLD_REASON_NO_ROUTE message: 'm'"));
  ASSERT_TRUE(hold.ok()) << hold.status();
  EXPECT_EQ(std::get<Hold>(hold->what).reason, HoldReason::kNoRoute);
  EXPECT_EQ(std::get<Hold>(hold->what).until, absl::InfiniteFuture());
}

template <class What>
What Reported(const std::string& text) {
  const auto command =
      ToCommand(ReadText<v1::TaskReport>("task_id: '$ID' generation: 5 agent_id: 'a' session_epoch: 6 " + text));
  if (!command.ok()) {
    ADD_FAILURE() << command.status();
    return {};
  }
  const Report& report = std::get<Report>(command->what);
  EXPECT_EQ(report.generation, Generation(5));
  EXPECT_EQ(report.agent, "a");
  EXPECT_EQ(report.session_epoch, 6);
  EXPECT_TRUE(std::holds_alternative<What>(report.what)) << text;
  return std::get<What>(report.what);
}

TEST(CommandConvertTest, ReadsEveryReport) {
  Reported<Accepted>("accepted {}");
  EXPECT_EQ(Reported<Rejected>("rejected { reason: 'FULL' message: 'm' }").failure, (Failure{"FULL", "m"}));
  EXPECT_EQ(Reported<PhaseChanged>("phase { phase: PHASE_LOADING }").phase, Phase::kLoading);
  EXPECT_EQ(Reported<Blocked>("blocked { question: 'q' reason: 'r' }").question, "q");
  EXPECT_EQ(Reported<Progressed>("progress { message: 'm' percent: 3 }").message, "m");
  EXPECT_EQ(Reported<Progressed>("progress { percent: 3 }").message, "3 %");
  const Failed failed = Reported<Failed>(
      "failed { failure { reason: 'EXIT_STATUS' } permanent: true result { exit_code: 2 usage { model: 'm' } } }");
  EXPECT_TRUE(failed.permanent);
  EXPECT_EQ(failed.failure.reason, "EXIT_STATUS");
  EXPECT_EQ(failed.model, "m");
  EXPECT_FALSE(failed.result.empty());
  EXPECT_EQ(Reported<Released>("released { reason: 'drain' }").reason, "drain");
  EXPECT_EQ(Reported<Released>("released { retry_after { seconds: 7 } }").retry_after, absl::Seconds(7));
  const RouteChanged changed = Reported<RouteChanged>("route_changed { routing: 'b' cause: 'C' message: 'm' }");
  EXPECT_EQ(changed.routing, "b");
  EXPECT_EQ(changed.cause, "C");
  EXPECT_EQ(changed.message, "m");
}

TEST(CommandConvertTest, RefusesABadItemWithItsFaults) {
  const auto command = ToCommand(ReadText<v1::TaskReport>("task_id: 'x' generation: 1 agent_id: 'a' accepted {}"));
  EXPECT_EQ(command.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(command.status()).violations.at(0).field, "task_id");
  v1::ItemError error;
  ToProto(command.status(), &error);
  EXPECT_EQ(error.code(), 3);
  EXPECT_EQ(error.reason(), "INVALID_FIELD");
  EXPECT_FALSE(error.message().empty());
}

TEST(CommandConvertTest, KeepsFiltersBothWays) {
  const std::string text =
      "states: [TASK_STATE_QUEUED, TASK_STATE_DEAD_LETTER] lanes: LANE_LOW projects: 'p' task_types: 't' "
      "create_time_from { "
      "seconds: 5 } title_contains: 'x' hold_reasons: HOLD_REASON_PAUSED agent_id: 'a' principal: 'w'";
  const TaskFilter filter = ToFilter(ReadText<v1::TaskFilter>(text));
  EXPECT_THAT(filter.states, ElementsAre(TaskState::kQueued, TaskState::kDeadLetter));
  EXPECT_EQ(filter.create_from, absl::FromUnixSeconds(5));
  EXPECT_EQ(filter.create_to, absl::InfiniteFuture());
  v1::TaskFilter back;
  ToProto(filter, &back);
  Same(back, text);
}

}  // namespace
}  // namespace switchyard::task_queue

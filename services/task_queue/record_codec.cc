#include "services/task_queue/record_codec.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "switchyard/task_queue/stored/v1/stored.pb.h"

namespace switchyard::task_queue {
namespace {

namespace rows = stored::v1;

constexpr char kDefaultProject[] = "default";
constexpr std::int64_t kPast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kFuture = std::numeric_limits<std::int64_t>::max();
// A thread that once met a large row does not keep its buffers.
constexpr std::size_t kKeptBytes = 64 << 10;

// A message that keeps its memory from one use to the next.
template <class Message>
class Scratch {
 public:
  Scratch() : message_(Kept()) { message_.Clear(); }
  Message* operator->() { return &message_; }
  Message& operator*() { return message_; }
  static void Trim(std::size_t used) {
    if (used > kKeptBytes) Kept() = Message();
  }

 private:
  static Message& Kept() {
    thread_local Message message;
    return message;
  }
  Message& message_;
};

// Differences wrap, so that every pair of times comes back as it was.
std::int64_t Minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t Plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

absl::Time TimeOf(std::int64_t micros) {
  if (micros == kPast) return absl::InfinitePast();
  if (micros == kFuture) return absl::InfiniteFuture();
  return absl::FromUnixMicros(micros);
}
absl::Time TimeOf(bool present, std::int64_t base, std::int64_t offset) {
  return present ? TimeOf(Plus(base, offset)) : absl::InfiniteFuture();
}
std::optional<std::int64_t> OffsetOf(absl::Time time, std::int64_t base) {
  if (time == absl::InfiniteFuture()) return std::nullopt;
  return Minus(absl::ToUnixMicros(time), base);
}
absl::Duration DurationOf(std::int64_t micros) {
  return micros == kFuture ? absl::InfiniteDuration() : absl::Microseconds(micros);
}

std::int64_t MicrosIn(const Uuid& id) {
  std::int64_t millis = 0;
  for (int i = 0; i < 6; ++i) millis = (millis << 8) | id.bytes()[i];
  return millis * 1000;
}
void SetId(const TaskId& id, std::string* out) {
  out->assign(reinterpret_cast<const char*>(id.uuid().bytes().data()), id.uuid().bytes().size());
}

absl::Status Corrupt(std::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "STORED_DATA_CORRUPT",
                   absl::StrCat("a stored row cannot be read: ", ToAbsl(what)));
}
absl::Status GetId(const std::string& bytes, TaskId* id) {
  std::array<std::uint8_t, 16> raw;
  if (bytes.size() != raw.size()) return Corrupt("a task id has 16 bytes");
  std::memcpy(raw.data(), bytes.data(), raw.size());
  *id = TaskId(Uuid(raw));
  return absl::OkStatus();
}

// What decides where a row stands and what may be done with it: enumerators are contiguous, so that a range says which
// are known.
template <class Enum>
absl::Status GetEnum(int number, Enum usual, Enum first, Enum last, Enum* out) {
  if (number == 0) {
    *out = usual;
  } else if (number < static_cast<int>(first) || number > static_cast<int>(last)) {
    return Corrupt(absl::StrCat("enumerator ", number, " is unknown"));
  } else {
    *out = static_cast<Enum>(number);
  }
  return absl::OkStatus();
}
// Anything else: what a newer version wrote is told, and written again, as it is.
template <class Enum>
absl::Status GetOpenEnum(int number, Enum usual, Enum* out) {
  using Number = std::underlying_type_t<Enum>;
  if (number < 0 || number > std::numeric_limits<Number>::max()) {
    return Corrupt(absl::StrCat("enumerator ", number, " is out of range"));
  }
  *out = number == 0 ? usual : static_cast<Enum>(number);
  return absl::OkStatus();
}
template <class Enum>
int NumberUnless(Enum usual, Enum value) {
  return value == usual ? 0 : static_cast<int>(value);
}
absl::Status GetState(int number, TaskState usual, TaskState* out) {
  return GetEnum(number, usual, TaskState::kQueued, TaskState::kDiscarded, out);
}
absl::Status GetHold(int number, HoldReason* out) { return GetOpenEnum(number, HoldReason::kNone, out); }
absl::Status GetPhase(int number, Phase* out) { return GetOpenEnum(number, Phase::kNone, out); }
absl::Status GetLane(int number, Lane usual, Lane* out) {
  return GetEnum(number, usual, Lane::kUrgent, Lane::kLow, out);
}

// Follows a list of events, each told by its difference from the one before.
struct EventChain {
  std::int64_t time = 0;
  std::int64_t generation = 0;
  std::int64_t ordinal = 0;
  TaskState state = TaskState::kQueued;
  std::string_view agent;

  void Encode(const TaskEvent& event, rows::Event* out) {
    const std::int64_t at = absl::ToUnixMicros(event.time);
    out->set_kind(static_cast<int>(event.kind));
    out->set_time_step(Minus(at, time));
    out->set_generation_step(Minus(ToInt(event.generation), generation));
    if (event.agent != agent) out->set_agent(event.agent);
    out->set_state(NumberUnless(state, event.state));
    out->set_hold(NumberUnless(HoldReason::kNone, event.hold));
    if (const auto offset = OffsetOf(event.hold_until, at)) out->set_hold_until(*offset);
    out->set_phase(static_cast<int>(event.phase));
    if (!event.cause.empty()) out->set_cause(event.cause);
    if (!event.message.empty()) out->set_message(event.message);
    out->set_ordinal_step(static_cast<std::int32_t>(event.ordinal - ordinal - 1));
    time = at;
    generation = ToInt(event.generation);
    ordinal = event.ordinal;
    state = event.state;
    agent = event.agent;
  }

  // `in` keeps what `agent` refers to.
  absl::Status Decode(const rows::Event& in, TaskEvent* event) {
    time = Plus(time, in.time_step());
    generation = Plus(generation, in.generation_step());
    ordinal = ordinal + 1 + in.ordinal_step();
    if (ordinal < 0 || ordinal > std::numeric_limits<int>::max()) return Corrupt("an event's ordinal is out of range");
    if (in.has_agent()) agent = in.agent();
    if (in.kind() == 0) return Corrupt("an event has no kind");
    SY_RETURN_IF_ERROR(GetOpenEnum(in.kind(), EventKind::kSubmitted, &event->kind));
    SY_RETURN_IF_ERROR(GetOpenEnum(in.state(), state, &state));
    SY_RETURN_IF_ERROR(GetHold(in.hold(), &event->hold));
    SY_RETURN_IF_ERROR(GetPhase(in.phase(), &event->phase));
    event->time = TimeOf(time);
    event->state = state;
    event->hold_until = TimeOf(in.has_hold_until(), time, in.hold_until());
    event->generation = Generation(generation);
    event->agent = agent;
    event->cause = in.cause();
    event->message = in.message();
    event->ordinal = static_cast<int>(ordinal);
    return absl::OkStatus();
  }
};

void EncodePolicy(const TaskPolicy& policy, std::int64_t base, rows::Policy* out) {
  out->set_max_attempts(policy.max_attempts);
  for (const absl::Duration wait : policy.backoff) out->add_backoff(absl::ToInt64Microseconds(wait));
  out->set_on_lost(NumberUnless(OnLost::kRetry, policy.on_lost));
  out->set_needs_verdict(policy.needs_verdict);
  out->set_uses_model(policy.uses_model);
  out->set_accept(absl::ToInt64Microseconds(policy.accept));
  out->set_run(absl::ToInt64Microseconds(policy.run));
  out->set_stuck(absl::ToInt64Microseconds(policy.stuck));
  out->set_verification(absl::ToInt64Microseconds(policy.verification));
  if (const auto offset = OffsetOf(policy.complete_by, base)) out->set_complete_by(*offset);
  if (policy.time_to_live != absl::InfiniteDuration()) {
    out->set_time_to_live(absl::ToInt64Microseconds(policy.time_to_live));
  }
  out->set_dependency_rule(NumberUnless(DependencyRule::kAll, policy.dependency_rule));
  out->set_on_dependency_failure(NumberUnless(OnDependencyFailure::kFail, policy.on_dependency_failure));
}

absl::Status DecodePolicy(const rows::Policy& in, std::int64_t base, TaskPolicy* policy) {
  policy->max_attempts = in.max_attempts();
  policy->backoff.reserve(in.backoff_size());
  for (const std::int64_t wait : in.backoff()) policy->backoff.push_back(DurationOf(wait));
  SY_RETURN_IF_ERROR(GetOpenEnum(in.on_lost(), OnLost::kRetry, &policy->on_lost));
  policy->needs_verdict = in.needs_verdict();
  policy->uses_model = in.uses_model();
  policy->accept = DurationOf(in.accept());
  policy->run = DurationOf(in.run());
  policy->stuck = DurationOf(in.stuck());
  policy->verification = DurationOf(in.verification());
  policy->complete_by = TimeOf(in.has_complete_by(), base, in.complete_by());
  policy->time_to_live = in.has_time_to_live() ? DurationOf(in.time_to_live()) : absl::InfiniteDuration();
  SY_RETURN_IF_ERROR(GetOpenEnum(in.dependency_rule(), DependencyRule::kAll, &policy->dependency_rule));
  return GetOpenEnum(in.on_dependency_failure(), OnDependencyFailure::kFail, &policy->on_dependency_failure);
}

void EncodeAwaits(const TaskRecord& record, std::int64_t base, rows::Record* out) {
  for (const Awaited& awaited : record.awaits) {
    rows::Awaited* to = out->add_awaits();
    SetId(awaited.task, to->mutable_task());
    to->set_any_end(awaited.any_end);
    to->set_optional(awaited.optional);
    if (const auto offset = OffsetOf(awaited.until, base)) to->set_until(*offset);
    to->set_failed(awaited.failed);
  }
}

absl::Status DecodeAwaits(const rows::Record& in, std::int64_t base, TaskRecord* record) {
  record->awaits.resize(in.awaits_size());
  for (int i = 0; i < in.awaits_size(); ++i) {
    const rows::Awaited& from = in.awaits(i);
    Awaited& awaited = record->awaits[i];
    SY_RETURN_IF_ERROR(GetId(from.task(), &awaited.task));
    awaited.any_end = from.any_end();
    awaited.optional = from.optional();
    awaited.until = TimeOf(from.has_until(), base, from.until());
    awaited.failed = from.failed();
  }
  return absl::OkStatus();
}

void EncodeFailure(const Failure& failure, rows::Failure* out) {
  out->set_reason(failure.reason);
  out->set_message(failure.message);
}
bool IsEmpty(const Failure& failure) { return failure.reason.empty() && failure.message.empty(); }

void EncodeAttempts(const TaskRecord& record, std::int64_t base, rows::Record* out) {
  std::string_view agent;
  for (const Attempt& attempt : record.history) {
    rows::Attempt* to = out->add_history();
    to->set_generation(ToInt(attempt.generation));
    if (attempt.agent != agent) to->set_agent(attempt.agent);
    agent = attempt.agent;
    to->set_outcome(static_cast<int>(attempt.outcome));
    to->set_charged(attempt.charged);
    if (!IsEmpty(attempt.failure)) EncodeFailure(attempt.failure, to->mutable_failure());
    if (const auto offset = OffsetOf(attempt.assign_time, base)) to->set_assign_time(*offset);
    if (const auto offset = OffsetOf(attempt.accept_time, base)) to->set_accept_time(*offset);
    if (const auto offset = OffsetOf(attempt.finish_time, base)) to->set_finish_time(*offset);
    to->set_answered(NumberUnless(TaskState::kQueued, attempt.answered));
    if (attempt.usage.empty()) continue;
    if (attempt.usage == record.usage) {
      to->set_usage_of_record(true);
    } else {
      to->set_usage(attempt.usage);
    }
  }
}

absl::Status DecodeAttempts(const rows::Record& in, std::int64_t base, TaskRecord* record) {
  record->history.reserve(in.history_size());
  std::string_view agent;
  for (const rows::Attempt& from : in.history()) {
    Attempt& attempt = record->history.emplace_back();
    if (from.has_agent()) agent = from.agent();
    attempt.generation = Generation(from.generation());
    attempt.agent = agent;
    if (from.outcome() == 0) return Corrupt("an attempt has no outcome");
    SY_RETURN_IF_ERROR(GetOpenEnum(from.outcome(), AttemptOutcome::kFailed, &attempt.outcome));
    SY_RETURN_IF_ERROR(GetOpenEnum(from.answered(), TaskState::kQueued, &attempt.answered));
    attempt.charged = from.charged();
    attempt.failure = {.reason = from.failure().reason(), .message = from.failure().message()};
    attempt.assign_time = TimeOf(from.has_assign_time(), base, from.assign_time());
    attempt.accept_time = TimeOf(from.has_accept_time(), base, from.accept_time());
    attempt.finish_time = TimeOf(from.has_finish_time(), base, from.finish_time());
    attempt.usage = from.usage_of_record() ? record->usage : from.usage();
  }
  return absl::OkStatus();
}

// What only some records have; most fields of a fresh one are not even looked at twice.
void EncodeRest(const TaskRecord& record, std::int64_t base, rows::Record* out) {
  if (const auto offset = OffsetOf(record.finish_time, base)) out->set_finish_time(*offset);
  if (const auto offset = OffsetOf(record.sign_time, base)) out->set_sign_time(*offset);
  if (const auto offset = OffsetOf(record.cancel_time, base)) out->set_cancel_time(*offset);
  out->set_phase(static_cast<int>(record.phase));
  out->set_attempts(record.attempts);
  out->set_losses(record.losses);
  out->set_releases(record.releases);
  out->set_cancel_requested(record.cancel_requested);
  out->set_omitted_events(record.omitted_events);
  if (!record.cancel_reason.empty()) out->set_cancel_reason(record.cancel_reason);
  if (!record.question.empty()) out->set_question(record.question);
  if (!record.answer.empty()) out->set_answer(record.answer);
  if (!record.routing.empty()) out->set_routing(record.routing);
  if (!record.result.empty()) out->set_result(record.result);
  if (!record.usage.empty()) out->set_usage(record.usage);
  if (!record.model.empty()) out->set_model(record.model);
  if (!IsEmpty(record.failure)) EncodeFailure(record.failure, out->mutable_failure());
  for (const std::string& agent : record.avoid_agents) out->add_avoid_agents(agent);
  for (const std::string& agent : record.refusing_agents) out->add_refusing_agents(agent);
  EncodeAwaits(record, base, out);
  EncodeAttempts(record, base, out);
}

// Takes the buffers of `in`.
absl::Status DecodeRest(rows::Record& in, std::int64_t base, TaskRecord* record) {
  record->finish_time = TimeOf(in.has_finish_time(), base, in.finish_time());
  record->sign_time = TimeOf(in.has_sign_time(), base, in.sign_time());
  record->cancel_time = TimeOf(in.has_cancel_time(), base, in.cancel_time());
  SY_RETURN_IF_ERROR(GetPhase(in.phase(), &record->phase));
  record->attempts = in.attempts();
  record->losses = in.losses();
  record->releases = in.releases();
  record->cancel_requested = in.cancel_requested();
  record->omitted_events = in.omitted_events();
  record->cancel_reason = in.cancel_reason();
  record->question = in.question();
  record->answer = in.answer();
  record->routing = in.routing();
  record->result = in.result();
  record->usage = in.usage();
  record->model = in.model();
  record->failure = {.reason = in.failure().reason(), .message = in.failure().message()};
  record->avoid_agents.assign(in.avoid_agents().begin(), in.avoid_agents().end());
  record->refusing_agents.assign(in.refusing_agents().begin(), in.refusing_agents().end());
  SY_RETURN_IF_ERROR(DecodeAwaits(in, base, record));
  return DecodeAttempts(in, base, record);
}

template <class Message>
std::string Serialise(Message& message) {
  std::string bytes;
  const std::size_t size = message.ByteSizeLong();
  bytes.resize(size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(bytes.data()));
  return bytes;
}

template <class Message>
bool Parse(std::string_view bytes, Message& message) {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()) &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

absl::Status Fill(rows::Record& in, TaskRecord* record) {
  SY_RETURN_IF_ERROR(GetId(in.id(), &record->id));
  const std::int64_t base = Plus(MicrosIn(record->id.uuid()), in.create_offset());
  record->create_time = TimeOf(base);
  record->project = in.has_project() ? in.project() : kDefaultProject;
  record->principal = in.principal();
  record->matching = in.matching();
  record->agent = in.agent();
  record->revision = in.revision();
  record->generation = Generation(in.generation());
  SY_RETURN_IF_ERROR(GetLane(in.lane(), Lane::kNormal, &record->lane));
  SY_RETURN_IF_ERROR(GetState(in.state(), TaskState::kQueued, &record->state));
  SY_RETURN_IF_ERROR(GetHold(in.hold(), &record->hold));
  record->hold_until = TimeOf(in.has_hold_until(), base, in.hold_until());
  record->assign_time = TimeOf(in.has_assign_time(), base, in.assign_time());
  record->accept_time = TimeOf(in.has_accept_time(), base, in.accept_time());
  if (in.has_policy()) SY_RETURN_IF_ERROR(DecodePolicy(in.policy(), base, &record->policy));
  SY_RETURN_IF_ERROR(DecodeRest(in, base, record));
  record->timeline.resize(in.timeline_size());
  EventChain chain{.time = base};
  for (int i = 0; i < in.timeline_size(); ++i) {
    SY_RETURN_IF_ERROR(chain.Decode(in.timeline(i), &record->timeline[i]));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeRecord(const TaskRecord& record) {
  static const TaskPolicy& usual_policy = *new TaskPolicy();
  Scratch<rows::Record> out;
  const std::int64_t base = absl::ToUnixMicros(record.create_time);
  SetId(record.id, out->mutable_id());
  out->set_create_offset(Minus(base, MicrosIn(record.id.uuid())));
  if (record.project != kDefaultProject) out->set_project(record.project);
  out->set_principal(record.principal);
  out->set_lane(NumberUnless(Lane::kNormal, record.lane));
  out->set_matching(record.matching);
  out->set_revision(record.revision);
  out->set_generation(ToInt(record.generation));
  if (!record.agent.empty()) out->set_agent(record.agent);
  out->set_state(NumberUnless(TaskState::kQueued, record.state));
  out->set_hold(NumberUnless(HoldReason::kNone, record.hold));
  if (const auto offset = OffsetOf(record.hold_until, base)) out->set_hold_until(*offset);
  if (const auto offset = OffsetOf(record.assign_time, base)) out->set_assign_time(*offset);
  if (const auto offset = OffsetOf(record.accept_time, base)) out->set_accept_time(*offset);
  if (!(record.policy == usual_policy)) EncodePolicy(record.policy, base, out->mutable_policy());
  EncodeRest(record, base, &*out);
  EventChain chain{.time = base};
  for (const TaskEvent& event : record.timeline) chain.Encode(event, out->add_timeline());
  std::string bytes = Serialise(*out);
  Scratch<rows::Record>::Trim(bytes.size());
  return bytes;
}

absl::StatusOr<TaskRecord> DecodeRecord(std::string_view bytes) {
  Scratch<rows::Record> in;
  absl::StatusOr<TaskRecord> record = TaskRecord();
  absl::Status status = Parse(bytes, *in) ? Fill(*in, &*record) : Corrupt("not a record");
  if (!status.ok()) record = std::move(status);
  Scratch<rows::Record>::Trim(bytes.size());
  return record;
}

std::optional<TaskRecord> Readable(const TaskId& id, std::string_view bytes) {
  absl::StatusOr<TaskRecord> record = DecodeRecord(bytes);
  if (record.ok()) return *std::move(record);
  LogError("a stored task cannot be read and is left out", {{"task_id", id.ToString()}, {"status", record.status()}});
  return std::nullopt;
}

std::string EncodeEventBatch(absl::Span<const PublishedEvent> events) {
  Scratch<rows::EventBatch> out;
  EventChain chain;
  TaskId task;
  std::string_view project = kDefaultProject;
  Lane lane = Lane::kNormal;
  if (!events.empty()) {
    chain.time = absl::ToUnixMicros(events[0].event.time);
    out->set_base_time(chain.time);
  }
  for (const PublishedEvent& event : events) {
    rows::Event* to = out->add_events();
    chain.Encode(event.event, to);
    if (event.task != task) SetId(event.task, to->mutable_task());
    if (event.project != project) to->set_project(event.project);
    to->set_lane(NumberUnless(lane, event.lane));
    task = event.task;
    project = event.project;
    lane = event.lane;
  }
  std::string bytes = Serialise(*out);
  Scratch<rows::EventBatch>::Trim(bytes.size());
  return bytes;
}

absl::StatusOr<std::vector<PublishedEvent>> DecodeEventBatch(std::string_view bytes) {
  Scratch<rows::EventBatch> in;
  if (!Parse(bytes, *in)) return Corrupt("not a batch of events");
  std::vector<PublishedEvent> events(in->events_size());
  EventChain chain{.time = in->base_time()};
  TaskId task;
  std::string_view project = kDefaultProject;
  Lane lane = Lane::kNormal;
  for (int i = 0; i < in->events_size(); ++i) {
    const rows::Event& from = in->events(i);
    PublishedEvent& event = events[i];
    SY_RETURN_IF_ERROR(chain.Decode(from, &event.event));
    if (!from.task().empty()) SY_RETURN_IF_ERROR(GetId(from.task(), &task));
    if (from.has_project()) project = from.project();
    SY_RETURN_IF_ERROR(GetOpenEnum(from.lane(), lane, &lane));
    event.task = task;
    event.project = project;
    event.lane = lane;
  }
  Scratch<rows::EventBatch>::Trim(bytes.size());
  return events;
}

}  // namespace switchyard::task_queue

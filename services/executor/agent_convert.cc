#include "services/executor/agent_convert.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "services/executor/verification_convert.h"

namespace switchyard::executor {
namespace {

namespace queue = task_queue::v1;

constexpr std::size_t kReasonBytes = 100;
constexpr std::size_t kMessageBytes = 4'000;
constexpr std::size_t kShortBytes = 1'000;
constexpr std::size_t kStateBytes = 16 * 1024;
// What the contract takes.
constexpr absl::Duration kLongestRetry = absl::Hours(1);

void SetTime(absl::Time time, google::protobuf::Timestamp& out) {
  const std::int64_t nanos = absl::ToUnixNanos(time);
  out = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(std::max<std::int64_t>(nanos, 0));
}

agent::v1::HeldState ToState(HeldState state) {
  switch (state) {
    case HeldState::kAssigned:
      return agent::v1::HELD_STATE_ASSIGNED;
    case HeldState::kRunning:
      return agent::v1::HELD_STATE_RUNNING;
    case HeldState::kBlocked:
      return agent::v1::HELD_STATE_BLOCKED;
    case HeldState::kVerifying:
      return agent::v1::HELD_STATE_VERIFYING;
    case HeldState::kDone:
      return agent::v1::HELD_STATE_DONE;
  }
  return agent::v1::HELD_STATE_UNSPECIFIED;
}

void AddHeld(const std::vector<HeldTask>& held, google::protobuf::RepeatedPtrField<agent::v1::HeldTask>& out) {
  for (const HeldTask& task : held) {
    agent::v1::HeldTask& message = *out.Add();
    message.set_task_id(task.key.task_id);
    message.set_generation(task.key.generation);
    message.set_state(ToState(task.state));
  }
}

// What was seen, for whoever judges the work or asks why.
std::string EvidenceJson(const Evidence& evidence) {
  google::protobuf::Struct root;
  auto& fields = *root.mutable_fields();
  const auto number = [&](const char* name, double value) { fields[name].set_number_value(value); };
  const auto text = [&](const char* name, std::string value) { fields[name].set_string_value(std::move(value)); };
  text("rule", ToText(evidence.rule, kShortBytes));
  text("sandbox", evidence.sandbox);
  fields["network"].set_bool_value(evidence.network);
  number("uid", evidence.uid);
  number("exit_code", evidence.exit_code);
  number("signal", evidence.signal);
  text("started", absl::FormatTime(absl::RFC3339_full, evidence.started, absl::UTCTimeZone()));
  text("ended", absl::FormatTime(absl::RFC3339_full, evidence.ended, absl::UTCTimeZone()));
  number("user_seconds", absl::ToDoubleSeconds(evidence.user_time));
  number("system_seconds", absl::ToDoubleSeconds(evidence.system_time));
  number("max_rss_bytes", static_cast<double>(evidence.max_rss_bytes));
  number("peak_memory_bytes", static_cast<double>(evidence.peak_memory_bytes));
  number("peak_processes", evidence.peak_processes);
  number("disk_bytes", static_cast<double>(evidence.disk_bytes));
  number("output_bytes", static_cast<double>(evidence.output_bytes));
  number("dropped_bytes", static_cast<double>(evidence.dropped_bytes));
  auto& limits = *fields["limits"].mutable_struct_value()->mutable_fields();
  for (const HeldLimit& limit : evidence.limits) {
    auto& entry = *limits[limit.name].mutable_struct_value()->mutable_fields();
    entry["value"].set_number_value(static_cast<double>(limit.value));
    entry["held_by"].set_string_value(limit.held_by);
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(root, &json).ok()) json.clear();
  return json;
}

std::string Lines(const google::protobuf::RepeatedPtrField<std::string>& items) {
  std::string lines;
  for (const std::string& item : items) absl::StrAppend(&lines, item, "\n");
  return lines;
}

EditFormat ToEditFormat(queue::EditFormat format) {
  switch (format) {
    case queue::EDIT_FORMAT_NONE:
      return EditFormat::kNone;
    case queue::EDIT_FORMAT_SEARCH_REPLACE:
      return EditFormat::kSearchReplace;
    case queue::EDIT_FORMAT_WHOLE_FILE:
      return EditFormat::kWholeFile;
    default:
      return EditFormat::kAny;
  }
}

PromptWork ToPrompt(const queue::TaskSpec& spec) {
  PromptWork prompt;
  prompt.instruction = spec.prompt().instruction();
  prompt.system = spec.prompt().system();
  prompt.success_criteria.assign(spec.success_criteria().begin(), spec.success_criteria().end());
  prompt.max_tokens = spec.resource_limits().max_tokens();
  prompt.local_only = spec.local_only();
  prompt.edit_format = ToEditFormat(spec.prompt().edit_format());
  const auto add = [&prompt](const char* name, std::string text) {
    if (!text.empty()) prompt.data.emplace_back(name, std::move(text));
  };
  add("description of the task", spec.description());
  const queue::WorkContext& context = spec.context();
  std::string place;
  if (!context.repository().empty()) absl::StrAppend(&place, "repository: ", context.repository(), "\n");
  if (!context.branch().empty()) absl::StrAppend(&place, "branch: ", context.branch(), "\n");
  if (!context.base_branch().empty()) absl::StrAppend(&place, "base branch: ", context.base_branch(), "\n");
  add("repository", std::move(place));
  add("files that matter", Lines(context.files()));
  add("references", Lines(context.references()));
  return prompt;
}

ReportKind ToKind(Outcome outcome) {
  if (outcome == Outcome::kSucceeded) return ReportKind::kComplete;
  return outcome == Outcome::kGivenBack ? ReportKind::kReleased : ReportKind::kFail;
}

std::string Summary(const Evidence& evidence) {
  if (!evidence.summary.empty()) return evidence.summary;
  const absl::Duration took = absl::Trunc(evidence.ended - evidence.started, absl::Milliseconds(1));
  if (evidence.outcome == Outcome::kSucceeded) return absl::StrCat("done in ", absl::FormatDuration(took));
  return absl::StrCat(evidence.reason, " after ", absl::FormatDuration(took));
}

}  // namespace

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string ToText(std::string_view text, std::size_t bytes) {
  std::string clean = text::ReplaceInvalidUtf8(text);
  std::replace(clean.begin(), clean.end(), '\0', ' ');
  return std::string(text::TruncateUtf8(clean, bytes));
}

Assignment ToAssignment(agent::v1::Assignment message) {
  Assignment assignment{.number = message.number(),
                        .key = {.task_id = message.task_id(), .generation = message.generation()},
                        .probe = message.probe(),
                        .routed = !message.routing().empty()};
  const queue::TaskSpec& spec = message.spec();
  assignment.beyond_workspace =
      spec.effects() != queue::EFFECTS_UNSPECIFIED && spec.effects() != queue::EFFECTS_WORKSPACE;
  assignment.retry_when_lost = spec.on_lost() == queue::ON_LOST_UNSPECIFIED ? !assignment.beyond_workspace
                                                                            : spec.on_lost() == queue::ON_LOST_RETRY;
  message.SerializeToString(&assignment.payload);
  return assignment;
}

absl::StatusOr<Work> ToWork(const Assignment& assignment) {
  agent::v1::Assignment message;
  if (!message.ParseFromString(assignment.payload)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "the assignment cannot be read");
  }
  const queue::TaskSpec& spec = message.spec();
  Work work{.task_id = assignment.key.task_id, .generation = assignment.key.generation};
  work.limits.time = ToDuration(spec.time_limits().run());
  work.network = spec.effects() == queue::EFFECTS_NETWORK;
  work.inside_only = !assignment.beyond_workspace;
  work.repository = ToRepository(spec);
  SY_ASSIGN_OR_RETURN(work.checks, ToSteps(spec));
  work.checks_time = ToDuration(spec.time_limits().verification());
  work.max_iterations = spec.resource_limits().max_iterations();
  work.max_cost_micros = spec.resource_limits().max_cost_micros();
  work.state_summary = std::move(*message.mutable_state_summary());
  work.routing = std::move(*message.mutable_routing());
  if (spec.has_prompt()) {
    work.kind = WorkKind::kPrompt;
    work.prompt = ToPrompt(spec);
  } else if (spec.has_external()) {
    work.kind = WorkKind::kExternal;
    // The rest tells an agent what it tells a model.
    work.prompt = ToPrompt(spec);
    work.external = {.agent = spec.external().agent(), .instruction = spec.external().instruction()};
  } else if (spec.has_command()) {
    const queue::Command& command = spec.command();
    work.argv.assign(command.argv().begin(), command.argv().end());
    work.environment.insert(command.environment().begin(), command.environment().end());
    work.working_directory = command.working_directory();
    work.stdin_data = command.stdin();
  } else {
    return MakeError(absl::StatusCode::kInvalidArgument, "UNSUPPORTED",
                     "this executor runs tasks of the kinds command, prompt and external only");
  }
  return work;
}

std::string ProbeNonce(const Assignment& assignment) {
  agent::v1::Assignment message;
  if (!assignment.probe || !message.ParseFromString(assignment.payload)) return "";
  const queue::Command& command = message.spec().command();
  return command.argv_size() == 2 ? command.argv(1) : "";
}

Welcomed ToWelcomed(const agent::v1::Welcome& message) {
  return {.heartbeat_interval = ToDuration(message.heartbeat_interval()),
          .heartbeat_offset = ToDuration(message.heartbeat_offset()),
          .grace = ToDuration(message.grace()),
          .drop = ToKeys(message.drop())};
}

std::vector<TaskKey> ToKeys(const google::protobuf::RepeatedPtrField<agent::v1::HeldTask>& tasks) {
  std::vector<TaskKey> keys;
  keys.reserve(static_cast<std::size_t>(tasks.size()));
  for (const agent::v1::HeldTask& task : tasks) {
    keys.push_back({.task_id = task.task_id(), .generation = task.generation()});
  }
  return keys;
}

agent::v1::Hello ToHello(const HelloFacts& facts) {
  agent::v1::Hello hello;
  hello.set_min_protocol_version(1);
  hello.set_max_protocol_version(1);
  hello.set_slots(facts.slots);
  hello.set_restarted(facts.restarted);
  hello.set_draining(facts.draining);
  AddHeld(facts.held, *hello.mutable_held());
  return hello;
}

agent::v1::Heartbeat ToHeartbeat(const HeartbeatFacts& facts) {
  agent::v1::Heartbeat heartbeat;
  heartbeat.set_number(facts.number);
  heartbeat.set_last_assignment(facts.last_assignment);
  heartbeat.set_slots(facts.slots);
  heartbeat.set_draining(facts.draining);
  heartbeat.set_refusing(ToText(facts.refusing, 200));
  AddHeld(facts.held, *heartbeat.mutable_held());
  return heartbeat;
}

agent::v1::Report ToReport(const Report& report) {
  agent::v1::Report message;
  message.set_number(report.number);
  message.set_task_id(report.key.task_id);
  message.set_generation(report.key.generation);
  switch (report.kind) {
    case ReportKind::kAccept:
      message.mutable_accept();
      break;
    case ReportKind::kReject:
      message.mutable_reject()->set_reason(ToText(report.reason, kReasonBytes));
      message.mutable_reject()->set_message(ToText(report.message, kMessageBytes));
      message.mutable_reject()->set_permanent(report.permanent);
      message.mutable_reject()->set_routed(report.routed);
      break;
    case ReportKind::kPhase:
      message.mutable_phase()->set_phase(static_cast<queue::Phase>(report.phase));
      break;
    case ReportKind::kBlocked:
      message.mutable_blocked()->set_reason(ToText(report.reason, kReasonBytes));
      message.mutable_blocked()->set_question(ToText(report.message, kMessageBytes));
      break;
    case ReportKind::kComplete:
      message.mutable_complete()->mutable_result()->ParseFromString(report.result);
      message.mutable_complete()->set_route_report(report.route_report);
      break;
    case ReportKind::kFail: {
      agent::v1::Fail& fail = *message.mutable_fail();
      fail.mutable_failure()->set_reason(ToText(report.reason, kReasonBytes));
      fail.mutable_failure()->set_message(ToText(report.message, kMessageBytes));
      if (!report.result.empty()) fail.mutable_result()->ParseFromString(report.result);
      fail.set_permanent(report.permanent);
      fail.set_agent_fault(report.agent_fault);
      fail.set_route_report(report.route_report);
      break;
    }
    case ReportKind::kReleased:
      message.mutable_released()->set_reason(ToText(report.reason, kShortBytes));
      message.mutable_released()->set_route_report(report.route_report);
      if (report.retry_after > absl::ZeroDuration()) {
        *message.mutable_released()->mutable_retry_after() =
            google::protobuf::util::TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(report.retry_after));
      }
      break;
  }
  return message;
}

agent::v1::LogChunk ToLogChunk(OutgoingLog log) {
  agent::v1::LogChunk chunk;
  chunk.set_task_id(std::move(log.key.task_id));
  chunk.set_generation(log.key.generation);
  chunk.set_sequence(log.sequence);
  chunk.set_stream(log.stream == LogStream::kOutput ? agent::v1::LOG_STREAM_STDOUT : agent::v1::LOG_STREAM_STDERR);
  chunk.set_data(std::move(log.text));
  SetTime(log.time, *chunk.mutable_time());
  chunk.set_omitted_bytes(log.omitted_bytes);
  chunk.set_last(log.last);
  return chunk;
}

agent::v1::AgentResources ToResources(const Resources& resources) {
  agent::v1::AgentResources message;
  message.set_cpus(static_cast<int>(resources.cpus));
  if (resources.cpus > 0) message.set_cpu_used(std::clamp(resources.load / resources.cpus, 0.0, 1.0));
  message.set_memory_bytes(static_cast<std::int64_t>(resources.memory_bytes));
  message.set_memory_free_bytes(static_cast<std::int64_t>(resources.memory_available_bytes));
  message.set_disk_bytes(static_cast<std::int64_t>(resources.disk_bytes));
  message.set_disk_free_bytes(static_cast<std::int64_t>(resources.disk_free_bytes));
  for (const Gpu& gpu : resources.gpus) {
    agent::v1::AgentGpu& out = *message.add_gpus();
    out.set_name(ToText(gpu.name, kReasonBytes));
    out.set_memory_bytes(static_cast<std::int64_t>(gpu.memory_bytes));
    out.set_memory_free_bytes(
        static_cast<std::int64_t>(gpu.memory_bytes - std::min(gpu.memory_used_bytes, gpu.memory_bytes)));
    out.set_used(gpu.busy_percent / 100.0);
  }
  return message;
}

agent::v1::SelfTest ToSelfTest(std::string_view backend, const std::vector<ProbeResult>& results, absl::Time now) {
  agent::v1::SelfTest test;
  test.set_name(ToText(backend, kReasonBytes));
  std::string message;
  for (const ProbeResult& result : results) {
    if (result.name == backend) test.set_passed(result.ok);
    absl::StrAppend(&message, message.empty() ? "" : "; ", result.name, result.ok ? ": " : " FAILED: ", result.detail);
  }
  test.set_message(ToText(message, kShortBytes));
  SetTime(now, *test.mutable_time());
  return test;
}

Ended ToEnded(const Evidence& evidence) {
  Ended ended;
  Report& report = ended.report;
  report.key = {.task_id = evidence.task_id, .generation = evidence.generation};
  const bool stopped = evidence.reason == "EXECUTOR_STOPPED";
  ended.cancelled = evidence.outcome == Outcome::kCancelled || stopped;
  report.kind = ToKind(evidence.outcome);
  report.reason = evidence.reason;
  // A release says all in one text.
  if (report.kind == ReportKind::kReleased) absl::StrAppend(&report.reason, ": ", evidence.message);
  report.message = evidence.message;
  report.agent_fault = evidence.executor_fault;
  report.permanent = evidence.permanent;
  report.retry_after = std::min(evidence.retry_after, kLongestRetry);
  report.route_report = evidence.route_report;
  queue::TaskResult result;
  result.set_summary(ToText(Summary(evidence), kShortBytes));
  result.set_exit_code(evidence.exit_code);
  result.set_output(ToText(evidence.output, 64 * 1024));
  result.set_evidence(evidence.facts.empty() ? EvidenceJson(evidence) : evidence.facts);
  for (const auto& [name, value] : evidence.outputs) (*result.mutable_outputs())[name] = ToText(value, kMessageBytes);
  if (!evidence.usage.empty()) result.mutable_usage()->ParseFromString(evidence.usage);
  result.set_checks(evidence.checks);
  result.set_state_summary(ToText(evidence.state_summary, kStateBytes));
  result.SerializeToString(&report.result);
  return ended;
}

Confirmation ToConfirmation(const agent::v1::ConfirmResult& result) {
  if (result.current()) return Confirmation::kCurrent;
  return result.unavailable() ? Confirmation::kUnknown : Confirmation::kStale;
}

int ToPhase(WorkPhase phase) {
  switch (phase) {
    case WorkPhase::kWorkspace:
      return queue::PHASE_WORKSPACE;
    case WorkPhase::kLoading:
      return queue::PHASE_LOADING;
    case WorkPhase::kGenerating:
      return queue::PHASE_GENERATING;
    case WorkPhase::kApplying:
      return queue::PHASE_APPLYING;
    case WorkPhase::kExecuting:
      return queue::PHASE_EXECUTING;
    case WorkPhase::kVerifying:
      return queue::PHASE_VERIFYING;
  }
  return queue::PHASE_UNSPECIFIED;
}

}  // namespace switchyard::executor

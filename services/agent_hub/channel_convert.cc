#include "services/agent_hub/channel_convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/agent_hub/capacity_book.h"
#include "services/agent_hub/features.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;
namespace tv1 = task_queue::v1;

constexpr int kMaxFeatures = 64;
constexpr int kMaxCapabilities = 256;
constexpr int kMaxLabels = 32;
constexpr int kMaxSelfTests = 32;
constexpr int kMaxHeld = 10'000;
constexpr int kMaxSlots = 10'000;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kLineBytes = 256;
constexpr std::size_t kCapabilityBytes = 200;
constexpr std::size_t kMessageBytes = 1024;
constexpr std::size_t kChunkBytes = 64u << 10;
constexpr std::size_t kObservationBytes = 4u << 10;
// Leaves whoever has the largest of them one more.
constexpr std::int64_t kMaxConnection = 1LL << 62;
constexpr std::int64_t kMaxSeconds = 10LL * 365 * 24 * 3600;

absl::Status Broken(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "BAD_MESSAGE", what);
}

absl::StatusOr<TaskRef> ToRef(const std::string& task, std::int64_t generation) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(task);
  if (!id.ok() || generation < 1) return Broken("task and generation must name an assignment");
  return TaskRef{*id, generation};
}

template <class Strings>
absl::StatusOr<std::vector<std::string>> ToList(Strings& strings, int most, std::size_t bytes, std::string_view what) {
  if (strings.size() > most) return Broken(absl::StrCat("too many ", ToAbsl(what)));
  std::vector<std::string> list;
  list.reserve(strings.size());
  for (std::string& text : strings) {
    if (text.size() > bytes) return Broken(absl::StrCat("one of the ", ToAbsl(what), " is too long"));
    list.push_back(std::move(text));
  }
  return list;
}

template <class Tasks>
absl::StatusOr<std::vector<Held>> ToHeld(const Tasks& tasks) {
  if (tasks.size() > kMaxHeld) return Broken("too many held tasks");
  std::vector<Held> held;
  held.reserve(tasks.size());
  for (const av1::HeldTask& task : tasks) {
    SY_ASSIGN_OR_RETURN(const TaskRef ref, ToRef(task.task_id(), task.generation()));
    const int state = static_cast<int>(task.state());
    const bool known = state >= static_cast<int>(HeldState::kAssigned) && state <= static_cast<int>(HeldState::kDone);
    held.push_back({ref, known ? static_cast<HeldState>(state) : HeldState::kRunning});
  }
  return held;
}

template <class Tests>
absl::StatusOr<std::vector<SelfTestFact>> ToFacts(const Tests& tests) {
  if (tests.size() > kMaxSelfTests) return Broken("too many self-tests");
  std::vector<SelfTestFact> facts;
  for (const av1::SelfTest& test : tests) {
    if (test.name().size() > kNameBytes || test.message().size() > kMessageBytes)
      return Broken("a self-test is too long");
    facts.push_back({test.name(), test.passed(), test.message()});
  }
  return facts;
}

absl::StatusOr<int> ToSlots(int slots) {
  if (slots < 0 || slots > kMaxSlots) return Broken("slots out of range");
  return slots;
}

absl::Status CheckResources(const av1::AgentResources& resources) {
  if (resources.gpus_size() > 64) return Broken("too many GPUs");
  for (const av1::AgentGpu& gpu : resources.gpus()) {
    if (gpu.name().size() > kLineBytes) return Broken("a GPU's name is too long");
  }
  return absl::OkStatus();
}

absl::StatusOr<Received> ToHello(av1::Hello& hello) {
  Received received;
  Hello out;
  out.min_version = hello.min_protocol_version();
  out.max_version = hello.max_protocol_version();
  if (out.min_version < 1 || out.max_version < out.min_version) return Broken("no protocol version");
  if (hello.software_version().size() > kNameBytes || hello.host_name().size() > kLineBytes) {
    return Broken("version or host name is too long");
  }
  if (hello.labels_size() > kMaxLabels) return Broken("too many labels");
  for (const auto& [key, value] : hello.labels()) {
    if (key.size() > kNameBytes || value.size() > kCapabilityBytes) return Broken("a label is too long");
    out.labels.emplace_back(key, value);
  }
  SY_RETURN_IF_ERROR(CheckResources(hello.resources()));
  // What is shown of an agent as it said it, kept as it is.
  av1::Agent said;
  said.set_version(hello.software_version());
  said.set_protocol_version(1);
  for (const std::string& feature : hello.features()) {
    if (said.features_size() < kMaxFeatures) said.add_features(feature);
  }
  *said.mutable_labels() = hello.labels();
  if (!hello.host_name().empty()) (*said.mutable_labels())["host"] = hello.host_name();
  said.set_slots(hello.slots());
  if (hello.has_resources()) *said.mutable_resources() = hello.resources();
  *said.mutable_self_tests() = hello.self_tests();

  SY_ASSIGN_OR_RETURN(out.features, ToList(*hello.mutable_features(), kMaxFeatures, kNameBytes, "features"));
  for (std::string& feature : MissingFeatures(out.features)) said.add_missing_features(std::move(feature));
  SY_ASSIGN_OR_RETURN(out.capabilities,
                      ToList(*hello.mutable_capabilities(), kMaxCapabilities, kCapabilityBytes, "capabilities"));
  SY_ASSIGN_OR_RETURN(out.slots, ToSlots(hello.slots()));
  SY_ASSIGN_OR_RETURN(out.self_tests, ToFacts(hello.self_tests()));
  SY_ASSIGN_OR_RETURN(out.held, ToHeld(hello.held()));
  out.restarted = hello.restarted();
  out.draining = hello.draining();
  if (hello.connection() < 0 || hello.connection() > kMaxConnection) return Broken("connection is out of range");
  out.connection = hello.connection();
  received.message = std::move(out);
  received.said = std::move(said);
  return received;
}

absl::StatusOr<Received> ToHeartbeat(av1::Heartbeat& heartbeat) {
  Received received;
  Heartbeat out;
  out.number = heartbeat.number();
  out.last_assignment = heartbeat.last_assignment();
  SY_ASSIGN_OR_RETURN(out.slots, ToSlots(heartbeat.slots()));
  SY_ASSIGN_OR_RETURN(out.held, ToHeld(heartbeat.held()));
  SY_ASSIGN_OR_RETURN(out.self_tests, ToFacts(heartbeat.self_tests()));
  out.draining = heartbeat.draining();
  if (heartbeat.refusing().size() > kMessageBytes) return Broken("refusing is too long");
  out.refusing = std::move(*heartbeat.mutable_refusing());
  if (heartbeat.has_capabilities()) {
    SY_ASSIGN_OR_RETURN(out.capabilities, ToList(*heartbeat.mutable_capabilities()->mutable_capabilities(),
                                                 kMaxCapabilities, kCapabilityBytes, "capabilities"));
  }
  if (heartbeat.has_resources() || heartbeat.self_tests_size() > 0) {
    SY_RETURN_IF_ERROR(CheckResources(heartbeat.resources()));
    av1::Agent said;
    said.set_slots(heartbeat.slots());
    if (heartbeat.has_resources()) said.mutable_resources()->Swap(heartbeat.mutable_resources());
    said.mutable_self_tests()->Swap(heartbeat.mutable_self_tests());
    received.said = std::move(said);
  }
  received.message = std::move(out);
  return received;
}

// False for a report that this version does not know.
bool Fill(av1::Report& from, Report& report, tv1::TaskReport& to) {
  switch (from.report_case()) {
    case av1::Report::kAccept:
      report.kind = ReportKind::kAccept;
      to.mutable_accepted();
      return true;
    case av1::Report::kReject:
      report.kind = ReportKind::kReject;
      report.text = from.reject().reason();
      to.mutable_rejected()->set_reason(std::move(*from.mutable_reject()->mutable_reason()));
      to.mutable_rejected()->set_message(std::move(*from.mutable_reject()->mutable_message()));
      to.mutable_rejected()->set_permanent(from.reject().permanent());
      return true;
    case av1::Report::kPhase:
      report.kind = ReportKind::kPhase;
      to.mutable_phase()->set_phase(from.phase().phase());
      return true;
    case av1::Report::kBlocked:
      report.kind = ReportKind::kBlocked;
      to.mutable_blocked()->set_reason(std::move(*from.mutable_blocked()->mutable_reason()));
      to.mutable_blocked()->set_question(std::move(*from.mutable_blocked()->mutable_question()));
      return true;
    case av1::Report::kProgress:
      report.kind = ReportKind::kProgress;
      if (from.progress().has_percent()) to.mutable_progress()->set_percent(from.progress().percent());
      to.mutable_progress()->set_message(std::move(*from.mutable_progress()->mutable_message()));
      return true;
    case av1::Report::kVerification:
      report.kind = ReportKind::kProgress;
      to.mutable_progress()->set_message(absl::StrCat("check ", from.verification().step() + 1,
                                                      from.verification().passed() ? " passed" : " failed",
                                                      from.verification().message().empty() ? "" : ": ",
                                                      from.verification().message().substr(0, kMessageBytes / 2)));
      return true;
    case av1::Report::kComplete:
      report.kind = ReportKind::kComplete;
      report.text = from.complete().result().summary().substr(0, kLineBytes);
      to.mutable_evidence()->mutable_result()->Swap(from.mutable_complete()->mutable_result());
      return true;
    case av1::Report::kFail:
      report.kind = ReportKind::kFail;
      report.agent_fault = from.fail().agent_fault();
      report.text = absl::StrCat(from.fail().failure().reason(), from.fail().failure().message().empty() ? "" : ": ",
                                 from.fail().failure().message().substr(0, kLineBytes));
      to.mutable_failed()->mutable_failure()->Swap(from.mutable_fail()->mutable_failure());
      if (from.fail().has_result()) to.mutable_failed()->mutable_result()->Swap(from.mutable_fail()->mutable_result());
      to.mutable_failed()->set_permanent(from.fail().permanent());
      return true;
    case av1::Report::kReleased:
      report.kind = ReportKind::kReleased;
      report.text = from.released().reason().substr(0, kLineBytes);
      to.mutable_released()->set_reason(std::move(*from.mutable_released()->mutable_reason()));
      if (from.released().has_retry_after())
        *to.mutable_released()->mutable_retry_after() = from.released().retry_after();
      return true;
    case av1::Report::REPORT_NOT_SET:
      return false;
  }
  return false;
}

absl::StatusOr<Received> ToReports(av1::ReportBatch& batch) {
  Reports out;
  out.reports.reserve(batch.reports_size());
  for (av1::Report& from : *batch.mutable_reports()) {
    Report report;
    SY_ASSIGN_OR_RETURN(report.ref, ToRef(from.task_id(), from.generation()));
    if (from.number() < 0) return Broken("report numbers count up from 1");
    report.number = from.number();
    report.bytes = from.ByteSizeLong();
    auto body = std::make_shared<ReportBody>();
    // A newer kind of report than this hub knows: to be acknowledged by a newer hub.
    if (!Fill(from, report, body->report)) continue;
    report.body = std::move(body);
    out.reports.push_back(std::move(report));
  }
  return Received{std::move(out), std::nullopt};
}

}  // namespace

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void Set(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t nanos = absl::ToUnixNanos(time);
  std::int64_t seconds = nanos / 1'000'000'000;
  std::int64_t rest = nanos % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(rest));
}

void Set(absl::Duration duration, google::protobuf::Duration* out) {
  duration = std::clamp(duration, absl::ZeroDuration(), absl::Seconds(kMaxSeconds));
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
}

absl::StatusOr<Received> FromProto(av1::AgentMessage& message) {
  switch (message.body_case()) {
    case av1::AgentMessage::kHello:
      return ToHello(*message.mutable_hello());
    case av1::AgentMessage::kHeartbeat:
      return ToHeartbeat(*message.mutable_heartbeat());
    case av1::AgentMessage::kReports:
      return ToReports(*message.mutable_reports());
    case av1::AgentMessage::kConfirm: {
      SY_ASSIGN_OR_RETURN(const TaskRef ref, ToRef(message.confirm().task_id(), message.confirm().generation()));
      return Received{Confirm{message.confirm().request(), ref}, std::nullopt};
    }
    case av1::AgentMessage::kRouteRequest: {
      av1::RouteRequest& request = *message.mutable_route_request();
      SY_ASSIGN_OR_RETURN(const TaskRef ref, ToRef(request.task_id(), request.generation()));
      if (request.observation().size() > kObservationBytes) return Broken("an observation is too long");
      auto body = std::make_shared<RouteAskedBody>();
      const std::int64_t number = request.request();
      body->request.Swap(&request);
      return Received{RouteAsked{number, ref, std::move(body)}, std::nullopt};
    }
    case av1::AgentMessage::kPong:
      return Received{Pong{message.pong().number()}, std::nullopt};
    default:
      return Received{std::monostate(), std::nullopt};
  }
}

absl::StatusOr<std::vector<LogChunk>> FromProto(av1::LogBatch& logs) {
  std::vector<LogChunk> chunks;
  chunks.reserve(logs.chunks_size());
  for (av1::LogChunk& from : *logs.mutable_chunks()) {
    SY_ASSIGN_OR_RETURN(const TaskRef ref, ToRef(from.task_id(), from.generation()));
    if (from.data().size() > kChunkBytes) return Broken("a log chunk is too long");
    if (from.sequence() < 1 || from.omitted_bytes() < 0) return Broken("log chunks count up from 1");
    if (!av1::LogStream_IsValid(from.stream()) || from.stream() == av1::LOG_STREAM_UNSPECIFIED) continue;
    LogChunk& chunk = chunks.emplace_back();
    chunk.task = ref.task;
    chunk.generation = ref.generation;
    chunk.sequence = from.sequence();
    chunk.stream = static_cast<LogStream>(from.stream());
    chunk.data = std::move(*from.mutable_data());
    // Kept as the executor says it, within what a database can keep.
    chunk.time = absl::FromUnixSeconds(std::clamp<std::int64_t>(from.time().seconds(), 0, 253402300799)) +
                 absl::Nanoseconds(std::clamp(from.time().nanos(), 0, 999'999'999));
    chunk.last = from.last();
    chunk.omitted_bytes = from.omitted_bytes();
  }
  return chunks;
}

bool Join(av1::HubMessage& last, av1::HubMessage& next) {
  if (!last.has_assign() || !next.has_assign()) return false;
  for (av1::Assignment& assignment : *next.mutable_assign()->mutable_assignments()) {
    last.mutable_assign()->add_assignments()->Swap(&assignment);
  }
  return true;
}

void ToProto(const LedgerReport& report, tv1::TaskReport* out) {
  if (report.report.body != nullptr) {
    *out = static_cast<const ReportBody&>(*report.report.body).report;
  } else if (report.report.kind == ReportKind::kReject) {
    out->mutable_rejected()->set_reason(report.report.text);
    out->mutable_rejected()->set_message("said by the hub");
  } else {
    out->mutable_released()->set_reason(report.report.text);
  }
  out->set_task_id(report.report.ref.task.ToString());
  out->set_generation(report.report.ref.generation);
  out->set_agent_id(report.agent.ToString());
  out->set_session_epoch(report.session_epoch);
}

absl::StatusOr<Work> ToWork(tv1::AssignResult& assigned, bool accepted) {
  Work work;
  SY_ASSIGN_OR_RETURN(work.ref, ToRef(assigned.task_id(), assigned.generation()));
  if (!accepted) work.accept_by = ToTime(assigned.accept_by());
  auto body = std::make_shared<WorkBody>();
  body->assignment.mutable_spec()->Swap(assigned.mutable_spec());
  body->assignment.set_traceparent(assigned.traceparent());
  body->assignment.set_routing(assigned.routing());
  body->assignment.mutable_state_summary()->swap(*assigned.mutable_state_summary());
  work.body = std::move(body);
  return work;
}

absl::StatusOr<Work> ToWork(av1::DispatchItem& item) {
  Work work;
  const av1::Assignment& assignment = item.assignment();
  SY_ASSIGN_OR_RETURN(work.ref, ToRef(assignment.task_id(), assignment.generation()));
  if (!assignment.has_accept_by()) return Broken("accept_by is missing");
  work.accept_by = ToTime(assignment.accept_by());
  auto body = std::make_shared<WorkBody>();
  body->assignment.Swap(item.mutable_assignment());
  body->assignment.clear_accept_by();
  work.body = std::move(body);
  return work;
}

absl::StatusOr<Directive> FromProto(const tv1::Directive& directive) {
  Directive out;
  SY_ASSIGN_OR_RETURN(out.agent, AgentId::Parse(directive.agent_id()));
  SY_ASSIGN_OR_RETURN(out.ref, ToRef(directive.task_id(), directive.generation()));
  switch (directive.directive_case()) {
    case tv1::Directive::kCancel:
      out.kind = DirectiveKind::kCancel;
      out.text = directive.cancel().reason();
      return out;
    case tv1::Directive::kWithdraw:
      out.kind = DirectiveKind::kWithdraw;
      out.text = directive.withdraw().reason();
      return out;
    case tv1::Directive::kAnswer:
      out.kind = DirectiveKind::kAnswer;
      out.text = directive.answer().answer();
      return out;
    case tv1::Directive::DIRECTIVE_NOT_SET:
      break;
  }
  return Broken("an unknown directive");
}

absl::Status FromProto(const tv1::ItemError& error) {
  return MakeError(static_cast<absl::StatusCode>(error.code()), error.reason(), error.message());
}

void ToProto(const absl::Status& status, tv1::ItemError* out) {
  out->set_code(static_cast<int>(status.code()));
  const std::string reason = ReasonOf(status);
  out->set_reason(reason.empty() ? std::string(absl::StatusCodeToString(status.code())) : reason);
  out->set_message(std::string(status.message()));
}

av1::AgentCapacity ToProto(const OfferedAgent& offered) {
  const AgentOffer& offer = *offered.offer;
  av1::AgentCapacity out;
  out.set_agent_id(offer.id.ToString());
  out.set_name(offer.name);
  out.set_session_epoch(offer.session_epoch);
  out.set_protocol_version(offer.version);
  *out.mutable_features() = {offer.features.begin(), offer.features.end()};
  *out.mutable_capabilities() = {offer.capabilities.begin(), offer.capabilities.end()};
  for (const auto& [key, value] : offer.labels) (*out.mutable_labels())[key] = value;
  out.set_slots(offer.slots);
  out.set_held_tasks(offer.held);
  out.set_state(static_cast<av1::AgentState>(offer.state));
  out.set_available(offer.unavailable_reason.empty());
  out.set_unavailable_reason(offer.unavailable_reason);
  out.set_unavailable_message(offer.unavailable_message);
  out.set_credit_limit(offered.credit_limit);
  out.set_handle(offered.handle);
  return out;
}

}  // namespace switchyard::agent_hub

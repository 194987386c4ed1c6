#include "services/agent_hub/agent_admin_convert.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hex.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::agent_hub {
namespace {

namespace v1 = agent::v1;

constexpr std::string_view kBundlePrefix = "sye1_";
constexpr int kMaxCapabilities = 64;
constexpr std::int32_t kMaxTailBytes = 1 << 20;

// Nothing, and a fault, when out of the range that the contract allows.
std::optional<absl::Duration> ToDuration(const google::protobuf::Duration& span, std::string_view field,
                                         std::vector<FieldViolation>& faults) {
  constexpr std::int64_t kMaxSeconds = 315'576'000'000;
  if (span.seconds() < 0 || span.seconds() > kMaxSeconds || span.nanos() < 0 || span.nanos() >= 1'000'000'000) {
    faults.push_back({.field = std::string(field), .description = "is not a valid duration, or negative"});
    return std::nullopt;
  }
  return absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos());
}

void SetMark(const std::optional<Mark>& mark, v1::AgentMark* out) {
  out->set_reason(mark->reason);
  out->set_set_by(mark->set_by);
  ToProto(mark->time, *out->mutable_time());
}

void SetHealth(const AgentRecord& agent, v1::Agent& out) {
  out.set_probe_state(static_cast<v1::ProbeState>(agent.probe.state));
  out.set_probe_message(agent.probe.message);
  if (agent.probe.time.has_value()) ToProto(*agent.probe.time, *out.mutable_probe_time());
  v1::AgentBreaker& breaker = *out.mutable_breaker();
  breaker.set_open(agent.breaker.open_until.has_value());
  breaker.set_failures_in_row(agent.breaker.failures_in_row);
  breaker.set_last_failure(agent.breaker.last_failure);
  if (agent.breaker.open_time.has_value()) ToProto(*agent.breaker.open_time, *breaker.mutable_open_time());
  if (agent.breaker.open_until.has_value()) ToProto(*agent.breaker.open_until, *breaker.mutable_open_until());
  v1::AgentPenalty& penalty = *out.mutable_penalty();
  penalty.set_violations(agent.penalty.violations);
  penalty.set_last_violation(agent.penalty.last_violation);
  if (agent.penalty.last_time.has_value()) ToProto(*agent.penalty.last_time, *penalty.mutable_last_time());
  if (agent.penalty.until.has_value()) ToProto(*agent.penalty.until, *penalty.mutable_until());
  if (agent.drain.has_value()) SetMark(agent.drain, out.mutable_drain());
  if (agent.quarantine.has_value()) SetMark(agent.quarantine, out.mutable_quarantine());
}

}  // namespace

void ToProto(absl::Time time, google::protobuf::Timestamp& out) {
  const std::int64_t micros = absl::ToUnixMicros(time);
  out.set_seconds(micros / 1'000'000);
  out.set_nanos(static_cast<std::int32_t>(micros % 1'000'000 * 1'000));
}

absl::StatusOr<ListAgentsQuery> FromProto(const v1::ListAgentsRequest& request) {
  ListAgentsQuery query;
  std::vector<FieldViolation> faults;
  query.page_size = request.page_size();
  query.page_token = request.page_token();
  for (const int state : request.states()) {
    if (!v1::AgentState_IsValid(state) || state == v1::AGENT_STATE_UNSPECIFIED) {
      faults.push_back({.field = "states", .description = "must be states of agents"});
      break;
    }
    query.states.push_back(static_cast<AgentState>(state));
  }
  if (request.capabilities_size() > kMaxCapabilities) {
    faults.push_back({.field = "capabilities", .description = "must be at most 64"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  query.capabilities.assign(request.capabilities().begin(), request.capabilities().end());
  return query;
}

absl::StatusOr<EnrollQuery> FromProto(const v1::EnrollAgentRequest& request, std::string_view requester) {
  EnrollQuery query;
  std::vector<FieldViolation> faults;
  query.name = request.name();
  if (request.has_lifetime()) query.lifetime = ToDuration(request.lifetime(), "lifetime", faults);
  if (request.has_token_lifetime()) {
    query.token_lifetime = ToDuration(request.token_lifetime(), "token_lifetime", faults);
  }
  for (const auto& [key, value] : request.labels()) query.labels[key] = value;
  query.addresses.assign(request.addresses().begin(), request.addresses().end());
  query.requester = std::string(requester);
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return query;
}

absl::StatusOr<LogRequest> FromProto(const v1::ReadTaskLogRequest& request) {
  LogRequest log;
  std::vector<FieldViolation> faults;
  if (const absl::StatusOr<TaskId> task = TaskId::Parse(request.task_id()); task.ok()) {
    log.task = *task;
  } else {
    faults.push_back({.field = "task_id", .description = "is not the id of a task"});
  }
  if (request.generation() < 0) faults.push_back({.field = "generation", .description = "must not be negative"});
  log.generation = request.generation();
  if (!request.resume_token().empty()) {
    const absl::StatusOr<LogPosition> after = ParseResumeToken(request.resume_token());
    if (after.ok()) {
      log.after = *after;
    } else {
      faults.push_back({.field = "resume_token", .description = "is not one of ours"});
    }
    if (request.tail_bytes() != 0) {
      faults.push_back({.field = "tail_bytes", .description = "does not go together with resume_token"});
    }
  }
  if (request.tail_bytes() < 0 || request.tail_bytes() > kMaxTailBytes) {
    faults.push_back({.field = "tail_bytes", .description = "must be from 0 to 1 MiB"});
  }
  log.tail_bytes = request.tail_bytes();
  log.follow = request.follow();
  for (const int stream : request.streams()) {
    if (!v1::LogStream_IsValid(stream) || stream == v1::LOG_STREAM_UNSPECIFIED) {
      faults.push_back({.field = "streams", .description = "must be streams of logs"});
      break;
    }
    log.streams.push_back(static_cast<LogStream>(stream));
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return log;
}

absl::StatusOr<EnrollmentId> ParseEnrollmentId(std::string_view text) {
  absl::StatusOr<EnrollmentId> id = EnrollmentId::Parse(text);
  if (!id.ok()) return InvalidFields({{.field = "enrollment_id", .description = "is not the id of an enrolment"}});
  return id;
}

absl::StatusOr<std::optional<absl::Duration>> GraceOf(const v1::RotateAgentTokenRequest& request) {
  std::vector<FieldViolation> faults;
  std::optional<absl::Duration> grace;
  if (request.has_grace()) grace = ToDuration(request.grace(), "grace", faults);
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return grace;
}

void ToProto(const AgentRecord& agent, absl::Time now, v1::Agent& out) {
  // What it said of itself first; all else is the hub's word.
  if (!out.ParseFromString(agent.seen.said)) out.Clear();
  const Seen seen = AsOf(agent.seen, now);
  out.set_agent_id(agent.id.ToString());
  out.set_name(agent.name);
  out.set_state(static_cast<v1::AgentState>(seen.state));
  ToProto(seen.state_time, *out.mutable_state_time());
  out.set_state_cause(seen.state_cause);
  out.set_unavailable_reason(UnavailableReason(agent, now));
  out.set_available(out.unavailable_reason().empty());
  out.clear_capabilities();
  for (const std::string& capability : seen.capabilities) out.add_capabilities(capability);
  for (const auto& [key, value] : agent.labels) (*out.mutable_labels())[key] = value;
  out.set_held_tasks(seen.held_tasks);
  SetHealth(agent, out);
  ToProto(agent.enroll_time, *out.mutable_enroll_time());
  if (seen.last_connect_time.has_value()) ToProto(*seen.last_connect_time, *out.mutable_last_connect_time());
  if (seen.last_heartbeat_time.has_value()) ToProto(*seen.last_heartbeat_time, *out.mutable_last_heartbeat_time());
  out.set_hub_id(seen.state == AgentState::kOffline ? "" : seen.hub);
  out.set_peer(seen.peer);
  if (agent.token_expire_time.has_value()) ToProto(*agent.token_expire_time, *out.mutable_token_expire_time());
  out.set_session_epoch(seen.session_epoch);
}

void ToProto(const std::vector<Transition>& transitions, v1::GetAgentResponse& out) {
  for (const Transition& transition : transitions) {
    v1::AgentTransition& one = *out.add_transitions();
    ToProto(transition.time, *one.mutable_time());
    one.set_from(static_cast<v1::AgentState>(transition.from));
    one.set_to(static_cast<v1::AgentState>(transition.to));
    one.set_cause(transition.cause);
    one.set_hub_id(transition.hub);
  }
}

void ToProto(const EnrollmentView& view, absl::Time now, v1::GetEnrollmentResponse& out) {
  out.set_state(static_cast<v1::EnrollmentState>(view.state));
  out.set_name(view.enrollment.name);
  ToProto(view.enrollment.expire_time, *out.mutable_expire_time());
  if (view.agent.has_value()) ToProto(*view.agent, now, *out.mutable_agent());
}

void ToProto(const LogChunk& chunk, v1::TaskLogChunk& out) {
  out.set_generation(chunk.generation);
  out.set_sequence(chunk.sequence);
  out.set_stream(static_cast<v1::LogStream>(chunk.stream));
  out.set_data(chunk.data);
  ToProto(chunk.time, *out.mutable_time());
  out.set_omitted_bytes(chunk.omitted_bytes);
  out.set_last(chunk.last);
}

std::string ToBundle(const Invitation& invitation, const AdminSettings& settings) {
  v1::EnrollmentBundle bundle;
  for (const std::string& address : invitation.addresses) bundle.add_addresses(address);
  bundle.set_token(invitation.token);
  bundle.set_ca_pem(settings.ca_pem);
  bundle.set_insecure(settings.insecure);
  bundle.set_server_name(settings.server_name);
  bundle.set_name(invitation.enrollment.name);
  ToProto(invitation.enrollment.expire_time, *bundle.mutable_expire_time());
  return absl::StrCat(ToAbsl(kBundlePrefix), absl::WebSafeBase64Escape(bundle.SerializeAsString()));
}

std::string FingerprintOf(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const std::size_t begin = pem.find(kBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : pem.find(kEnd, begin);
  if (end == std::string_view::npos) return "";
  std::string text;
  for (const char c : pem.substr(begin + kBegin.size(), end - begin - kBegin.size())) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) text.push_back(c);
  }
  std::string der;
  if (!absl::Base64Unescape(text, &der)) return "";
  const auto hash = Sha256(der);
  return ToHex(std::string(hash.begin(), hash.end()));
}

}  // namespace switchyard::agent_hub

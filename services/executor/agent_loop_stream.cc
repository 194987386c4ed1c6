// Between the core and the hub.
#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/executor/agent_convert.h"
#include "services/executor/agent_loop_state.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kLogBatchBytes = 256 * 1024;
// Ends carry up to some 100 KiB; a message stays well below its bound.
constexpr std::size_t kReportBatchBytes = 2u << 20;
constexpr std::size_t kReportBatch = 20;

bool Has(const google::protobuf::RepeatedPtrField<std::string>& features, std::string_view feature) {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

}  // namespace

void AgentLoop::Stream::OnMessage(agent::v1::HubMessage message) {
  state_.Post([&state = state_, number = number_, message = std::move(message)]() mutable {
    state.Hear(number, std::move(message));
  });
}

void AgentLoop::Stream::OnWritable() {
  state_.Post([&state = state_, number = number_] {
    if (state.stream != nullptr && state.stream_number == number) state.stream->writable = true;
  });
}

void AgentLoop::Stream::OnEnded(absl::Status status) {
  state_.Post([&state = state_, number = number_, status = std::move(status)] { state.StreamEnded(number, status); });
}

void AgentLoop::State::Dial() {
  dial_at = absl::InfiniteFuture();
  seen.address = deps.dialer.address(address);
  stream = std::make_unique<Stream>(*this, ++stream_number);
  stream->since = deps.clock.Now();
  stream->stream = deps.dialer.Dial(address, *stream);
}

agent::v1::AgentMessage AgentLoop::State::MakeHello() {
  agent::v1::AgentMessage message;
  agent::v1::Hello& hello = *message.mutable_hello() = ToHello(core.Hello());
  hello.set_connection(core.NextConnection());
  for (const char* feature : {"progress", "phase", "logs", "blocked", "confirm", "status"}) hello.add_features(feature);
  for (const std::string& feature : options.features) hello.add_features(feature);
  hello.set_software_version(options.software_version);
  hello.set_host_name(ToText(options.host_name, 256));
  for (const std::string& capability : capabilities) hello.add_capabilities(capability);
  hello.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  *hello.mutable_resources() = resources;
  for (const agent::v1::SelfTest& test : self_tests) *hello.add_self_tests() = test;
  return message;
}

agent::v1::AgentMessage AgentLoop::State::MakeHeartbeat(const HeartbeatFacts& facts) {
  agent::v1::AgentMessage message;
  agent::v1::Heartbeat& heartbeat = *message.mutable_heartbeat() = ToHeartbeat(facts);
  if (std::exchange(resources_news, false)) *heartbeat.mutable_resources() = resources;
  if (std::exchange(capabilities_news, false)) {
    for (const std::string& capability : capabilities) {
      heartbeat.mutable_capabilities()->add_capabilities(capability);
    }
  }
  if (std::exchange(tests_news, false)) {
    for (const agent::v1::SelfTest& test : self_tests) *heartbeat.add_self_tests() = test;
  }
  return message;
}

void AgentLoop::State::Welcome(const agent::v1::Welcome& welcome) {
  Stream& open = *stream;
  open.welcomed = true;
  open.logs = Has(welcome.features(), "logs");
  open.phases = Has(welcome.features(), "phase");
  open.progress = Has(welcome.features(), "progress");
  open.route_grants = Has(welcome.features(), "route_grant");
  open.confirms = Has(welcome.features(), "confirm");
  RenewRouteQuestions();
  RenewConfirms();
  const agent::v1::SessionLimits& limits = welcome.limits();
  if (limits.max_reports() > 0) open.max_reports = std::min<std::size_t>(kReportBatch, limits.max_reports());
  if (limits.bytes_per_second() > 0) open.log_rate = static_cast<double>(limits.bytes_per_second()) / 2;
  open.log_budget = open.log_rate;
  open.log_refilled = deps.clock.Now();
  logs.SetTaskLimit(limits.max_log_bytes_per_task());
  core.OnWelcome(ToWelcomed(welcome));
  resources_news = tests_news = false;
  seen.agent_name = welcome.agent_name();
  checker.SetAgent(welcome.agent_name());
  seen.agent_id = welcome.agent_id();
  seen.hub_id = welcome.hub_id();
  seen.last_error.clear();
  if (welcome.has_hub_time()) {
    const absl::Time theirs =
        absl::FromUnixSeconds(welcome.hub_time().seconds()) + absl::Nanoseconds(welcome.hub_time().nanos());
    seen.clock_skew = deps.clock.Now() - theirs;
  }
  LogInfo("connected", {{"hub", welcome.hub_id()},
                        {"address", seen.address},
                        {"agent", welcome.agent_name()},
                        {"epoch", welcome.session_epoch()},
                        {"kept", welcome.keep_size()},
                        {"dropped", welcome.drop_size()}});
}

void AgentLoop::State::Hear(int number, agent::v1::HubMessage message) {
  if (stream == nullptr || number != stream_number) return;
  using agent::v1::HubMessage;
  if (stream->welcomed) core.OnHeard();
  const HubMessage::BodyCase kind = message.body_case();
  if (!stream->welcomed && kind != HubMessage::kWelcome && kind != HubMessage::kGoodbye) {
    stream->stream->ReadNext();
    return;
  }
  switch (kind) {
    case HubMessage::kWelcome:
      if (!stream->welcomed) Welcome(message.welcome());
      break;
    case HubMessage::kAssign: {
      std::vector<Assignment> assignments;
      for (agent::v1::Assignment& assignment : *message.mutable_assign()->mutable_assignments()) {
        assignments.push_back(ToAssignment(std::move(assignment)));
      }
      core.OnAssign(std::move(assignments));
      break;
    }
    case HubMessage::kAck: {
      std::vector<std::int64_t> refused_numbers;
      for (const agent::v1::RefusedReport& report : message.ack().refused()) {
        LogWarning("a report was refused",
                   {{"number", report.number()}, {"reason", report.reason()}, {"detail", report.message()}});
        refused_numbers.push_back(report.number());
      }
      core.OnAck(message.ack().through(), refused_numbers);
      break;
    }
    case HubMessage::kReconcile:
      core.OnReconcile(ToKeys(message.reconcile().drop()));
      break;
    case HubMessage::kCancel: {
      const agent::v1::Cancel& cancel = message.cancel();
      LogInfo("cancelled by the hub",
              {{"task", cancel.task_id()}, {"reason", cancel.reason()}, {"withdrawn", cancel.withdrawn()}});
      core.OnCancel({.task_id = cancel.task_id(), .generation = cancel.generation()}, cancel.reason(),
                    cancel.withdrawn());
      break;
    }
    case HubMessage::kAnswer:
      core.OnAnswer({.task_id = message.answer().task_id(), .generation = message.answer().generation()},
                    std::move(*message.mutable_answer()->mutable_text()));
      break;
    case HubMessage::kConfirmResult: {
      const agent::v1::ConfirmResult& result = message.confirm_result();
      if (HearWishedConfirm(result)) break;
      const auto found = confirms.find(result.request());
      if (found == confirms.end()) break;
      core.OnConfirmation(found->second, ToConfirmation(result));
      confirms.erase(found);
      break;
    }
    case HubMessage::kRouteGrant:
      HearRouteGrant(std::move(*message.mutable_route_grant()));
      break;
    case HubMessage::kStatus:
      seen.probe_state = message.status().probe_state();
      seen.probe_message = message.status().probe_message();
      seen.hub_state = agent::v1::AgentState_Name(message.status().state());
      LogInfo("the hub's view", {{"state", seen.hub_state},
                                 {"available", message.status().available()},
                                 {"why_not", message.status().unavailable_reason()},
                                 {"cause", message.status().cause()}});
      break;
    case HubMessage::kDrain:
      LogInfo("the hub stops; connecting again", {{"after", ToDuration(message.drain().reconnect_after())}});
      stream->retry_after = ToDuration(message.drain().reconnect_after());
      stream->closing = true;
      break;
    case HubMessage::kPing: {
      agent::v1::AgentMessage pong;
      pong.mutable_pong()->set_number(message.ping().number());
      stream->replies.push_back(std::move(pong));
      if (message.ping().self_test()) test_at = absl::InfinitePast();
      break;
    }
    case HubMessage::kGoodbye:
      stream->retry_after = ToDuration(message.goodbye().retry_after());
      stream->permanent = message.goodbye().permanent();
      if (message.goodbye().connection() > 0) core.OnStaleConnection(message.goodbye().connection());
      stream->goodbye =
          MakeError(absl::StatusCode::kUnavailable, message.goodbye().reason(), message.goodbye().message());
      break;
    default:
      break;
  }
  stream->stream->ReadNext();
}

void AgentLoop::State::StreamEnded(int number, const absl::Status& status) {
  if (stream == nullptr || number != stream_number) return;
  StreamEnd end{.status = status,
                .retry_after = stream->retry_after,
                .permanent = stream->permanent,
                .welcomed = stream->welcomed};
  if (!stream->goodbye.ok() && ReasonOf(status).empty()) end.status = stream->goodbye;
  if (stream->welcomed) core.OnStreamEnded();
  stream.reset();
  confirms.clear();
  asking.clear();
  steps.clear();
  seen.last_error = end.status.ok() ? "the hub ended the stream" : std::string(end.status.message());
  if (stop_now || refused) return;
  NextTry next = reconnect.After(end);
  if (next.stop && deps.dialer.TokenChanged()) {
    next.stop = false;
    next.wait = absl::Seconds(1);
  }
  if (next.stop) {
    LogError("stopping: a person has to act",
             {{"reason", ReasonOf(end.status)}, {"error", end.status}, {"do", next.advice}});
    refused = true;
    core.ReleaseAll("the hub refuses this agent");
    leave_at = deps.clock.Now() + absl::Seconds(30);
    MutexLock lock(mutex);
    advice = next.advice;
    return;
  }
  LogWarning("not connected", {{"reason", ReasonOf(end.status)}, {"error", seen.last_error}, {"again_in", next.wait}});
  address = next.address;
  dial_at = deps.clock.Now() + next.wait;
}

void AgentLoop::State::Pump() {
  if (stream == nullptr || !stream->writable) return;
  if (!stream->hello_sent) {
    stream->hello_sent = true;
    stream->writable = false;
    stream->stream->Write(MakeHello());
    return;
  }
  if (stream->welcomed && WriteNext()) return;
  if (stream->closing) stream->stream->EndWrites();
}

bool AgentLoop::State::WriteNext() {
  agent::v1::AgentMessage message;
  if (!stream->replies.empty()) {
    message = std::move(stream->replies.front());
    stream->replies.pop_front();
  } else if (const std::optional<HeartbeatFacts> heartbeat = core.TakeHeartbeat(); heartbeat.has_value()) {
    message = MakeHeartbeat(*heartbeat);
  } else if (TakeConfirm(message)) {
  } else if (TakeWishedConfirm(message)) {
  } else if (TakeRouteRequest(message)) {
  } else if (TakeProgress(message)) {
  } else if (TakeLogs(message)) {
  } else if (core.has_reports()) {
    std::size_t bytes = 0;
    while (core.has_reports() && bytes < kReportBatchBytes &&
           static_cast<std::size_t>(message.reports().reports_size()) < stream->max_reports) {
      for (const Report& report : core.TakeReports(1)) {
        bytes += report.result.size() + report.message.size();
        *message.mutable_reports()->add_reports() = ToReport(report);
      }
    }
  } else {
    return false;
  }
  stream->writable = false;
  stream->stream->Write(message);
  return true;
}

bool AgentLoop::State::TakeConfirm(agent::v1::AgentMessage& message) {
  if (asking.empty()) {
    for (TaskKey& key : core.TakeConfirms()) asking.push_back(std::move(key));
  }
  if (asking.empty()) return false;
  const TaskKey key = std::move(asking.front());
  asking.pop_front();
  agent::v1::Confirm& confirm = *message.mutable_confirm();
  confirm.set_request(++confirm_number);
  confirm.set_task_id(key.task_id);
  confirm.set_generation(key.generation);
  confirms[confirm_number] = key;
  return true;
}

bool AgentLoop::State::TakeLogs(agent::v1::AgentMessage& message) {
  if (logs.empty()) return false;
  const absl::Time now = deps.clock.Now();
  const double earned = stream->log_rate * absl::ToDoubleSeconds(now - stream->log_refilled);
  stream->log_budget = std::min(stream->log_rate, stream->log_budget + earned);
  stream->log_refilled = now;
  // While more is written than the hub takes, ends must not wait behind output.
  if (stream->logs && stream->log_budget <= 0) return false;
  for (OutgoingLog& log : logs.Take(kLogBatchBytes)) {
    stream->log_budget -= static_cast<double>(log.text.size() + 100);
    *message.mutable_logs()->add_chunks() = ToLogChunk(std::move(log));
  }
  if (stream->logs) return true;
  message.clear_logs();
  return false;
}

}  // namespace switchyard::executor

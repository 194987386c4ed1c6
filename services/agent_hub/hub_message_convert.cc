#include <utility>

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "services/agent_hub/channel_convert.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;

template <class Tasks>
void Fill(const std::vector<TaskRef>& refs, Tasks* out) {
  for (const TaskRef& ref : refs) {
    av1::HeldTask& task = *out->Add();
    task.set_task_id(ref.task.ToString());
    task.set_generation(ref.generation);
  }
}

struct Writer {
  const std::string& hub_id;
  const HubRules& rules;
  av1::HubMessage& out;

  void operator()(Welcome&& from) {
    av1::Welcome& to = *out.mutable_welcome();
    to.set_protocol_version(from.version);
    for (std::string& feature : from.features) to.add_features(std::move(feature));
    for (std::string& feature : from.missing_features) to.add_missing_features(std::move(feature));
    to.set_hub_id(hub_id);
    to.set_session_epoch(from.session_epoch);
    to.set_agent_id(from.agent_id);
    to.set_agent_name(from.agent_name);
    Set(from.heartbeat_interval, to.mutable_heartbeat_interval());
    Set(from.heartbeat_offset, to.mutable_heartbeat_offset());
    Set(from.grace, to.mutable_grace());
    Fill(from.keep, to.mutable_keep());
    Fill(from.drop, to.mutable_drop());
    Set(from.now, to.mutable_hub_time());
    av1::SessionLimits& limits = *to.mutable_limits();
    limits.set_max_message_bytes(rules.max_message_bytes);
    limits.set_messages_per_second(static_cast<int>(rules.messages_per_second));
    limits.set_bytes_per_second(static_cast<std::int64_t>(rules.bytes_per_second));
    limits.set_max_reports(rules.max_reports_per_message);
    limits.set_max_log_bytes_per_task(rules.log_bytes_per_task);
  }
  void operator()(Assign&& from) {
    av1::Assignment& to = *out.mutable_assign()->add_assignments();
    if (from.body != nullptr) to.Swap(&static_cast<WorkBody&>(*from.body).assignment);
    to.set_number(from.number);
    to.set_task_id(from.ref.task.ToString());
    to.set_generation(from.ref.generation);
    Set(from.accept_within, to.mutable_accept_within());
    to.set_redelivered(from.redelivered);
  }
  void operator()(ProbeWork&& from) {
    av1::Assignment& to = *out.mutable_assign()->add_assignments();
    to.set_number(from.number);
    to.set_task_id(from.ref.task.ToString());
    to.set_generation(from.ref.generation);
    to.set_probe(true);
    to.mutable_spec()->mutable_command()->add_argv("probe");
    to.mutable_spec()->mutable_command()->add_argv(from.nonce);
    Set(from.accept_within, to.mutable_accept_within());
  }
  void operator()(Ack&& from) {
    av1::Ack& to = *out.mutable_ack();
    to.set_through(from.through);
    for (const RefusedReport& refused : from.refused) {
      av1::RefusedReport& report = *to.add_refused();
      report.set_number(refused.number);
      report.set_reason(ReasonOf(refused.status));
      report.set_message(std::string(refused.status.message()));
    }
  }
  void operator()(Reconcile&& from) {
    out.mutable_reconcile()->set_heartbeat(from.heartbeat);
    Fill(from.drop, out.mutable_reconcile()->mutable_drop());
  }
  void operator()(Cancel&& from) {
    av1::Cancel& to = *out.mutable_cancel();
    to.set_task_id(from.ref.task.ToString());
    to.set_generation(from.ref.generation);
    to.set_reason(std::move(from.reason));
    to.set_withdrawn(from.withdrawn);
  }
  void operator()(Answer&& from) {
    av1::Answer& to = *out.mutable_answer();
    to.set_task_id(from.ref.task.ToString());
    to.set_generation(from.ref.generation);
    to.set_text(std::move(from.text));
  }
  void operator()(ConfirmResult&& from) {
    av1::ConfirmResult& to = *out.mutable_confirm_result();
    to.set_request(from.request);
    to.set_current(from.current);
    to.set_unavailable(from.unavailable);
  }
  void operator()(RouteGranted&& from) {
    av1::RouteGrant& to = *out.mutable_route_grant();
    to.set_request(from.request);
    to.set_routing(std::move(from.routing));
    to.set_refusal(std::move(from.refusal));
    to.set_message(std::move(from.message));
  }
  void operator()(StatusNews&& from) {
    av1::Status& to = *out.mutable_status();
    to.set_state(static_cast<av1::AgentState>(from.state));
    to.set_cause(std::move(from.cause));
    to.set_available(from.unavailable_reason.empty());
    to.set_unavailable_reason(from.unavailable_reason);
    if (!from.unavailable_message.empty()) {
      to.mutable_unavailable_reason()->append(": ").append(from.unavailable_message);
    }
    to.set_probe_state(static_cast<av1::ProbeState>(from.probe.state));
    to.set_probe_message(std::move(from.probe.message));
  }
  void operator()(DrainNotice&& from) { Set(from.reconnect_after, out.mutable_drain()->mutable_reconnect_after()); }
  void operator()(Ping&& from) {
    out.mutable_ping()->set_number(from.number);
    out.mutable_ping()->set_self_test(from.self_test);
  }
};

}  // namespace

av1::HubMessage ToProto(ToAgent message, const std::string& hub_id, const HubRules& rules) {
  av1::HubMessage out;
  Writer writer{hub_id, rules, out};
  std::visit([&](auto&& from) { writer(std::move(from)); }, std::move(message));
  return out;
}

av1::HubMessage ToGoodbye(const absl::Status& status, bool permanent) {
  av1::HubMessage out;
  const ErrorDetails details = DetailsOf(status);
  out.mutable_goodbye()->set_reason(details.reason);
  out.mutable_goodbye()->set_message(std::string(status.message()));
  Set(details.retry_after, out.mutable_goodbye()->mutable_retry_after());
  out.mutable_goodbye()->set_permanent(permanent);
  for (const auto& [key, value] : details.metadata) {
    std::int64_t connection = 0;
    if (key == "connection" && absl::SimpleAtoi(value, &connection)) out.mutable_goodbye()->set_connection(connection);
  }
  return out;
}

}  // namespace switchyard::agent_hub

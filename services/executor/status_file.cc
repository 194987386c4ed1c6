#include "services/executor/status_file.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/files.h"

namespace switchyard::executor {
namespace {

constexpr absl::Duration kStale = absl::Seconds(30);

}  // namespace

void StatusFile::Write(const AgentStatus& status) {
  // The same for all processes of a host.
  const std::int64_t now = DisciplinedClock::SteadyNanos();
  if (status.connected == connected_ && now - written_ < 1'000'000'000) return;
  written_ = now;
  connected_ = status.connected;
  google::protobuf::Struct root;
  auto& fields = *root.mutable_fields();
  // As text: a number in JSON has no 64 bits.
  fields["steady_nanos"].set_string_value(absl::StrCat(now));
  fields["connected"].set_bool_value(status.connected);
  fields["address"].set_string_value(status.address);
  fields["agent_name"].set_string_value(status.agent_name);
  fields["last_error"].set_string_value(status.last_error);
  fields["refusing"].set_string_value(status.refusing);
  fields["running"].set_number_value(static_cast<double>(status.running));
  fields["unacknowledged"].set_number_value(static_cast<double>(status.unacknowledged));
  fields["clock_skew_seconds"].set_number_value(absl::ToDoubleSeconds(status.clock_skew));
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(root, &json).ok()) return;
  // A full disk is told elsewhere.
  if (const absl::Status written = ReplaceFileSoon(path_, json); !written.ok()) {
    LogDebug("the status could not be written", {{"error", written}});
  }
}

absl::StatusOr<RunningAgent> ReadStatus(const std::string& data_dir) {
  if (!IsLocked(data_dir)) {
    return MakeError(absl::StatusCode::kNotFound, "NOT_RUNNING", absl::StrCat("no yard-agent runs on ", data_dir));
  }
  SY_ASSIGN_OR_RETURN(const std::string json, ReadSmallFile(data_dir + "/status"));
  google::protobuf::Struct root;
  if (!google::protobuf::util::JsonStringToMessage(json, &root).ok()) {
    return MakeError(absl::StatusCode::kUnavailable, "STATUS_UNREADABLE", "the status cannot be read");
  }
  auto& fields = *root.mutable_fields();
  const std::int64_t then = std::strtoll(fields["steady_nanos"].string_value().c_str(), nullptr, 10);
  return RunningAgent{.age = absl::Nanoseconds(DisciplinedClock::SteadyNanos() - then),
                      .connected = fields["connected"].bool_value(),
                      .address = fields["address"].string_value(),
                      .agent_name = fields["agent_name"].string_value(),
                      .last_error = fields["last_error"].string_value(),
                      .refusing = fields["refusing"].string_value(),
                      .running = static_cast<std::int64_t>(fields["running"].number_value()),
                      .unacknowledged = static_cast<std::int64_t>(fields["unacknowledged"].number_value()),
                      .clock_skew = absl::Seconds(fields["clock_skew_seconds"].number_value())};
}

absl::Status CheckRunning(const std::string& data_dir, bool ready) {
  SY_ASSIGN_OR_RETURN(const RunningAgent agent, ReadStatus(data_dir));
  if (agent.age > kStale) {
    return MakeError(absl::StatusCode::kUnavailable, "AGENT_STUCK",
                     absl::StrCat("it has not looked after itself for ", absl::FormatDuration(agent.age)));
  }
  if (ready && !agent.connected) {
    return MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED",
                     absl::StrCat("it is not connected: ", agent.last_error));
  }
  if (ready && !agent.refusing.empty()) {
    return MakeError(absl::StatusCode::kUnavailable, "REFUSING", absl::StrCat("it refuses work: ", agent.refusing));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::executor

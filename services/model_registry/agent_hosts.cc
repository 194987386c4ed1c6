#include "services/model_registry/agent_hosts.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/retry.h"

namespace switchyard::model_registry {
namespace {

namespace av1 = agent::v1;

constexpr int kAgentsAtOnce = 500;
constexpr int kMostAgentPages = 20;
constexpr int kMostGpus = 16;
constexpr std::size_t kMostNameBytes = 256;

// What an agent says is not to be trusted to be a share.
double Share(double value) { return std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : 0; }
std::int64_t Bytes(std::int64_t value) { return std::max<std::int64_t>(value, 0); }
// Absent is the epoch.
absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

std::optional<HostReport> ToHostReport(const av1::Agent& agent) {
  const bool spoke = agent.has_last_heartbeat_time() || agent.has_last_connect_time();
  if (!agent.has_resources() || !spoke || agent.name().empty()) return std::nullopt;
  const av1::AgentResources& said = agent.resources();
  // Its hello told of them, too.
  HostReport out{.agent = agent.name(),
                 .host = "",
                 .time = std::max(ToTime(agent.last_heartbeat_time()), ToTime(agent.last_connect_time()))};
  if (const auto host = agent.labels().find("host"); host != agent.labels().end()) {
    out.host = host->second.substr(0, kMostNameBytes);
  }
  out.cpus = std::max(said.cpus(), 0);
  out.cpu_used = Share(said.cpu_used());
  out.memory_bytes = Bytes(said.memory_bytes());
  out.memory_free_bytes = Bytes(said.memory_free_bytes());
  out.disk_bytes = Bytes(said.disk_bytes());
  out.disk_free_bytes = Bytes(said.disk_free_bytes());
  for (int i = 0; i < std::min(said.gpus_size(), kMostGpus); ++i) {
    const av1::AgentGpu& gpu = said.gpus(i);
    out.gpus.push_back({.name = gpu.name().substr(0, kMostNameBytes),
                        .memory_bytes = Bytes(gpu.memory_bytes()),
                        .memory_free_bytes = Bytes(gpu.memory_free_bytes()),
                        .used = Share(gpu.used())});
  }
  return out;
}

void AgentHosts::Connect(std::shared_ptr<grpc::Channel> channel) {
  MutexLock lock(mutex_);
  stub_ = std::make_shared<Stub>(channel);
  channel_ = std::move(channel);
}

void AgentHosts::Disconnect() {
  MutexLock lock(mutex_);
  stub_.reset();
  channel_.reset();
}

absl::StatusOr<std::vector<HostReport>> AgentHosts::Read() {
  std::shared_ptr<Stub> stub;
  {
    MutexLock lock(mutex_);
    stub = stub_;
  }
  if (stub == nullptr) {
    return MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED", "not connected to the agent hub");
  }
  std::vector<HostReport> reports;
  av1::ListAgentsRequest request;
  request.set_page_size(kAgentsAtOnce);
  for (int page = 0; page < kMostAgentPages; ++page) {
    SY_ASSIGN_OR_RETURN(const av1::ListAgentsResponse answer,
                        rpc::CallUnary(caller_, static_cast<av1::AgentAdminService::StubInterface&>(*stub),
                                       &av1::AgentAdminService::StubInterface::ListAgents, request,
                                       rpc::CallOptions{.timeout = timeout_, .idempotent = true, .trace = {}}));
    for (const av1::Agent& agent : answer.agents()) {
      if (std::optional<HostReport> report = ToHostReport(agent)) reports.push_back(*std::move(report));
    }
    if (answer.next_page_token().empty()) break;
    request.set_page_token(answer.next_page_token());
  }
  return reports;
}

}  // namespace switchyard::model_registry

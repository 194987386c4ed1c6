#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"
#include "libs/rpc/bidi_stream.h"
#include "libs/rpc/server_stream.h"
#include "services/agent_hub/agent_store.h"
#include "services/agent_hub/hub.h"
#include "services/agent_hub/hub_meter.h"
#include "services/agent_hub/ledger_client.h"
#include "services/agent_hub/log_lane.h"
#include "services/agent_hub/route_client.h"
#include "switchyard/agent/v1/agent_dispatch.pb.h"
#include "switchyard/agent/v1/agent_hub.pb.h"

namespace switchyard::agent_hub {

using AgentStream = rpc::BidiStream<agent::v1::AgentMessage, agent::v1::HubMessage>;
using CapacityStream = rpc::ServerStream<agent::v1::WatchCapacityResponse>;

struct LiveHubDeps {
  const Clock& clock;
  IdSource& ids;
  AgentStore& store;
  // For short work on the store.
  Executor& blocking;
  LedgerClient& ledger;
  LogLane& logs;
  RouteClient& routes;
  HubMeter& meter;
};

// The hub on its wires: one lock around the core, under which nothing waits, writes or calls out. Thread-safe.
class LiveHub final {
 public:
  // Borrows all.
  LiveHub(const HubRules& rules, std::string hub_id, const LiveHubDeps& deps);
  ~LiveHub();

  // Takes an agent's stream; an error refuses it.
  absl::Status Connect(const rpc::CallContext& call, std::shared_ptr<AgentStream> stream);
  // Takes a scheduler's watch.
  absl::Status Watch(std::shared_ptr<CapacityStream> stream);
  void Dispatch(agent::v1::DispatchRequest& request, agent::v1::DispatchResponse& response);

  void Direct(const std::vector<Directive>& directives);
  void DirectivesLost();
  void Touched(const AgentRecord& record);

  // What passes with time. Never waits for the store.
  void Tick();
  // Writes what was seen, and learns what persons did elsewhere. Blocks.
  absl::Status Sync();
  // Whether this hub has the agent's stream.
  bool IsHere(const AgentId& agent);
  // Counts, for gauges.
  void Measure();
  // Tells agents to leave; a little later Tick ends what still stands.
  void Drain();

  const std::string& hub_id() const { return hub_id_; }

 private:
  class Outbox;
  // What is left to do once the lock is free.
  struct After;
  struct Link;
  struct Reader {
    std::shared_ptr<CapacityStream> stream;  // Shared with gRPC until the call is over.
    std::string name;
  };

  // Runs `work(Hub&)` under the lock, then what it asked for.
  template <class Work>
  void With(Work work);
  void Finish(After& after);
  void OnMessage(StreamId id, Link& link, agent::v1::AgentMessage& message, std::size_t bytes);
  void OnLogs(StreamId id, agent::v1::LogBatch& logs);
  // What the ends of assignments say of the model endpoints that they used.
  void OnEnds(const Link& link, const agent::v1::ReportBatch& reports);
  void OnChecks(const Link& link, const std::string& checks);
  void CloseAll();
  // Sends one message of news, if the reader has taken what went before.
  void SendNews(WatchId watch);

  const HubRules rules_;
  const std::string hub_id_;
  const LiveHubDeps deps_;
  Mutex mutex_;
  std::unique_ptr<Outbox> outbox_ ABSL_GUARDED_BY(mutex_);
  Hub hub_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<WatchId, Reader> readers_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_stream_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set once it drains.
  std::optional<absl::Time> close_at_ ABSL_GUARDED_BY(mutex_);
  // Only for Sync.
  absl::Time looked_at_;
};

}  // namespace switchyard::agent_hub

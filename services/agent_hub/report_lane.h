#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent_hub/hub_messages.h"
#include "services/agent_hub/hub_ports.h"
#include "services/agent_hub/hub_rules.h"

namespace switchyard::agent_hub {

// Reports between their arrival and their commit: those of all agents join in calls, in which no agent has more than a
// share, and those of one agent keep their order. What fails for want of the ledger is tried again. Not thread-safe.
class ReportLane {
 public:
  explicit ReportLane(const HubRules& rules) : rules_(rules) {}

  void Add(StreamId stream, const AgentId& agent, std::int64_t epoch, Report report);
  // The stream is over: forgets what its agent said, which the executor says again. What the hub itself found goes on
  // to the ledger, within bounds.
  void Forget(StreamId stream);

  struct Call {
    BatchId id{};
    std::vector<LedgerReport> reports;
  };
  // The next call, if there is something to send, one more may be under way, and no pause after a failure holds.
  std::optional<Call> Next(absl::Time now);

  struct Settled {
    StreamId stream{};
    Report report;
    absl::Status status;
  };
  // By report in the order of the call: OK, or why it changed nothing. Those to be tried again are kept back.
  std::vector<Settled> Done(BatchId id, absl::StatusOr<std::vector<absl::Status>> answers, absl::Time now);

  std::size_t waiting(StreamId stream) const;
  std::size_t waiting_bytes(StreamId stream) const;
  std::size_t all_bytes() const { return bytes_; }
  std::size_t all() const { return count_; }

 private:
  struct Queue {
    AgentId agent;
    std::int64_t epoch = 0;
    std::deque<Report> reports;
    std::size_t bytes = 0;
    // How many at the front are under way.
    std::size_t under_way = 0;
    bool queued = false;
    // Of a stream that is over.
    bool left = false;
  };

  void Enqueue(StreamId stream, Queue& queue);
  // Of a stream that is over: what the agent said goes, except what is under way. True when nothing is left.
  bool Purge(Queue& queue);
  void Erase(StreamId stream);
  void Retreat(absl::Time now);

  const HubRules& rules_;
  absl::flat_hash_map<StreamId, Queue> queues_;
  // Streams with something to send, none of which is under way.
  std::deque<StreamId> ready_;
  absl::flat_hash_map<BatchId, std::vector<std::pair<StreamId, std::size_t>>> calls_;
  std::uint64_t last_batch_ = 0;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  // Of streams that are over.
  std::size_t left_ = 0;
  absl::Duration pause_ = absl::ZeroDuration();
  absl::Time resume_at_ = absl::InfinitePast();
};

// Whether the same report may well be taken later: the ledger was away, busy, or did not say.
bool IsPassing(const absl::Status& status);

}  // namespace switchyard::agent_hub

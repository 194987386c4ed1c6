#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "services/agent_hub/hub_messages.h"

namespace switchyard::agent_hub {

// What schedulers are told of an agent, apart from its credits.
struct AgentOffer {
  AgentId id;
  std::string name;
  std::int64_t session_epoch = 0;
  int version = 0;
  std::vector<std::string> features;
  std::vector<std::string> capabilities;
  std::map<std::string, std::string> labels;
  int slots = 0;
  int held = 0;
  AgentState state = AgentState::kConnecting;
  std::string unavailable_reason;
  std::string unavailable_message;
};

struct OfferedAgent {
  // Shared by the messages to all who watch.
  std::shared_ptr<const AgentOffer> offer;
  std::uint32_t handle = 0;
  std::int64_t credit_limit = 0;
};

struct CapacityNews {
  std::int64_t sequence = 0;
  std::vector<OfferedAgent> agents;
  std::vector<AgentId> gone;
  // Handle and limit.
  std::vector<std::pair<std::uint32_t, std::int64_t>> credits;
  bool snapshot_complete = false;
};

// Who may give how much to which agent. Each free slot is a credit, and each credit belongs to one reader at a time. A
// limit counts all credits ever granted to a reader for a session of an agent; limit less what was dispatched is what
// it may still give. Not thread-safe.
class CapacityBook {
 public:
  WatchId Open();
  void Close(WatchId watch);
  bool Knows(WatchId watch) const { return watches_.contains(watch); }

  // New, or changed. A new session begins with limits of 0.
  void Offer(std::shared_ptr<const AgentOffer> offer);
  void Remove(const AgentId& agent);
  // How many more tasks the agent may be given, those included that readers hold credits for.
  void SetFree(const AgentId& agent, int free);
  // A task came under that watch: its credit is used. SetFree follows.
  void Use(WatchId watch, const AgentId& agent);
  // Moves credits that lie unused since the last turn on to the next reader.
  void Turn();

  bool HasNews(WatchId watch) const;
  // At most `limit` agents; there may be more news afterwards.
  CapacityNews Take(WatchId watch, std::size_t limit);
  // Readers that have news now and had none when this was last called.
  std::vector<WatchId> TakeAwakened();

  std::size_t watches() const { return watches_.size(); }

 private:
  struct Grant {
    std::uint32_t handle = 0;
    std::int64_t limit = 0;
    std::int64_t used = 0;
    // As of the last turn.
    std::int64_t used_before = 0;
    // Offered with these in the news that wait.
    bool offer_news = false;
    bool credit_news = false;
    std::int64_t held() const { return limit > used ? limit - used : 0; }
  };
  struct Watch {
    absl::flat_hash_map<AgentId, Grant> grants;
    std::deque<AgentId> changed;
    std::vector<AgentId> gone;
    std::uint32_t last_handle = 0;
    std::int64_t sequence = 0;
    bool told_complete = false;
    bool awake = false;
  };
  struct Agent {
    std::shared_ptr<const AgentOffer> offer;
    int free = 0;
  };

  void Wake(WatchId id, Watch& watch);
  void TellOffer(WatchId id, Watch& watch, const AgentId& agent);
  void TellCredit(WatchId id, Watch& watch, const AgentId& agent, Grant& grant);
  void Share(const AgentId& agent, int free);

  std::map<WatchId, Watch> watches_;
  absl::btree_map<AgentId, Agent> agents_;
  std::vector<WatchId> awakened_;
  std::uint64_t last_watch_ = 0;
};

}  // namespace switchyard::agent_hub

// The inner state of Hub; only for its own sources.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/agent_hub/hub.h"

namespace switchyard::agent_hub {

// From 0 to 1, and another one for each agent, so that not all do the same at once: the end of an id is random.
inline double ShareOf(const AgentId& agent) {
  const auto& bytes = agent.uuid().bytes();
  return (bytes[14] * 256 + bytes[15]) / 65536.0;
}

struct Hub::Stream {
  enum class Phase { kLoading, kAwaitingHello, kOpening, kLive, kClosing };

  Stream(StreamId id, const AgentId& agent, std::string peer, const HubRules& rules, absl::Time now)
      : id(id),
        agent(agent),
        peer(std::move(peer)),
        opened(now),
        messages(rules.messages_per_second, rules.messages_per_second * rules.flood_burst_seconds, now),
        bytes(rules.bytes_per_second, rules.bytes_per_second * rules.flood_burst_seconds, now) {}

  const StreamId id;
  const AgentId agent;
  const std::string peer;
  const absl::Time opened;
  Phase phase = Phase::kLoading;
  bool paused = false;
  FloodMeter messages;
  FloodMeter bytes;
  // Until the session is open.
  std::optional<AgentRecord> record;
  std::optional<Hello> hello;
  std::optional<std::string> said;
  std::int64_t last_report = 0;
  // When its session was asked for.
  absl::Time asked = absl::InfinitePast();
  // Questions of Confirm that the ledger has not answered.
  std::vector<std::pair<std::int64_t, TaskRef>> confirming;
  // Tasks for which another route is asked for.
  std::vector<TaskRef> rerouting;
};

struct Hub::Agent {
  Agent(const AgentId& id, AgentLife life) : id(id), life(std::move(life)) {}

  const AgentId id;
  std::string name;
  std::map<std::string, std::string> enrolled_labels;
  AgentFacts facts;
  AgentLife life;
  Breaker breaker;
  bool breaker_dirty = false;
  bool probe_dirty = false;

  // Of the session, while there is one.
  std::optional<StreamId> stream;
  std::int64_t epoch = 0;
  std::string peer;
  int version = 0;
  std::vector<std::string> features;
  std::vector<std::string> capabilities;
  std::map<std::string, std::string> labels;
  HeldTable held;
  // Dispatched beyond its slots.
  std::deque<Work> waiting;
  // Lately over with the ledger's word: the rest of their output may still come, also in a later session.
  std::deque<TaskRef> ended;
  std::int64_t last_number = 0;
  // No acceptance is due before.
  absl::Time next_accept = absl::InfiniteFuture();
  absl::Time last_heard;
  int heartbeats_since_overdue = 0;
  bool listing = false;
  // The ledger may know assignments that never came here; and that is what it is being asked for.
  bool unsure = false;
  bool listing_unsure = false;
  // When what it holds is compared with the ledger.
  absl::Time audit_at = absl::InfiniteFuture();
  std::optional<TaskRef> probe_ref;
  std::string probe_nonce;
  absl::Time probe_until = absl::InfiniteFuture();
  absl::Duration lease = absl::Seconds(30);
  // When the last renewal was asked for that the ledger confirmed.
  absl::Time renewed = absl::InfinitePast();
  // No longer vouched for; what would be said meanwhile waits, in order.
  bool silent = false;
  std::deque<ToAgent> unsaid;
  bool unsaid_lost = false;
  // When it is looked at next.
  absl::Time due = absl::InfiniteFuture();
  // Without a stream: until when its tasks stay its own.
  absl::Time grace_until = absl::InfinitePast();

  // For the store.
  bool dirty = false;
  absl::Time recorded = absl::InfinitePast();
  std::optional<std::string> peer_news;
  std::optional<absl::Time> connect_news;
  std::optional<absl::Time> heartbeat_news;
  absl::Time heartbeat_recorded = absl::InfinitePast();
  bool capabilities_news = false;
  std::optional<std::string> said;
  bool said_news = false;
};

}  // namespace switchyard::agent_hub

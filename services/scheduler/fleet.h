#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/base/strings.h"
#include "services/scheduler/requirements.h"

namespace switchyard::scheduler {

// As a hub tells it.
struct AgentFacts {
  std::string id;
  std::string name;
  // Which of the scheduler's hubs holds its stream.
  int hub = 0;
  std::int64_t session_epoch = 0;
  std::vector<std::string> features;
  std::vector<std::string> capabilities;
  int slots = 0;
  bool available = false;
  std::string unavailable_reason;
  std::string unavailable_message;
  // The machine that it runs on, as it says; empty: unknown.
  std::string host;
};

// How many agents could serve a class, each number a part of the one before it.
struct Fit {
  // Have what it needs and refused it for good; in none of the numbers below.
  int refused = 0;
  int fitting = 0;
  int available = 0;
  int free = 0;
};

// The agents and their credits, and which class of tasks they fit. Agents with the same features and capabilities are
// of one kind, so that a change of a credit costs the same however many classes and agents there are. Not thread-safe.
class Fleet {
 public:
  // Announces an agent, or replaces what was known of it. Credits used are forgotten with a new session.
  AgentRef Put(AgentFacts facts);
  void Remove(int hub, std::string_view agent);
  void RemoveHub(int hub);
  std::optional<AgentRef> Find(int hub, std::string_view agent) const;
  // Null once the agent is gone.
  const AgentFacts* facts(AgentRef agent) const;

  // How many credits were granted for this session in all; what is free is this less those taken. May shrink.
  void SetLimit(AgentRef agent, std::int64_t limit);
  void Take(AgentRef agent);
  // A credit that was taken under that session and came to nothing.
  void Return(AgentRef agent, std::int64_t session_epoch);
  // The ledger says that this session is over: no credit is taken until the hub announces another.
  void MarkStale(AgentRef agent, std::int64_t session_epoch);
  std::int64_t free(AgentRef agent) const;

  // Classes are counted by their users: Intern adds one, Release takes one.
  ClassIndex Intern(const Requirements& requirements);
  void Release(ClassIndex cls);
  const Requirements& requirements(ClassIndex cls) const { return classes_[Index(cls)].requirements; }

  // Whether an available agent fits, busy or not.
  bool Served(ClassIndex cls);
  // Whether one with a free credit does.
  bool CanTake(ClassIndex cls);
  // The least busy of them, in turn among equals. Those of `preferred` go first, in their order. Takes no credit.
  std::optional<AgentRef> Pick(ClassIndex cls, absl::Span<const AgentRef> preferred = {});
  Fit Count(ClassIndex cls);

  // Why this agent cannot take a task of that class now, and what of it is missing.
  std::pair<RuledOut, std::string> Judge(ClassIndex cls, AgentRef agent);
  void ForEach(const std::function<void(AgentRef, const AgentFacts&)>& visit) const;
  // Required and on no connected agent at all.
  std::vector<std::string> CapabilitiesNobodyHas(ClassIndex cls) const;
  std::vector<std::string> FeaturesNobodyHas(ClassIndex cls) const;

  // Of all agents, sorted, what routes may ask for; at most `max`.
  std::vector<std::string> OfferedToRoutes(std::size_t max) const;
  // The agents of that host.
  const std::vector<AgentRef>& AtHost(std::string_view host) const;

  int agents() const { return agents_count_; }
  std::int64_t free_credits() const { return free_credits_; }
  std::size_t classes() const { return class_index_.size(); }
  // Sets of features and capabilities that are remembered.
  std::size_t kinds() const { return kinds_.size(); }
  // Grows whenever Served may answer otherwise than before.
  std::uint64_t version() const { return version_; }

 private:
  static constexpr std::uint32_t kNone = ~0u;
  // By how many credits are in use; the last one stands for more.
  static constexpr int kLevels = 8;

  struct Agent {
    AgentFacts facts;
    std::uint32_t serial = 0;
    bool live = false;
    bool stale = false;
    std::int64_t limit = 0;
    std::int64_t used = 0;
    std::uint32_t kind = kNone;
    // In the kind's list of this level while it can take work; -1: in none.
    int level = -1;
    std::uint32_t before = kNone;
    std::uint32_t behind = kNone;

    std::int64_t free() const { return limit > used ? limit - used : 0; }
    bool available() const { return live && facts.available && !stale; }
  };
  struct Traits {
    std::vector<std::string> features;
    std::vector<std::string> capabilities;

    friend bool operator==(const Traits&, const Traits&) = default;
    template <class H>
    friend H AbslHashValue(H h, const Traits& t) {
      return H::combine(std::move(h), t.features, t.capabilities);
    }
  };
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };
  struct Kind {
    Traits traits;
    int members = 0;
    int available = 0;
    int free = 0;
    std::array<List, kLevels> lists;
  };
  struct Class {
    Requirements requirements;
    int users = 0;
    // Kinds up to here were looked at.
    std::uint32_t kinds_seen = 0;
    std::uint64_t kinds_epoch = 0;
    std::vector<std::uint32_t> kinds;
    // Of the version below.
    std::uint64_t version = 0;
    bool served = false;
    // Another than those to be avoided fits, so these are.
    bool avoids = false;
    std::uint32_t turn = 0;
  };

  static std::size_t Index(ClassIndex cls) { return static_cast<std::size_t>(cls); }
  const Agent* Live(AgentRef agent) const;
  Agent* Live(AgentRef agent);
  std::uint32_t KindOf(const AgentFacts& facts);
  // Those without members; numbers the others anew. The caller raises the version.
  void ForgetKinds();
  void Leave(std::uint32_t index);
  void Enter(std::uint32_t index);
  // Puts the agent where its credits say.
  void Place(std::uint32_t index);
  void Unlink(std::uint32_t index);
  Class& Refreshed(ClassIndex cls);
  bool Fits(const Class& cls, const Agent& agent) const;
  bool Refuses(const Class& cls, const Agent& agent) const;
  bool Avoids(const Class& cls, const Agent& agent) const;
  // Must not be given work of the class: it refuses it, or is to be avoided.
  bool Excludes(const Class& cls, const Agent& agent) const { return Refuses(cls, agent) || Avoids(cls, agent); }
  // Calls `visit` with each live agent of `ids` that has what the class needs.
  template <class Visit>
  void ForEachFitting(const Class& cls, const std::vector<std::string>& ids, Visit visit) const;

  std::vector<Agent> agents_;
  std::vector<std::uint32_t> unused_agents_;
  // By hub, then id.
  std::vector<StringMap<std::uint32_t>> by_id_;
  std::vector<Kind> kinds_;
  absl::flat_hash_map<Traits, std::uint32_t> kind_index_;
  // Grows when all kinds are numbered anew.
  std::uint64_t kinds_epoch_ = 1;
  // When there are so many, those without members are forgotten.
  std::size_t forget_at_ = 1'000;
  std::vector<Class> classes_;
  std::vector<std::uint32_t> unused_classes_;
  absl::flat_hash_map<Requirements, std::uint32_t> class_index_;
  StringMap<std::vector<AgentRef>> by_host_;
  int agents_count_ = 0;
  std::int64_t free_credits_ = 0;
  std::uint64_t version_ = 1;
};

}  // namespace switchyard::scheduler

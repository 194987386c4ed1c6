#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "services/agent_hub/hub_messages.h"

namespace switchyard::agent_hub {

struct HeldEntry {
  HeldState state = HeldState::kAssigned;
  // Not the agent's any more; keeps its slot until a heartbeat shows that it is gone.
  bool dropping = false;
  // Under which it was last sent in this session; 0: never, the agent had it already.
  std::int64_t number = 0;
  absl::Time accept_by = absl::InfiniteFuture();
  // When a cancel or an answer was last passed on.
  absl::Time directed = absl::InfinitePast();
  absl::Time progressed = absl::InfinitePast();
  absl::Time sent = absl::InfinitePast();
  // The agent did not name it, and the ledger is being asked for it.
  bool missing = false;
  // It was here when the ledger was asked what the agent owns, so the answer may judge it.
  bool asked = false;
  // When the ledger last showed that it is the agent's.
  absl::Time sure = absl::InfinitePast();
  // Found at the ledger: no scheduler has used a credit for it here.
  bool unspent = false;
};

// The assignments of one agent in one session, as the hub believes them. Not thread-safe.
class HeldTable {
 public:
  // Null when it is not there. The state is changed by SetState only.
  HeldEntry* Find(const TaskRef& ref);
  // The entry that is there already stays.
  HeldEntry& Add(const TaskRef& ref, HeldState state);
  void SetState(HeldEntry& entry, HeldState state);
  void Drop(HeldEntry& entry) { entry.dropping = true; }
  void Remove(const TaskRef& ref);
  void Clear();
  // From here on remembers what is removed, until the next call or Clear.
  void WatchRemovals(bool watch);
  bool WasRemoved(const TaskRef& ref) const { return removed_.contains(ref); }

  int size() const { return static_cast<int>(entries_.size()); }
  int count(HeldState state) const { return counts_[static_cast<int>(state)]; }
  // How many take a slot: all that are not done.
  int occupied() const { return size() - count(HeldState::kDone); }

  template <class Visit>
  void ForEach(Visit visit) {
    for (auto& [ref, entry] : entries_) visit(ref, entry);
  }

  struct Verdict {
    // Named by the agent and not its own.
    std::vector<TaskRef> drop;
    // Its own, sent to it as it must have seen, and not named.
    std::vector<TaskRef> missing;
  };
  // Compares with what a heartbeat names, and believes what it says about what runs. `last_assignment` is the latest
  // number that the agent has seen; `ignore` is not judged.
  Verdict Compare(const std::vector<Held>& named, std::int64_t last_assignment, const TaskRef* ignore);

 private:
  // Ordered, as whatever the hub walks: the same history leads to the same messages.
  absl::btree_map<TaskRef, HeldEntry> entries_;
  std::array<int, kHeldStates> counts_{};
  bool watching_ = false;
  absl::flat_hash_set<TaskRef> removed_;
};

}  // namespace switchyard::agent_hub

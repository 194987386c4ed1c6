#include "services/agent_hub/held_table.h"

#include "absl/container/flat_hash_set.h"

namespace switchyard::agent_hub {

HeldEntry* HeldTable::Find(const TaskRef& ref) {
  const auto found = entries_.find(ref);
  return found == entries_.end() ? nullptr : &found->second;
}

HeldEntry& HeldTable::Add(const TaskRef& ref, HeldState state) {
  const auto [entry, added] = entries_.try_emplace(ref);
  if (added) {
    entry->second.state = state;
    ++counts_[static_cast<int>(state)];
  }
  return entry->second;
}

void HeldTable::SetState(HeldEntry& entry, HeldState state) {
  --counts_[static_cast<int>(entry.state)];
  entry.state = state;
  ++counts_[static_cast<int>(state)];
}

void HeldTable::Remove(const TaskRef& ref) {
  const auto found = entries_.find(ref);
  if (found == entries_.end()) return;
  --counts_[static_cast<int>(found->second.state)];
  entries_.erase(found);
  if (watching_) removed_.insert(ref);
}

void HeldTable::Clear() {
  entries_.clear();
  counts_.fill(0);
  WatchRemovals(false);
}

void HeldTable::WatchRemovals(bool watch) {
  watching_ = watch;
  removed_.clear();
}

HeldTable::Verdict HeldTable::Compare(const std::vector<Held>& named, std::int64_t last_assignment,
                                      const TaskRef* ignore) {
  Verdict verdict;
  absl::flat_hash_set<TaskRef> seen;
  seen.reserve(named.size());
  for (const Held& held : named) {
    if (!seen.insert(held.ref).second || (ignore != nullptr && held.ref == *ignore)) continue;
    HeldEntry* const entry = Find(held.ref);
    if (entry == nullptr || entry->dropping) {
      verdict.drop.push_back(held.ref);
      continue;
    }
    // Reports are what counts for acceptance and the end; between them the agent is believed.
    const bool live = entry->state != HeldState::kAssigned && entry->state != HeldState::kDone;
    const bool told = held.state != HeldState::kAssigned && held.state != HeldState::kDone;
    if (live && told && entry->state != held.state) SetState(*entry, held.state);
  }
  std::vector<TaskRef> gone;
  for (const auto& [ref, entry] : entries_) {
    if (seen.contains(ref)) continue;
    if (entry.dropping) {
      gone.push_back(ref);
    } else if (entry.state != HeldState::kDone && entry.number <= last_assignment) {
      verdict.missing.push_back(ref);
    }
  }
  for (const TaskRef& ref : gone) Remove(ref);
  return verdict;
}

}  // namespace switchyard::agent_hub

#include "services/router/kept_decisions.h"

#include <utility>

namespace switchyard::router {

void KeptDecisions::Keep(KeptDecisionPtr decision, absl::Time now) {
  MutexLock lock(mutex_);
  order_.push_back(decision->id);
  decisions_[decision->id] = std::move(decision);
  while (!order_.empty()) {
    const auto oldest = decisions_.find(order_.front());
    if (oldest != decisions_.end() && oldest->second->valid_until > now && decisions_.size() <= most_) break;
    if (oldest != decisions_.end()) decisions_.erase(oldest);
    order_.pop_front();
  }
}

KeptDecisionPtr KeptDecisions::Find(const DecisionId& id, absl::Time now) const {
  MutexLock lock(mutex_);
  const auto decision = decisions_.find(id);
  if (decision == decisions_.end() || decision->second->valid_until <= now) return nullptr;
  return decision->second;
}

std::size_t KeptDecisions::size() const {
  MutexLock lock(mutex_);
  return decisions_.size();
}

}  // namespace switchyard::router

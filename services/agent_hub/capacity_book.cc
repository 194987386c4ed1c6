#include "services/agent_hub/capacity_book.h"

#include <algorithm>

namespace switchyard::agent_hub {

WatchId CapacityBook::Open() {
  const WatchId id{++last_watch_};
  Watch& watch = watches_[id];
  for (const auto& [agent, entry] : agents_) {
    TellOffer(id, watch, agent);
    Share(agent, entry.free);
  }
  Wake(id, watch);
  return id;
}

void CapacityBook::Close(WatchId watch) {
  if (watches_.erase(watch) == 0) return;
  for (const auto& [agent, entry] : agents_) Share(agent, entry.free);
}

void CapacityBook::Wake(WatchId id, Watch& watch) {
  if (watch.awake) return;
  watch.awake = true;
  awakened_.push_back(id);
}

void CapacityBook::TellOffer(WatchId id, Watch& watch, const AgentId& agent) {
  const auto [grant, added] = watch.grants.try_emplace(agent);
  if (added) grant->second.handle = ++watch.last_handle;
  if (!grant->second.offer_news && !grant->second.credit_news) watch.changed.push_back(agent);
  grant->second.offer_news = true;
  Wake(id, watch);
}

void CapacityBook::TellCredit(WatchId id, Watch& watch, const AgentId& agent, Grant& grant) {
  if (!grant.offer_news && !grant.credit_news) watch.changed.push_back(agent);
  grant.credit_news = true;
  Wake(id, watch);
}

void CapacityBook::Offer(std::shared_ptr<const AgentOffer> offer) {
  const AgentId id = offer->id;
  const auto known = agents_.find(id);
  if (known != agents_.end() && known->second.offer->session_epoch != offer->session_epoch) Remove(id);
  agents_[id].offer = std::move(offer);
  for (auto& [watch_id, watch] : watches_) TellOffer(watch_id, watch, id);
}

void CapacityBook::Remove(const AgentId& agent) {
  if (agents_.erase(agent) == 0) return;
  for (auto& [id, watch] : watches_) {
    const auto grant = watch.grants.find(agent);
    if (grant == watch.grants.end()) continue;
    if (grant->second.offer_news || grant->second.credit_news) std::erase(watch.changed, agent);
    watch.grants.erase(grant);
    watch.gone.push_back(agent);
    Wake(id, watch);
  }
}

void CapacityBook::Share(const AgentId& agent, int free) {
  std::int64_t held = 0;
  for (auto& [id, watch] : watches_) held += watch.grants[agent].held();
  // To whoever has least, from whoever has most.
  while (held != free && !watches_.empty()) {
    auto chosen = watches_.begin();
    for (auto at = watches_.begin(); at != watches_.end(); ++at) {
      const std::int64_t here = at->second.grants[agent].held();
      const std::int64_t best = chosen->second.grants[agent].held();
      if (held < free ? here < best : here > best) chosen = at;
    }
    Grant& grant = chosen->second.grants[agent];
    // All at once when there is nobody to share with.
    const std::int64_t step = watches_.size() == 1 ? free - held : (held < free ? 1 : -1);
    grant.limit = std::max(grant.limit, grant.used) + step;
    held += step;
    TellCredit(chosen->first, chosen->second, agent, grant);
  }
}

void CapacityBook::SetFree(const AgentId& agent, int free) {
  const auto found = agents_.find(agent);
  if (found == agents_.end()) return;
  found->second.free = std::max(free, 0);
  Share(agent, found->second.free);
}

void CapacityBook::Use(WatchId watch, const AgentId& agent) {
  const auto reader = watches_.find(watch);
  if (reader == watches_.end()) return;
  const auto grant = reader->second.grants.find(agent);
  if (grant != reader->second.grants.end()) ++grant->second.used;
}

void CapacityBook::Turn() {
  if (watches_.size() < 2) return;
  for (const auto& [agent, entry] : agents_) {
    if (entry.free <= 0) continue;
    for (auto at = watches_.begin(); at != watches_.end(); ++at) {
      Grant& grant = at->second.grants[agent];
      const bool idle = grant.used == grant.used_before;
      grant.used_before = grant.used;
      if (!idle || grant.held() == 0) continue;
      const auto next = std::next(at) == watches_.end() ? watches_.begin() : std::next(at);
      Grant& other = next->second.grants[agent];
      // Where both have some, all stay as they are.
      if (other.held() > 0) continue;
      const std::int64_t moved = (grant.held() + 1) / 2;
      grant.limit -= moved;
      other.limit = std::max(other.limit, other.used) + moved;
      TellCredit(at->first, at->second, agent, grant);
      TellCredit(next->first, next->second, agent, other);
      break;
    }
  }
}

bool CapacityBook::HasNews(WatchId watch) const {
  const auto found = watches_.find(watch);
  if (found == watches_.end()) return false;
  return !found->second.changed.empty() || !found->second.gone.empty() || !found->second.told_complete;
}

CapacityNews CapacityBook::Take(WatchId id, std::size_t limit) {
  CapacityNews news;
  const auto found = watches_.find(id);
  if (found == watches_.end()) return news;
  Watch& watch = found->second;
  news.gone = std::move(watch.gone);
  watch.gone.clear();
  while (!watch.changed.empty() && news.agents.size() < limit) {
    const AgentId agent = watch.changed.front();
    watch.changed.pop_front();
    Grant& grant = watch.grants[agent];
    if (grant.offer_news) {
      news.agents.push_back({agents_[agent].offer, grant.handle, grant.limit});
    } else {
      news.credits.emplace_back(grant.handle, grant.limit);
    }
    grant.offer_news = grant.credit_news = false;
  }
  if (watch.changed.empty()) {
    news.snapshot_complete = !std::exchange(watch.told_complete, true);
    watch.awake = false;
  }
  news.sequence = ++watch.sequence;
  return news;
}

std::vector<WatchId> CapacityBook::TakeAwakened() { return std::exchange(awakened_, {}); }

}  // namespace switchyard::agent_hub

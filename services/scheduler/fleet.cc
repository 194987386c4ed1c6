#include "services/scheduler/fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/scheduler/route_source.h"

namespace switchyard::scheduler {
namespace {

// Kinds without members are kept, since an agent that comes back is of the same, but no more than this or than those
// with members.
constexpr std::size_t kSpareKinds = 1'000;

bool Includes(const std::vector<std::string>& all, const std::vector<std::string>& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

void SortUnique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

std::vector<std::string> Missing(const std::vector<std::string>& wanted, const std::vector<std::string>& had) {
  std::vector<std::string> missing;
  std::set_difference(wanted.begin(), wanted.end(), had.begin(), had.end(), std::back_inserter(missing));
  return missing;
}

}  // namespace

const Fleet::Agent* Fleet::Live(AgentRef agent) const {
  if (agent.index >= agents_.size()) return nullptr;
  const Agent& found = agents_[agent.index];
  return found.live && found.serial == agent.serial ? &found : nullptr;
}
Fleet::Agent* Fleet::Live(AgentRef agent) { return const_cast<Agent*>(std::as_const(*this).Live(agent)); }

const AgentFacts* Fleet::facts(AgentRef agent) const {
  const Agent* const found = Live(agent);
  return found == nullptr ? nullptr : &found->facts;
}

std::int64_t Fleet::free(AgentRef agent) const {
  const Agent* const found = Live(agent);
  return found == nullptr ? 0 : found->free();
}

std::optional<AgentRef> Fleet::Find(int hub, std::string_view agent) const {
  if (hub < 0 || static_cast<std::size_t>(hub) >= by_id_.size()) return std::nullopt;
  const auto found = by_id_[hub].find(agent);
  if (found == by_id_[hub].end()) return std::nullopt;
  return AgentRef{found->second, agents_[found->second].serial};
}

std::uint32_t Fleet::KindOf(const AgentFacts& facts) {
  Traits traits{facts.features, facts.capabilities};
  if (const auto found = kind_index_.find(traits); found != kind_index_.end()) return found->second;
  if (kinds_.size() >= forget_at_) ForgetKinds();
  const auto kind = static_cast<std::uint32_t>(kinds_.size());
  kinds_.emplace_back();
  kinds_.back().traits = traits;
  kind_index_.emplace(std::move(traits), kind);
  return kind;
}

void Fleet::ForgetKinds() {
  std::vector<std::uint32_t> renumbered(kinds_.size(), kNone);
  std::vector<Kind> kept;
  kind_index_.clear();
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    if (kinds_[i].members == 0) continue;
    renumbered[i] = static_cast<std::uint32_t>(kept.size());
    kind_index_.emplace(kinds_[i].traits, renumbered[i]);
    kept.push_back(std::move(kinds_[i]));
  }
  kinds_ = std::move(kept);
  for (Agent& agent : agents_) {
    if (agent.kind != kNone) agent.kind = renumbered[agent.kind];
  }
  forget_at_ = kinds_.size() + std::max(kSpareKinds, kinds_.size());
  ++kinds_epoch_;
}

void Fleet::Unlink(std::uint32_t index) {
  Agent& agent = agents_[index];
  if (agent.level < 0) return;
  Kind& kind = kinds_[agent.kind];
  List& list = kind.lists[agent.level];
  (agent.before == kNone ? list.first : agents_[agent.before].behind) = agent.behind;
  (agent.behind == kNone ? list.last : agents_[agent.behind].before) = agent.before;
  agent.before = agent.behind = kNone;
  agent.level = -1;
  --kind.free;
}

void Fleet::Place(std::uint32_t index) {
  Agent& agent = agents_[index];
  const std::int64_t free = agent.available() ? agent.free() : 0;
  int level = -1;
  if (free > 0) level = static_cast<int>(std::clamp<std::int64_t>(agent.facts.slots - free, 0, kLevels - 1));
  // Agents of the last level are told apart by their turn alone.
  if (level == agent.level && level < kLevels - 1) return;
  Unlink(index);
  if (level < 0) return;
  Kind& kind = kinds_[agent.kind];
  List& list = kind.lists[level];
  agent.level = level;
  agent.before = list.last;
  (list.last == kNone ? list.first : agents_[list.last].behind) = index;
  list.last = index;
  ++kind.free;
}

void Fleet::Enter(std::uint32_t index) {
  Agent& agent = agents_[index];
  if (!agent.facts.host.empty()) by_host_[agent.facts.host].push_back({index, agent.serial});
  agent.kind = KindOf(agent.facts);
  ++kinds_[agent.kind].members;
  if (agent.available()) {
    ++kinds_[agent.kind].available;
    free_credits_ += agent.free();
  }
  Place(index);
  ++version_;
}

void Fleet::Leave(std::uint32_t index) {
  Agent& agent = agents_[index];
  if (const auto found = by_host_.find(agent.facts.host); found != by_host_.end()) {
    std::erase_if(found->second, [index](AgentRef ref) { return ref.index == index; });
    if (found->second.empty()) by_host_.erase(found);
  }
  Unlink(index);
  --kinds_[agent.kind].members;
  if (agent.available()) {
    --kinds_[agent.kind].available;
    free_credits_ -= agent.free();
  }
  ++version_;
}

AgentRef Fleet::Put(AgentFacts facts) {
  SortUnique(facts.features);
  SortUnique(facts.capabilities);
  if (static_cast<std::size_t>(facts.hub) >= by_id_.size()) by_id_.resize(facts.hub + 1);
  if (const std::optional<AgentRef> known = Find(facts.hub, facts.id); known.has_value()) {
    Agent& agent = agents_[known->index];
    Leave(known->index);
    if (agent.facts.session_epoch != facts.session_epoch) {
      agent.limit = agent.used = 0;
      agent.stale = false;
    }
    agent.facts = std::move(facts);
    Enter(known->index);
    return *known;
  }
  std::uint32_t index = static_cast<std::uint32_t>(agents_.size());
  if (unused_agents_.empty()) {
    agents_.emplace_back();
  } else {
    index = unused_agents_.back();
    unused_agents_.pop_back();
  }
  Agent& agent = agents_[index];
  const std::uint32_t serial = agent.serial;
  agent = Agent();
  agent.serial = serial;
  agent.live = true;
  by_id_[facts.hub].emplace(facts.id, index);
  agent.facts = std::move(facts);
  ++agents_count_;
  Enter(index);
  return {index, serial};
}

void Fleet::Remove(int hub, std::string_view agent) {
  const std::optional<AgentRef> known = Find(hub, agent);
  if (!known.has_value()) return;
  Leave(known->index);
  by_id_[hub].erase(by_id_[hub].find(agent));
  agents_[known->index].live = false;
  agents_[known->index].kind = kNone;
  ++agents_[known->index].serial;
  unused_agents_.push_back(known->index);
  --agents_count_;
}

void Fleet::RemoveHub(int hub) {
  if (static_cast<std::size_t>(hub) >= by_id_.size()) return;
  std::vector<std::string> ids;
  for (const auto& [id, index] : by_id_[hub]) ids.push_back(id);
  // The same history leaves the same places free.
  std::sort(ids.begin(), ids.end());
  for (const std::string& id : ids) Remove(hub, id);
}

void Fleet::SetLimit(AgentRef ref, std::int64_t limit) {
  Agent* const agent = Live(ref);
  if (agent == nullptr) return;
  const std::int64_t before = agent->free();
  agent->limit = limit;
  if (agent->available()) free_credits_ += agent->free() - before;
  Place(ref.index);
}

void Fleet::Take(AgentRef ref) {
  Agent* const agent = Live(ref);
  if (agent == nullptr) return;
  const std::int64_t before = agent->free();
  ++agent->used;
  if (agent->available()) free_credits_ += agent->free() - before;
  Place(ref.index);
}

void Fleet::Return(AgentRef ref, std::int64_t session_epoch) {
  Agent* const agent = Live(ref);
  if (agent == nullptr || agent->facts.session_epoch != session_epoch || agent->used == 0) return;
  const std::int64_t before = agent->free();
  --agent->used;
  if (agent->available()) free_credits_ += agent->free() - before;
  Place(ref.index);
}

void Fleet::MarkStale(AgentRef ref, std::int64_t session_epoch) {
  Agent* const agent = Live(ref);
  if (agent == nullptr || agent->facts.session_epoch != session_epoch || agent->stale) return;
  Leave(ref.index);
  agent->stale = true;
  Enter(ref.index);
}

ClassIndex Fleet::Intern(const Requirements& requirements) {
  if (const auto found = class_index_.find(requirements); found != class_index_.end()) {
    ++classes_[found->second].users;
    return ClassIndex(found->second);
  }
  std::uint32_t index = static_cast<std::uint32_t>(classes_.size());
  if (unused_classes_.empty()) {
    classes_.emplace_back();
  } else {
    index = unused_classes_.back();
    unused_classes_.pop_back();
    classes_[index] = Class();
  }
  classes_[index].requirements = requirements;
  classes_[index].users = 1;
  class_index_.emplace(requirements, index);
  return ClassIndex(index);
}

void Fleet::Release(ClassIndex cls) {
  Class& found = classes_[Index(cls)];
  if (--found.users > 0) return;
  class_index_.erase(found.requirements);
  unused_classes_.push_back(static_cast<std::uint32_t>(cls));
}

bool Fleet::Fits(const Class& cls, const Agent& agent) const {
  return std::binary_search(cls.kinds.begin(), cls.kinds.end(), agent.kind);
}

bool Fleet::Avoids(const Class& cls, const Agent& agent) const {
  return cls.avoids && std::binary_search(cls.requirements.avoid.begin(), cls.requirements.avoid.end(), agent.facts.id);
}

bool Fleet::Refuses(const Class& cls, const Agent& agent) const {
  const std::vector<std::string>& refuse = cls.requirements.refuse;
  return !refuse.empty() && std::binary_search(refuse.begin(), refuse.end(), agent.facts.id);
}

template <class Visit>
void Fleet::ForEachFitting(const Class& cls, const std::vector<std::string>& ids, Visit visit) const {
  for (const std::string& id : ids) {
    for (std::size_t hub = 0; hub < by_id_.size(); ++hub) {
      const std::optional<AgentRef> agent = Find(static_cast<int>(hub), id);
      if (agent.has_value() && Fits(cls, agents_[agent->index])) visit(agents_[agent->index]);
    }
  }
}

Fleet::Class& Fleet::Refreshed(ClassIndex index) {
  Class& cls = classes_[Index(index)];
  if (cls.version == version_) return cls;
  if (cls.kinds_epoch != kinds_epoch_) {
    cls.kinds.clear();
    cls.kinds_seen = 0;
    cls.kinds_epoch = kinds_epoch_;
  }
  for (; cls.kinds_seen < kinds_.size(); ++cls.kinds_seen) {
    const Traits& traits = kinds_[cls.kinds_seen].traits;
    if (Includes(traits.capabilities, cls.requirements.capabilities) &&
        Includes(traits.features, cls.requirements.features)) {
      cls.kinds.push_back(cls.kinds_seen);
    }
  }
  int available = 0;
  for (const std::uint32_t kind : cls.kinds) available += kinds_[kind].available;
  ForEachFitting(cls, cls.requirements.refuse, [&](const Agent& agent) { available -= agent.available() ? 1 : 0; });
  int avoided = 0;
  ForEachFitting(cls, cls.requirements.avoid,
                 [&](const Agent& agent) { avoided += agent.available() && !Refuses(cls, agent) ? 1 : 0; });
  cls.avoids = available > avoided && avoided > 0;
  cls.served = available > 0;
  cls.version = version_;
  return cls;
}

bool Fleet::Served(ClassIndex cls) { return Refreshed(cls).served; }

bool Fleet::CanTake(ClassIndex index) {
  const Class& cls = Refreshed(index);
  if (!cls.served) return false;
  const std::size_t excluded = cls.requirements.refuse.size() + (cls.avoids ? cls.requirements.avoid.size() : 0);
  for (const std::uint32_t kind : cls.kinds) {
    if (kinds_[kind].free > static_cast<int>(excluded)) return true;
  }
  return excluded > 0 && Pick(index).has_value();
}

std::optional<AgentRef> Fleet::Pick(ClassIndex index, absl::Span<const AgentRef> preferred) {
  Class& cls = Refreshed(index);
  if (!cls.served) return std::nullopt;
  for (const AgentRef ref : preferred) {
    const Agent* const agent = Live(ref);
    if (agent != nullptr && agent->level >= 0 && Fits(cls, *agent) && !Excludes(cls, *agent)) return ref;
  }
  // A few kinds with free agents are enough to choose from.
  constexpr int kEnough = 16;
  std::uint32_t best = kNone;
  int best_level = kLevels;
  int seen = 0;
  const std::size_t count = cls.kinds.size();
  for (std::size_t i = 0; i < count && seen < kEnough && best_level > 0; ++i) {
    const Kind& kind = kinds_[cls.kinds[(cls.turn + i) % count]];
    if (kind.free == 0) continue;
    ++seen;
    for (int level = 0; level < best_level; ++level) {
      std::uint32_t agent = kind.lists[level].first;
      while (agent != kNone && Excludes(cls, agents_[agent])) agent = agents_[agent].behind;
      if (agent == kNone) continue;
      best = agent;
      best_level = level;
    }
  }
  ++cls.turn;
  if (best == kNone) return std::nullopt;
  return AgentRef{best, agents_[best].serial};
}

Fit Fleet::Count(ClassIndex index) {
  const Class& cls = Refreshed(index);
  Fit fit;
  for (const std::uint32_t kind : cls.kinds) {
    fit.fitting += kinds_[kind].members;
    fit.available += kinds_[kind].available;
    fit.free += kinds_[kind].free;
  }
  ForEachFitting(cls, cls.requirements.refuse, [&](const Agent& agent) {
    ++fit.refused;
    --fit.fitting;
    fit.available -= agent.available() ? 1 : 0;
    fit.free -= agent.level >= 0 ? 1 : 0;
  });
  if (!cls.avoids) return fit;
  ForEachFitting(cls, cls.requirements.avoid,
                 [&](const Agent& agent) { fit.free -= agent.level >= 0 && !Refuses(cls, agent) ? 1 : 0; });
  return fit;
}

std::pair<RuledOut, std::string> Fleet::Judge(ClassIndex index, AgentRef ref) {
  const Class& cls = Refreshed(index);
  const Agent* const agent = Live(ref);
  if (agent == nullptr) return {RuledOut::kUnavailable, "gone"};
  const auto capabilities = Missing(cls.requirements.capabilities, agent->facts.capabilities);
  if (!capabilities.empty()) return {RuledOut::kMissingCapability, absl::StrJoin(capabilities, ", ")};
  const auto features = Missing(cls.requirements.features, agent->facts.features);
  if (!features.empty()) return {RuledOut::kMissingFeature, absl::StrJoin(features, ", ")};
  if (Refuses(cls, *agent)) return {RuledOut::kRefused, "it refused this task for good"};
  if (agent->stale) return {RuledOut::kUnavailable, "SESSION_OVER: its session has ended at the task queue"};
  if (!agent->facts.available) {
    const std::string& message = agent->facts.unavailable_message;
    return {RuledOut::kUnavailable,
            absl::StrCat(agent->facts.unavailable_reason, message.empty() ? "" : ": ", message)};
  }
  if (Avoids(cls, *agent)) return {RuledOut::kAvoided, "it rejected or lost this task, and another agent fits"};
  if (agent->free() == 0) return {RuledOut::kBusy, absl::StrCat("all of its ", agent->facts.slots, " slots are taken")};
  return {RuledOut::kNot, ""};
}

void Fleet::ForEach(const std::function<void(AgentRef, const AgentFacts&)>& visit) const {
  for (std::uint32_t index = 0; index < agents_.size(); ++index) {
    if (agents_[index].live) visit({index, agents_[index].serial}, agents_[index].facts);
  }
}

std::vector<std::string> Fleet::OfferedToRoutes(std::size_t max) const {
  // There are few credentials, and perhaps as many names as agents.
  std::vector<std::string> offered;
  std::vector<std::string> names;
  for (const Kind& kind : kinds_) {
    if (kind.members == 0) continue;
    for (const std::string& capability : kind.traits.capabilities) {
      if (IsRouteCapability(capability)) (IsAgentName(capability) ? names : offered).push_back(capability);
    }
    if (offered.size() > max * 2) SortUnique(offered);
  }
  SortUnique(offered);
  SortUnique(names);
  offered.insert(offered.end(), names.begin(), names.end());
  if (offered.size() > max) offered.resize(max);
  std::sort(offered.begin(), offered.end());
  return offered;
}

const std::vector<AgentRef>& Fleet::AtHost(std::string_view host) const {
  static const std::vector<AgentRef> kNobody;
  const auto found = by_host_.find(host);
  return found == by_host_.end() ? kNobody : found->second;
}

std::vector<std::string> Fleet::CapabilitiesNobodyHas(ClassIndex index) const {
  std::vector<std::string> missing = classes_[Index(index)].requirements.capabilities;
  for (const Kind& kind : kinds_) {
    if (kind.members > 0) missing = Missing(missing, kind.traits.capabilities);
  }
  return missing;
}

std::vector<std::string> Fleet::FeaturesNobodyHas(ClassIndex index) const {
  std::vector<std::string> missing = classes_[Index(index)].requirements.features;
  for (const Kind& kind : kinds_) {
    if (kind.members > 0) missing = Missing(missing, kind.traits.features);
  }
  return missing;
}

}  // namespace switchyard::scheduler

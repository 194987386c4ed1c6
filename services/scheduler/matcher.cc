#include "services/scheduler/matcher.h"

#include <algorithm>
#include <utility>

namespace switchyard::scheduler {

const Matcher::Given* Matcher::Remembered(const TaskId& task) const {
  for (const auto& half : given_) {
    if (const auto found = half.find(task); found != half.end()) return &found->second;
  }
  return nullptr;
}

std::optional<AgentRef> Matcher::LastAgentOf(const TaskId& task) const {
  const Given* const given = Remembered(task);
  if (given == nullptr) return std::nullopt;
  return given->agent;
}

void Matcher::Remember(const Match& match, std::uint64_t repository) {
  if (given_[0].size() >= kRemembered / 2) {
    given_[1] = std::move(given_[0]);
    given_[0].clear();
    given_[0].reserve(kRemembered / 2);
  }
  given_[0][match.task] = {match.generation, match.agent};
  if (repository == 0) return;
  if (repositories_.size() >= kRepositories) repositories_.clear();
  std::vector<AgentRef>& agents = repositories_[repository];
  std::erase(agents, match.agent);
  agents.insert(agents.begin(), match.agent);
  if (agents.size() > kAgentsPerRepository) agents.pop_back();
}

bool Matcher::Add(const ReadyTask& task, absl::Time now) {
  if (const Given* const given = Remembered(task.id); given != nullptr && given->generation >= task.generation) {
    return false;
  }
  return line_.Add(task, now);
}

std::vector<Match> Matcher::Run(int max, int max_reservations) {
  std::vector<Match> matches;
  ++run_;
  lanes::Backlog backlog = {};
  for (int lane = 0; lane < kLanes; ++lane) backlog[lane].fresh = static_cast<std::uint64_t>(line_.waiting(lane));
  const auto can_take = [this](ClassIndex cls) {
    const std::size_t index = static_cast<std::size_t>(cls);
    if (index >= exhausted_.size()) exhausted_.resize(index + 64);
    if (exhausted_[index] == run_) return false;
    if (fleet_.CanTake(cls)) return true;
    exhausted_[index] = run_;
    return false;
  };
  std::vector<AgentRef> preferred;
  while (static_cast<int>(matches.size()) < max && fleet_.free_credits() > 0) {
    const std::optional<lanes::Pick> pick = lanes_.Peek(backlog);
    if (!pick.has_value()) break;
    const std::uint32_t slot = line_.First(pick->lane, run_, can_take);
    if (slot == WaitingLine::kNone) {
      // Passed over, and not charged for it.
      backlog[pick->lane] = {};
      continue;
    }
    const WaitingLine::Entry& entry = line_.entry(slot);
    if (entry.ticket != nullptr && !entry.ticket->decision.empty() && max_reservations-- <= 0) {
      // Of one class all need a reservation or none does.
      exhausted_[static_cast<std::size_t>(line_.bucket(entry.bucket).cls)] = run_;
      continue;
    }
    preferred.clear();
    if (!entry.continues.is_nil()) {
      if (const std::optional<AgentRef> before = LastAgentOf(entry.continues)) preferred.push_back(*before);
    }
    if (entry.repository != 0) {
      if (const auto found = repositories_.find(entry.repository); found != repositories_.end()) {
        preferred.insert(preferred.end(), found->second.begin(), found->second.end());
      }
    }
    if (entry.ticket != nullptr) {
      for (const std::string& host : entry.ticket->near_hosts) {
        const std::vector<AgentRef>& there = fleet_.AtHost(host);
        preferred.insert(preferred.end(), there.begin(), there.end());
      }
    }
    const ClassIndex cls = line_.bucket(entry.bucket).cls;
    const std::optional<AgentRef> agent = fleet_.Pick(cls, preferred);
    if (!agent.has_value()) {
      exhausted_[static_cast<std::size_t>(cls)] = run_;
      continue;
    }
    lanes_.Next(backlog);
    const AgentFacts& facts = *fleet_.facts(*agent);
    matches.push_back({.task = entry.id,
                       .generation = entry.generation,
                       .shard = entry.shard,
                       .agent = *agent,
                       .agent_id = facts.id,
                       .hub = facts.hub,
                       .session_epoch = facts.session_epoch,
                       .ticket = entry.ticket,
                       .since = entry.since});
    fleet_.Take(*agent);
    line_.Take(slot);
    if (line_.waiting(pick->lane) == 0) backlog[pick->lane] = {};
  }
  return matches;
}

void Matcher::Settle(const Match& match, Settled outcome) {
  if (outcome == Settled::kAssigned) {
    const WaitingLine::Entry* const entry = line_.Find(match.task);
    Remember(match, entry == nullptr ? 0 : entry->repository);
  } else {
    fleet_.Return(match.agent, match.session_epoch);
    if (outcome == Settled::kSessionOver) fleet_.MarkStale(match.agent, match.session_epoch);
  }
  line_.Settle(match.task, match.generation, outcome == Settled::kBack || outcome == Settled::kSessionOver);
}

}  // namespace switchyard::scheduler

#include "services/agent_hub/in_memory_agent_store.h"

#include <algorithm>

#include "libs/base/status_macros.h"
#include "services/agent_hub/agent_errors.h"
#include "services/agent_hub/agent_rules.h"

namespace switchyard::agent_hub {

void InMemoryAgentStore::FailWith(const absl::Status& status) {
  MutexLock lock(mutex_);
  failure_ = status;
}

InMemoryAgentStore::Kept* InMemoryAgentStore::FindLive(const AgentId& id) {
  const auto found = agents_.find(id);
  return found == agents_.end() || found->second.record.remove_time.has_value() ? nullptr : &found->second;
}

InMemoryAgentStore::Kept* InMemoryAgentStore::FindNamed(std::string_view name) {
  for (auto& [id, kept] : agents_) {
    if (kept.record.name == name && !kept.record.remove_time.has_value()) return &kept;
  }
  return nullptr;
}

absl::StatusOr<AgentRecord> InMemoryAgentStore::Find(const AgentId& id, bool removed) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = agents_.find(id);
  if (found == agents_.end() || (found->second.record.remove_time.has_value() && !removed)) {
    return AgentNotFound(id.ToString());
  }
  return found->second.record;
}

absl::StatusOr<AgentRecord> InMemoryAgentStore::FindByName(std::string_view name) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const Kept* kept = FindNamed(name);
  if (kept == nullptr) return AgentNotFound(name);
  return kept->record;
}

absl::StatusOr<std::vector<AgentRecord>> InMemoryAgentStore::List(const AgentQuery& query) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  std::vector<AgentRecord> page;
  for (const auto& [id, kept] : agents_) {
    if (Matches(kept.record, query)) page.push_back(kept.record);
  }
  std::sort(page.begin(), page.end(), [](const AgentRecord& a, const AgentRecord& b) { return a.name < b.name; });
  if (page.size() > static_cast<std::size_t>(query.limit)) page.resize(static_cast<std::size_t>(query.limit));
  return page;
}

absl::StatusOr<std::vector<Transition>> InMemoryAgentStore::Transitions(const AgentId& id) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = agents_.find(id);
  if (found == agents_.end()) return std::vector<Transition>();
  return std::vector<Transition>(found->second.transitions.rbegin(), found->second.transitions.rend());
}

absl::StatusOr<std::vector<AgentRecord>> InMemoryAgentStore::TouchedSince(absl::Time since) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  std::vector<AgentRecord> touched;
  for (const auto& [id, kept] : agents_) {
    if (kept.touch_time >= since) touched.push_back(kept.record);
  }
  return touched;
}

absl::Status InMemoryAgentStore::Observe(absl::Span<const Observation> observations) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (const Observation& observation : observations) {
    Kept* kept = FindLive(observation.agent);
    if (kept == nullptr || !Counts(observation, kept->record.seen)) continue;
    Apply(observation, kept->record.seen);
    std::vector<Transition>& all = kept->transitions;
    for (const Transition& transition : observation.transitions) {
      if (std::find(all.begin(), all.end(), transition) == all.end()) all.push_back(transition);
    }
    std::stable_sort(all.begin(), all.end(), [](const Transition& a, const Transition& b) { return a.time < b.time; });
    if (all.size() > kMaxTransitions) all.erase(all.begin(), all.end() - kMaxTransitions);
  }
  return absl::OkStatus();
}

absl::Status InMemoryAgentStore::SaveHealth(absl::Span<const Health> healths) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (const Health& health : healths) {
    if (Kept* kept = FindLive(health.agent); kept != nullptr) Apply(health, kept->record);
  }
  return absl::OkStatus();
}

absl::StatusOr<AgentRecord> InMemoryAgentStore::Change(const AgentId& id, absl::Time now,
                                                       absl::FunctionRef<absl::Status(AgentRecord&)> change) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  Kept* kept = FindLive(id);
  if (kept == nullptr) return AgentNotFound(id.ToString());
  AgentRecord changed = kept->record;
  SY_RETURN_IF_ERROR(change(changed));
  kept->record = std::move(changed);
  kept->touch_time = now;
  return kept->record;
}

absl::StatusOr<EnrollKind> InMemoryAgentStore::Enroll(Enrollment& enrollment, std::size_t max_agents) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const absl::Time now = enrollment.create_time;
  if (const Kept* holder = FindNamed(enrollment.name); holder != nullptr) {
    if (HasLiveToken(holder->record, now)) return EnrollKind::kNameTaken;
    enrollment.agent = holder->record.id;
  }
  std::size_t count = 0;
  for (const auto& [id, kept] : agents_) count += kept.record.remove_time.has_value() ? 0 : 1;
  for (const auto& [id, other] : enrollments_) count += IsOpen(other, now) && other.name != enrollment.name ? 1 : 0;
  if (count >= max_agents) return EnrollKind::kTooMany;
  for (auto& [id, other] : enrollments_) {
    if (other.name == enrollment.name && IsOpen(other, now)) other.revoke_time = now;
  }
  enrollments_[enrollment.id] = enrollment;
  return EnrollKind::kCreated;
}

absl::StatusOr<Redeemed> InMemoryAgentStore::Redeem(std::string_view token_hash, std::string_view redeem_hash,
                                                    std::string_view host_name, absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  for (auto& [id, enrollment] : enrollments_) {
    if (enrollment.token_hash != token_hash) continue;
    if (!MayRedeem(enrollment, redeem_hash, now)) break;
    if (enrollment.redeem_time.has_value()) return Redeemed{enrollment, true};
    enrollment.redeem_time = now;
    enrollment.redeem_hash = std::string(redeem_hash);
    enrollment.host_name = std::string(host_name);
    const auto [agent, is_new] = agents_.try_emplace(enrollment.agent);
    if (is_new) {
      agent->second.record = MakeAgent(enrollment, now);
    } else {
      BringBack(enrollment, agent->second.record);
    }
    agent->second.touch_time = now;
    return Redeemed{enrollment, false};
  }
  return EnrollmentUnknown();
}

absl::StatusOr<Enrollment> InMemoryAgentStore::FindEnrollment(const EnrollmentId& id) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = enrollments_.find(id);
  if (found == enrollments_.end()) return EnrollmentNotFound(id);
  return found->second;
}

absl::Status InMemoryAgentStore::RevokeEnrollment(const EnrollmentId& id, absl::Time now) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  const auto found = enrollments_.find(id);
  if (found == enrollments_.end()) return EnrollmentNotFound(id);
  if (found->second.redeem_time.has_value()) return EnrollmentRedeemed(id);
  if (!found->second.revoke_time.has_value()) found->second.revoke_time = now;
  return absl::OkStatus();
}

absl::Status InMemoryAgentStore::Forget(absl::Time before) {
  MutexLock lock(mutex_);
  SY_RETURN_IF_ERROR(failure_);
  std::erase_if(enrollments_, [&](const auto& entry) { return entry.second.expire_time < before; });
  std::erase_if(agents_, [&](const auto& entry) {
    return entry.second.record.remove_time.has_value() && *entry.second.record.remove_time < before;
  });
  return absl::OkStatus();
}

}  // namespace switchyard::agent_hub

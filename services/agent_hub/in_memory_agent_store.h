#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/base/mutex.h"
#include "services/agent_hub/agent_store.h"

namespace switchyard::agent_hub {

// For tests and simulations. Thread-safe.
class InMemoryAgentStore final : public AgentStore {
 public:
  // Every later call fails with it, until it is OK.
  void FailWith(const absl::Status& status);

  absl::StatusOr<AgentRecord> Find(const AgentId& id, bool removed) override;
  absl::StatusOr<AgentRecord> FindByName(std::string_view name) override;
  absl::StatusOr<std::vector<AgentRecord>> List(const AgentQuery& query) override;
  absl::StatusOr<std::vector<Transition>> Transitions(const AgentId& id) override;
  absl::StatusOr<std::vector<AgentRecord>> TouchedSince(absl::Time since) override;
  absl::Status Observe(absl::Span<const Observation> observations) override;
  absl::Status SaveHealth(absl::Span<const Health> healths) override;
  absl::StatusOr<AgentRecord> Change(const AgentId& id, absl::Time now,
                                     absl::FunctionRef<absl::Status(AgentRecord&)> change) override;
  absl::StatusOr<EnrollKind> Enroll(Enrollment& enrollment, std::size_t max_agents) override;
  absl::StatusOr<Redeemed> Redeem(std::string_view token_hash, std::string_view redeem_hash, std::string_view host_name,
                                  absl::Time now) override;
  absl::StatusOr<Enrollment> FindEnrollment(const EnrollmentId& id) override;
  absl::Status RevokeEnrollment(const EnrollmentId& id, absl::Time now) override;
  absl::Status Forget(absl::Time before) override;

 private:
  struct Kept {
    AgentRecord record;
    std::vector<Transition> transitions;
    absl::Time touch_time;
  };

  Kept* FindLive(const AgentId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Kept* FindNamed(std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<AgentId, Kept> agents_ ABSL_GUARDED_BY(mutex_);
  std::map<EnrollmentId, Enrollment> enrollments_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::agent_hub

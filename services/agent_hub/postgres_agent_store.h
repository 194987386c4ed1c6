#pragma once

#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/agent_hub/agent_store.h"

namespace switchyard::agent_hub {

// In the schema `agent_hub`. Thread-safe.
class PostgresAgentStore final : public AgentStore {
 public:
  // Borrows the pool.
  explicit PostgresAgentStore(pg::Pool& pool) : pool_(pool) {}

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
  pg::Pool& pool_;
};

}  // namespace switchyard::agent_hub

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/mutex.h"
#include "services/agent_hub/agent_store.h"
#include "services/agent_hub/token_issuer.h"

namespace switchyard::agent_hub {

struct AdminSettings {
  // Where agents reach the hub, unless an enrolment says so.
  std::vector<std::string> addresses;
  // What an enrolment hands over.
  std::string ca_pem;
  std::string server_name;
  bool insecure = false;
  absl::Duration token_lifetime = absl::Hours(24 * 90);
  std::size_t max_agents = 10'000;
};

struct ListAgentsQuery {
  // 0 means 100.
  int page_size = 0;
  std::string page_token;
  std::vector<AgentState> states;
  std::vector<std::string> capabilities;
};

struct AgentPage {
  std::vector<AgentRecord> agents;
  std::string next_page_token;
};

struct EnrollQuery {
  std::string name;
  std::optional<absl::Duration> lifetime;
  std::optional<absl::Duration> token_lifetime;
  std::map<std::string, std::string> labels;
  std::vector<std::string> addresses;
  // The name of whoever asks.
  std::string requester;
};

// All that the joining machine is told; `token` is nowhere else.
struct Invitation {
  Enrollment enrollment;
  std::string token;
  std::vector<std::string> addresses;
};

struct NewAgentToken {
  AgentRecord agent;
  IssuedToken token;
};

enum class EnrollmentState { kOpen = 1, kRedeemed = 2, kCompleted = 3, kExpired = 4, kRevoked = 5 };

struct EnrollmentView {
  EnrollmentState state = EnrollmentState::kOpen;
  Enrollment enrollment;
  // Once redeemed, unless removed since.
  std::optional<AgentRecord> agent;
};

// What people do with agents, and how machines join. All block on store and issuer; `agent` is an id or a name.
// Thread-safe.
class AgentAdmin {
 public:
  // Borrows all. `touched` is told of every agent that a person changed here, as it is now, so that a hub in this
  // process need not wait for its next look; it must not wait.
  AgentAdmin(AgentStore& store, TokenIssuer& issuer, const Clock& clock, IdSource& ids, AdminSettings settings,
             std::function<void(const AgentRecord&)> touched = nullptr);

  const AdminSettings& settings() const { return settings_; }

  absl::StatusOr<AgentRecord> Find(std::string_view agent);
  absl::StatusOr<std::vector<Transition>> Transitions(const AgentId& id) { return store_.Transitions(id); }
  // INVALID_FIELD.
  absl::StatusOr<AgentPage> List(const ListAgentsQuery& query);

  absl::StatusOr<AgentRecord> Drain(std::string_view agent, std::string_view reason, std::string_view by);
  absl::StatusOr<AgentRecord> Quarantine(std::string_view agent, std::string_view reason, std::string_view by);
  absl::StatusOr<AgentRecord> Resume(std::string_view agent);
  absl::StatusOr<AgentRecord> ResetBreaker(std::string_view agent);
  // AGENT_BUSY.
  absl::StatusOr<AgentRecord> Remove(std::string_view agent, std::string_view reason, bool force);

  // INVALID_FIELD, NO_HUB_ADDRESS, AGENT_NAME_TAKEN, TOO_MANY_AGENTS.
  absl::StatusOr<Invitation> Enroll(const EnrollQuery& query);
  // ENROLLMENT_UNKNOWN.
  absl::StatusOr<NewAgentToken> Redeem(std::string_view token, std::string_view request_id, std::string_view host_name);
  // ENROLLMENT_NOT_FOUND.
  absl::StatusOr<EnrollmentView> GetEnrollment(const EnrollmentId& id);
  // ENROLLMENT_NOT_FOUND, ENROLLMENT_REDEEMED.
  absl::Status RevokeEnrollment(const EnrollmentId& id) { return store_.RevokeEnrollment(id, Now()); }

  // TOKEN_NOT_FOUND.
  absl::StatusOr<NewAgentToken> Rotate(std::string_view agent, std::optional<absl::Duration> grace);
  // By the agent itself; RENEWED_TOO_OFTEN within a minute of the last time.
  absl::StatusOr<NewAgentToken> Renew(std::string_view agent);
  absl::StatusOr<AgentRecord> RevokeToken(std::string_view agent, std::string_view reason);

 private:
  absl::Time Now() const;
  absl::StatusOr<AgentRecord> Change(std::string_view agent, absl::FunctionRef<absl::Status(AgentRecord&)> change);
  absl::StatusOr<AgentRecord> StoreToken(const AgentId& id, absl::Time expire_time);

  AgentStore& store_;
  TokenIssuer& issuer_;
  const Clock& clock_;
  IdSource& ids_;
  const AdminSettings settings_;
  const std::function<void(const AgentRecord&)> touched_;
  Mutex mutex_;
  // Within the last minute.
  std::map<AgentId, absl::Time> renewed_ ABSL_GUARDED_BY(mutex_);
};

// Whether the agent may get work now, and if not, why not.
std::string UnavailableReason(const AgentRecord& agent, absl::Time now);
// Its state as far as the store can know: a hub that died did not say so.
Seen AsOf(const Seen& seen, absl::Time now);

}  // namespace switchyard::agent_hub

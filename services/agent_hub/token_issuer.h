#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

struct IssuedToken {
  std::string text;
  absl::Time expire_time;
  // Of the token that it replaces.
  absl::Time old_expire_time;
};

// Where agents' tokens come from. Blocks; after UNAVAILABLE it is unknown whether something was done. Thread-safe.
class TokenIssuer {
 public:
  virtual ~TokenIssuer() = default;
  virtual absl::StatusOr<IssuedToken> Issue(const AgentId& agent, std::string_view name, absl::Duration lifetime) = 0;
  // TOKEN_NOT_FOUND when it has no live one.
  virtual absl::StatusOr<IssuedToken> Rotate(const AgentId& agent, absl::Duration grace) = 0;
  // All that it has.
  virtual absl::Status Revoke(const AgentId& agent, std::string_view reason) = 0;
};

}  // namespace switchyard::agent_hub

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace switchyard::bench {

class Installation;

struct AgentIdentity {
  std::string id;
  std::string name;
  std::string token;
};

// Lets agents join as machines do: each is invited by an administrator and redeems its one-time token, several at once.
// Their names begin with `prefix`.
absl::StatusOr<std::vector<AgentIdentity>> EnrollAgents(const Installation& installation, const std::string& prefix,
                                                        int count);

}  // namespace switchyard::bench

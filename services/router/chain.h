#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "services/router/decide.h"

namespace switchyard::router {

// What came of a request to an endpoint. The numbers are the model registry's.
enum class EndpointOutcome {
  kUnknown = 0,
  kSuccess = 1,
  kFailure = 2,
  kNoProgress = 3,
  kRateLimited = 4,
  kBusy = 5,
  kRefused = 6,
  kLoading = 7,
  kNeutral = 8,
};

// What an executor that asks for another endpoint has now, and had under this generation.
struct HeldRoute {
  // By name, and as that endpoint calls the model.
  std::string endpoint;
  std::string model;
  // The former ones of this generation.
  std::vector<Exclusion> left;
  // How often another endpoint was granted.
  int grants = 0;
  bool local_only = false;
};

struct Grant {
  // Its candidates begin with the next endpoint.
  Decision decision;
  // UPPER_SNAKE_CASE, for Routing.fallback_reason; never empty.
  std::string fallback_reason;
};

struct GrantRefusal {
  enum class Code {
    // CHAIN_EXHAUSTED: nothing is left that may follow.
    kExhausted,
    // GRANT_REFUSED: the reason permits no other endpoint.
    kRefused,
  };
  Code code = Code::kExhausted;
  std::string message;
  // Why nothing is left; absent with kRefused.
  std::optional<Hold> hold;
};

using GrantResult = std::variant<Grant, GrantRefusal>;

// Which endpoint follows the one held, by what is known now, for the agent whose offers `context.reach` has.
//
// Never from a success, a mistake of the request itself (except CONTEXT_EXCEEDED, which goes to a larger window, and
// MODEL_NOT_FOUND, which leaves that model at that endpoint), or a pinned endpoint or model without allow_fallback.
// Never weaker than the task's tier, never off local endpoints where the task or the held route stays there.
// `context.excluded` and `one_agent` are filled here.
GrantResult NextInChain(const TaskFacts& facts, const HeldRoute& held, EndpointOutcome outcome, std::string_view reason,
                        DecideContext context);

}  // namespace switchyard::router

#pragma once

#include <cstdint>
#include <string_view>

namespace switchyard::router {

// Why a model at an endpoint does not get a task: the first that applies, in this order. The further down, the nearer
// it was to being chosen; the hold of a task goes by the furthest.
enum class Rejection : std::int8_t {
  kNone = 0,
  kModelDisabled,
  kEndpointDisabled,
  kModelAbsent,
  // It embeds, or does something else that is not answering.
  kNotChat,
  kNotPinned,
  // Not the model that the task was begun with.
  kNotKept,
  kNotInRole,
  kTierTooLow,
  kNotLocal,
  // The task rules out its family, or it cannot be told.
  kFamilyExcluded,
  // This attempt used the endpoint already.
  kUsedBefore,
  kTriedTwice,
  kContextTooSmall,
  kTokensOverLimit,
  kCostOverLimit,
  kPriceUnknown,
  kNoAgentReaches,
  kEndpointMisconfigured,
  kEndpointOpen,
  kEndpointUnknown,
  kRateLimited,
  kNoCapacity,
  kBudgetSpent,
  // It would do, and needs something that the agent for the best one may not have.
  kNeedsMore,
};

// "ENDPOINT_OPEN": as in the contract's Candidate. "" for kNone.
std::string_view NameOf(Rejection rejection);
// "its breaker is open": for people.
std::string_view TextOf(Rejection rejection);

}  // namespace switchyard::router

#include "services/router/candidates.h"

namespace switchyard::router {

std::string_view NameOf(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNone:
      return "";
    case Rejection::kModelDisabled:
      return "MODEL_DISABLED";
    case Rejection::kEndpointDisabled:
      return "ENDPOINT_DISABLED";
    case Rejection::kModelAbsent:
      return "MODEL_ABSENT";
    case Rejection::kNotChat:
      return "NOT_CHAT";
    case Rejection::kNotPinned:
      return "NOT_PINNED";
    case Rejection::kNotKept:
      return "NOT_KEPT";
    case Rejection::kNotInRole:
      return "NOT_IN_ROLE";
    case Rejection::kTierTooLow:
      return "TIER_TOO_LOW";
    case Rejection::kNotLocal:
      return "NOT_LOCAL";
    case Rejection::kFamilyExcluded:
      return "FAMILY_EXCLUDED";
    case Rejection::kUsedBefore:
      return "USED_BEFORE";
    case Rejection::kTriedTwice:
      return "TRIED_TWICE";
    case Rejection::kContextTooSmall:
      return "CONTEXT_TOO_SMALL";
    case Rejection::kTokensOverLimit:
      return "TOKENS_OVER_LIMIT";
    case Rejection::kCostOverLimit:
      return "COST_OVER_LIMIT";
    case Rejection::kPriceUnknown:
      return "PRICE_UNKNOWN";
    case Rejection::kNoAgentReaches:
      return "NO_AGENT_REACHES";
    case Rejection::kEndpointMisconfigured:
      return "ENDPOINT_MISCONFIGURED";
    case Rejection::kEndpointOpen:
      return "ENDPOINT_OPEN";
    case Rejection::kEndpointUnknown:
      return "ENDPOINT_UNKNOWN";
    case Rejection::kRateLimited:
      return "RATE_LIMITED";
    case Rejection::kNoCapacity:
      return "NO_CAPACITY";
    case Rejection::kBudgetSpent:
      return "BUDGET_SPENT";
    case Rejection::kNeedsMore:
      return "NEEDS_MORE";
  }
  return "";
}

std::string_view TextOf(Rejection rejection) {
  switch (rejection) {
    case Rejection::kNone:
      return "";
    case Rejection::kModelDisabled:
      return "the model is disabled";
    case Rejection::kEndpointDisabled:
      return "the endpoint is disabled";
    case Rejection::kModelAbsent:
      return "the endpoint does not have the model";
    case Rejection::kNotChat:
      return "the model does not answer prompts";
    case Rejection::kNotPinned:
      return "the task pins another one";
    case Rejection::kNotKept:
      return "the task was begun with another model";
    case Rejection::kNotInRole:
      return "it is not in the role's list";
    case Rejection::kTierTooLow:
      return "it is not strong enough";
    case Rejection::kNotLocal:
      return "the task stays on local endpoints";
    case Rejection::kFamilyExcluded:
      return "the task rules out models of its family, or of an unknown one";
    case Rejection::kUsedBefore:
      return "this attempt used it already";
    case Rejection::kTriedTwice:
      return "it had the task twice";
    case Rejection::kContextTooSmall:
      return "the prompt does not fit its context window";
    case Rejection::kTokensOverLimit:
      return "the task's own limit of tokens leaves no room for an answer";
    case Rejection::kCostOverLimit:
      return "it may cost more than the task's own limit";
    case Rejection::kPriceUnknown:
      return "its price is unknown, and a limit of money applies";
    case Rejection::kNoAgentReaches:
      return "no agent can use it";
    case Rejection::kEndpointMisconfigured:
      return "it refuses its credentials, or is wrongly configured";
    case Rejection::kEndpointOpen:
      return "its breaker is open";
    case Rejection::kEndpointUnknown:
      return "it has not been checked lately";
    case Rejection::kRateLimited:
      return "it asked to be left alone for a while";
    case Rejection::kNoCapacity:
      return "all that it takes at once is taken";
    case Rejection::kBudgetSpent:
      return "a budget stands against it";
    case Rejection::kNeedsMore:
      return "the agent for the best one may not be able to use it";
  }
  return "";
}

}  // namespace switchyard::router

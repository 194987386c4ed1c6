#include "services/router/catalogue.h"

namespace switchyard::router {

std::string_view NameOf(EndpointState state) {
  switch (state) {
    case EndpointState::kUnknown:
      return "unknown";
    case EndpointState::kHealthy:
      return "healthy";
    case EndpointState::kLoading:
      return "loading";
    case EndpointState::kBusy:
      return "busy";
    case EndpointState::kRateLimited:
      return "rate-limited";
    case EndpointState::kMisconfigured:
      return "misconfigured";
    case EndpointState::kFailing:
      return "failing";
    case EndpointState::kOpen:
      return "open";
    case EndpointState::kRecovering:
      return "recovering";
    case EndpointState::kDisabled:
      return "disabled";
  }
  return "unknown";
}

std::string_view NameOf(ModelTier tier) {
  switch (tier) {
    case ModelTier::kNone:
      return "none";
    case ModelTier::kSmall:
      return "small";
    case ModelTier::kMedium:
      return "medium";
    case ModelTier::kLarge:
      return "large";
  }
  return "none";
}

}  // namespace switchyard::router

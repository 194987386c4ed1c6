#include "services/router/decision.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/router/snapshot.h"

namespace switchyard::router {

std::string_view NameOf(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "";
    case Cause::kNoModel:
      return "it needs no model";
    case Cause::kPinned:
      return "pinned";
    case Cause::kEscalated:
      return "escalated";
    case Cause::kKept:
      return "keeps its model";
    case Cause::kComplexity:
      return "its complexity is given";
    case Cause::kTaskType:
      return "by its type";
    case Cause::kRole:
      return "by its role";
    case Cause::kRoutine:
      return "routine";
    case Cause::kInferred:
      return "inferred from the text";
    case Cause::kUnknown:
      return "nothing is known of it";
    case Cause::kSnapshot:
      return "the router was away";
  }
  return "";
}

std::string_view NameOf(HoldCode code) {
  switch (code) {
    case HoldCode::kNoModel:
      return "NO_MODEL";
    case HoldCode::kEndpointsClosed:
      return "ENDPOINTS_CLOSED";
    case HoldCode::kNoCapacity:
      return "NO_CAPACITY";
    case HoldCode::kNoAgentReaches:
      return "NO_AGENT_REACHES";
    case HoldCode::kPinUnavailable:
      return "PIN_UNAVAILABLE";
    case HoldCode::kLocalOnly:
      return "LOCAL_ONLY";
    case HoldCode::kBudgetSpent:
      return "BUDGET_SPENT";
    case HoldCode::kPriceUnknown:
      return "PRICE_UNKNOWN";
    case HoldCode::kTooLarge:
      return "TOO_LARGE";
    case HoldCode::kModelsTried:
      return "MODELS_TRIED";
    case HoldCode::kRoleUnknown:
      return "ROLE_UNKNOWN";
    case HoldCode::kTaskGone:
      return "TASK_GONE";
    case HoldCode::kUnread:
      return "UNREAD";
    case HoldCode::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::string ReasonOf(const Decision& decision) {
  std::string reason(NameOf(decision.cause));
  if (decision.tier != ModelTier::kNone) absl::StrAppend(&reason, ": ", ToAbsl(NameOf(decision.tier)), " or stronger");
  if (decision.local_only) absl::StrAppend(&reason, ", local only");
  if (const Choice* const best = decision.best()) {
    const Slot& slot = *best->slot;
    absl::StrAppend(&reason, "; ", slot.placed->model, " at ", slot.endpoint->name, " (",
                    slot.local() ? "local" : "cloud", slot.placed->warmth == Warmth::kWarm ? ", loaded)" : ")");
  }
  const char* before = "; ";
  for (const Signal& signal : decision.signals) {
    absl::StrAppend(&reason, before, ToAbsl(signal.name));
    if (!signal.detail.empty()) absl::StrAppend(&reason, " ", signal.detail);
    before = ", ";
  }
  return reason;
}

}  // namespace switchyard::router

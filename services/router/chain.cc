#include "services/router/chain.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::router {
namespace {

constexpr std::size_t kMostReason = 100;

bool IsReason(std::string_view text) {
  return !text.empty() && text.size() <= kMostReason && absl::ascii_isupper(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return absl::ascii_isupper(byte) || absl::ascii_isdigit(byte) || c == '_';
         });
}

std::string_view ReasonOf(EndpointOutcome outcome) {
  switch (outcome) {
    case EndpointOutcome::kNoProgress:
      return "NO_PROGRESS";
    case EndpointOutcome::kRateLimited:
      return "RATE_LIMITED";
    case EndpointOutcome::kBusy:
      return "ENDPOINT_BUSY";
    case EndpointOutcome::kRefused:
      return "CREDENTIALS_REFUSED";
    case EndpointOutcome::kLoading:
      return "MODEL_LOADING";
    default:
      return "ENDPOINT_FAILED";
  }
}

GrantRefusal Refuse(std::string message) {
  return {.code = GrantRefusal::Code::kRefused, .message = std::move(message), .hold = {}};
}

}  // namespace

GrantResult NextInChain(const TaskFacts& facts, const HeldRoute& held, EndpointOutcome outcome, std::string_view reason,
                        DecideContext context) {
  const bool pinned = facts.pin.set() && !facts.pin.allow_fallback;
  const bool larger = reason == "CONTEXT_EXCEEDED";
  const bool absent = reason == "MODEL_NOT_FOUND";
  switch (outcome) {
    case EndpointOutcome::kSuccess:
      return Refuse("the request succeeded");
    case EndpointOutcome::kUnknown:
    case EndpointOutcome::kNeutral:
      if (!larger && !absent) return Refuse("nothing is wrong with the endpoint: another one would say the same");
      break;
    case EndpointOutcome::kRefused:
      if (pinned) return Refuse(absl::StrCat(held.endpoint, " refuses its credentials, and the task pins it"));
      break;
    default:
      break;
  }
  if (pinned && !facts.pin.endpoint.empty()) return Refuse(absl::StrCat("the task pins ", facts.pin.endpoint));
  if (held.grants >= context.snapshot.rules().fallbacks) {
    return GrantRefusal{.code = GrantRefusal::Code::kExhausted,
                        .message = absl::StrCat("another endpoint was granted ", held.grants, " times"),
                        .hold = {}};
  }

  std::vector<Exclusion> excluded = held.left;
  const Slot* const from = context.snapshot.FindSlot(held.endpoint, held.model);
  if (larger) {
    // The endpoint is well; its other models may do.
    excluded.push_back({.endpoint = held.endpoint, .model = held.model});
    if (from != nullptr && from->window > 0) {
      for (const Slot& slot : context.snapshot.slots()) {
        if (slot.window <= from->window) {
          excluded.push_back({.endpoint = slot.endpoint->name, .model = slot.placed->model});
        }
      }
    }
  } else if (absent) {
    excluded.push_back({.endpoint = held.endpoint, .model = held.model});
  } else {
    excluded.push_back({.endpoint = held.endpoint, .model = ""});
  }
  TaskFacts asked = facts;
  asked.local_only = facts.local_only || held.local_only;
  context.one_agent = true;
  context.excluded = excluded;
  DecideResult result = Decide(asked, context);
  if (Hold* const hold = std::get_if<Hold>(&result)) {
    if (pinned) return Refuse(absl::StrCat("the task pins ", facts.pin.model, ": ", hold->message));
    GrantRefusal refusal{.code = GrantRefusal::Code::kExhausted, .message = hold->message, .hold = {}};
    refusal.hold = std::move(*hold);
    return refusal;
  }
  Decision& decision = std::get<Decision>(result);
  if (decision.candidates.empty()) return Refuse("the task needs no model");
  return Grant{.decision = std::move(decision),
               .fallback_reason = std::string(IsReason(reason) ? reason : ReasonOf(outcome))};
}

}  // namespace switchyard::router

// What routing comes to: a decision, or a hold. The numbers of the enums are the contract's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "services/router/catalogue.h"

namespace switchyard::router {

struct Slot;

enum class Strategy { kNone = 0, kLocalExec = 1, kLocalLlm = 2, kCloudLlm = 3, kExternal = 4 };
enum class Cause {
  kNone = 0,
  kNoModel = 1,
  kPinned = 2,
  kEscalated = 3,
  kKept = 4,
  kComplexity = 5,
  kTaskType = 6,
  kRole = 7,
  kRoutine = 8,
  kInferred = 9,
  kUnknown = 10,
  kSnapshot = 11,
};
enum class HoldCode {
  kNoModel = 1,
  kEndpointsClosed = 2,
  kNoCapacity = 3,
  kNoAgentReaches = 4,
  kPinUnavailable = 5,
  kLocalOnly = 6,
  kBudgetSpent = 7,
  kPriceUnknown = 8,
  kTooLarge = 9,
  kModelsTried = 10,
  kRoleUnknown = 11,
  kTaskGone = 12,
  kUnread = 13,
  kError = 14,
};

// "verification failed" and the like: for messages.
std::string_view NameOf(Cause cause);
// "NO_MODEL": for labels of metrics.
std::string_view NameOf(HoldCode code);

// One thing that spoke for a tier.
struct Signal {
  // A literal: MODEL_PIN, ENDPOINT_PIN, VERIFICATION_FAILED, TRIED_TWICE, KEPT_MODEL, COMPLEXITY, TASK_TYPE,
  // ROLE_PROFILE, ROLE_DEPRECATED, ROUTINE, LOCAL_ONLY, WORD, LENGTH, EFFECTS, NOTHING_KNOWN, STRONGEST_ALLOWED,
  // STRONGEST_TRIED, ROLE_TOO_WEAK, BUDGET_LOCAL_ONLY, MODEL_DEPRECATED, MISCONFIGURED (what would have been the first
  // choice).
  std::string_view name;
  std::string detail;
  // The least that it asks for; kNone: it says nothing about tiers.
  ModelTier tier = ModelTier::kNone;
};

struct Hold {
  HoldCode code = HoldCode::kError;
  std::string message;
  // When to ask again.
  absl::Time retry_time = absl::InfiniteFuture();
  // Waiting does not help: a person has to change the task, a budget or the endpoints.
  bool permanent = false;
};

// Upper estimate and what is expected, for one candidate.
struct Estimate {
  std::int64_t input = 0;
  std::int64_t input_upper = 0;
  // Also what the request asks for at most.
  std::int64_t output_upper = 0;
  // In millionths of a US dollar; absent: the price is unknown.
  std::optional<std::int64_t> cost;
  std::optional<std::int64_t> cost_upper;

  friend bool operator==(const Estimate&, const Estimate&) = default;
};

struct Choice {
  // Of the snapshot that it was decided by, and gone with it.
  const Slot* slot = nullptr;
  // 0 to 1.
  double score = 0;
  Estimate estimate;
  // A literal for Routing.fallback_reason, where it is not what was asked for first: PIN_UNAVAILABLE,
  // KEPT_MODEL_UNAVAILABLE, MISCONFIGURED.
  std::string_view fallback_reason = {};
};

// So many go into a decision: the best may be taken when it comes to reserving. How many an attempt may go on to
// afterwards is another matter (RouterRules::fallbacks).
inline constexpr std::size_t kMostCandidates = 8;

// Valid as long as the snapshot that it was decided by.
struct Decision {
  Strategy strategy = Strategy::kNone;
  ModelTier tier = ModelTier::kNone;
  Cause cause = Cause::kNone;
  absl::InlinedVector<Signal, 4> signals;
  // Best first; empty with kLocalExec and kExternal.
  absl::InlinedVector<Choice, 4> candidates;
  // Data stays on local endpoints, in fallbacks too.
  bool local_only = false;
  // Null without one.
  const Role* role = nullptr;

  const Choice* best() const { return candidates.empty() ? nullptr : &candidates.front(); }
};

// One line for people that says why.
std::string ReasonOf(const Decision& decision);

}  // namespace switchyard::router

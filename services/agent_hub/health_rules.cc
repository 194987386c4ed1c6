#include "services/agent_hub/health_rules.h"

#include <algorithm>
#include <string>

namespace switchyard::agent_hub {
namespace {

// Beyond this the wait has long reached its maximum.
constexpr int kMaxDoublings = 40;

}  // namespace

void Violate(const HubRules& rules, std::string_view violation, absl::Time now, Penalty& penalty) {
  if (penalty.last_time.has_value() && now - *penalty.last_time >= rules.penalty_forget) penalty.violations = 0;
  ++penalty.violations;
  absl::Duration wait = rules.penalty_first;
  for (int i = 1; i < std::min(penalty.violations, kMaxDoublings) && wait < rules.penalty_max; ++i) wait *= 2;
  penalty.last_violation = std::string(violation);
  penalty.last_time = now;
  penalty.until = now + std::min(wait, rules.penalty_max);
}

absl::Duration PenaltyLeft(const Penalty& penalty, absl::Time now) {
  if (!penalty.until.has_value()) return absl::ZeroDuration();
  return std::max(*penalty.until - now, absl::ZeroDuration());
}

bool CountFailure(const HubRules& rules, std::string_view failure, absl::Time now, Breaker& breaker) {
  ++breaker.failures_in_row;
  breaker.last_failure = std::string(failure);
  if (breaker.failures_in_row < rules.breaker_failures || IsOpen(breaker, now)) return false;
  breaker.open_time = now;
  breaker.open_until = now + rules.breaker_open;
  return true;
}

bool CountSuccess(Breaker& breaker) {
  if (breaker.failures_in_row == 0) return false;
  breaker.failures_in_row = 0;
  return true;
}

bool IsOpen(const Breaker& breaker, absl::Time now) {
  return breaker.open_until.has_value() && now < *breaker.open_until;
}

bool CloseIfOver(absl::Time now, Breaker& breaker) {
  if (!breaker.open_until.has_value() || now < *breaker.open_until) return false;
  breaker.open_until.reset();
  breaker.open_time.reset();
  breaker.failures_in_row = 0;
  return true;
}

}  // namespace switchyard::agent_hub

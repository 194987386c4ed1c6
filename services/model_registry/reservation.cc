#include "services/model_registry/reservation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace switchyard::model_registry {
namespace {

// The youngest of the background: least is lost.
std::optional<Reservation> Victim(const Reservation& wanted, bool by_model, const std::vector<Reservation>& held) {
  const Reservation* victim = nullptr;
  for (const Reservation& other : held) {
    if (other.urgent || (by_model && other.model != wanted.model)) continue;
    if (victim == nullptr || other.create_time > victim->create_time) victim = &other;
  }
  return victim == nullptr ? std::nullopt : std::optional(*victim);
}

}  // namespace

std::optional<Refusal> Refuse(const Reservation& wanted, const ReserveLimits& limits,
                              const std::vector<Reservation>& held) {
  int all = 0;
  int background = 0;
  int of_model = 0;
  for (const Reservation& other : held) {
    ++all;
    background += other.urgent ? 0 : 1;
    of_model += other.model == wanted.model ? 1 : 0;
  }
  Refusal refusal{.reason = RefusalReason::kNoCapacity, .message = "", .retry_time = {}, .preempt = {}};
  if (all >= limits.capacity) {
    refusal.message = absl::StrCat(all, " of ", limits.capacity, " are held");
    if (wanted.urgent && limits.capacity > 0) refusal.preempt = Victim(wanted, false, held);
    return refusal;
  }
  if (of_model >= limits.model_capacity) {
    refusal.message = absl::StrCat(of_model, " of ", limits.model_capacity, " are held for this model");
    if (wanted.urgent && limits.model_capacity > 0) refusal.preempt = Victim(wanted, true, held);
    return refusal;
  }
  if (!wanted.urgent && background >= limits.capacity - limits.urgent_slots) {
    refusal.message = absl::StrCat("the other ", limits.urgent_slots, " are kept for urgent work");
    return refusal;
  }
  return std::nullopt;
}

}  // namespace switchyard::model_registry

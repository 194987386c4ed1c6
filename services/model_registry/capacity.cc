#include "services/model_registry/capacity.h"

namespace switchyard::model_registry {

void Capacity::SetServed(int slots) {
  if (slots <= 0 || bounds_.fixed > 0) return;
  learnt_ = std::clamp(slots, 1, bounds_.most);
}

void Capacity::Success(int in_flight, absl::Duration queue_wait, absl::Duration total, absl::Time now) {
  if (bounds_.fixed > 0) return;
  if (in_flight > 1 && queue_wait >= kWait && queue_wait * 4 >= total) return Lower(in_flight - 1, now);
  if (in_flight < learnt_) return;
  if (++good_at_limit_ < kRaiseAfter || learnt_ >= bounds_.most || now < not_before_) return;
  ++learnt_;
  good_at_limit_ = 0;
}

void Capacity::Full(int in_flight, absl::Time now) {
  if (bounds_.fixed == 0) Lower(in_flight - 1, now);
}

void Capacity::Lower(int to, absl::Time now) {
  good_at_limit_ = 0;
  // Those that were under way together tell one story.
  if (now - lowered_ < kOneStory) return;
  const int lower = std::max(1, std::min(to, learnt_ - 1));
  if (lower >= learnt_) return;
  learnt_ = lower;
  lowered_ = now;
  not_before_ = now + hold_off_;
  hold_off_ = std::min(hold_off_ * 2, kMaxHoldOff);
}

}  // namespace switchyard::model_registry

#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace switchyard::agent_hub {

// A bucket that holds `burst` and refills at `rate` a second.
class FloodMeter {
 public:
  FloodMeter(double rate, double burst, absl::Time now) : rate_(rate), burst_(burst), level_(burst), at_(now) {}

  // False once more was taken than the bucket held.
  bool Take(double amount, absl::Time now) {
    level_ = std::min(burst_, level_ + rate_ * absl::ToDoubleSeconds(std::max(now - at_, absl::ZeroDuration())));
    at_ = std::max(at_, now);
    level_ -= amount;
    return level_ >= 0;
  }

  // Nothing was taken for long.
  bool full(absl::Time now) const { return level_ + rate_ * absl::ToDoubleSeconds(now - at_) >= burst_; }

 private:
  double rate_;
  double burst_;
  double level_;
  absl::Time at_;
};

}  // namespace switchyard::agent_hub

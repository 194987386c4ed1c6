#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace switchyard::bench {

// Counts durations with an error below 1.6 %, from a microsecond to days, without a lock or an allocation.
// Thread-safe; Reset and quantiles want a moment without observations to be exact.
class LatencyHistogram {
 public:
  void Observe(absl::Duration latency);
  void Reset();
  std::uint64_t count() const;
  // 0 when nothing was observed.
  double QuantileMillis(double quantile) const;

 private:
  static constexpr int kBuckets = 64 * 36;
  std::array<std::atomic<std::uint32_t>, kBuckets> counts_{};
};

}  // namespace switchyard::bench

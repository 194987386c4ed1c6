#include "tools/benchmarks/latency_histogram.h"

#include <algorithm>
#include <bit>

namespace switchyard::bench {
namespace {

// Up to 63 µs a bucket is a microsecond wide; from there on each power of two has 64 of them.
std::size_t BucketOf(std::uint64_t micros) {
  if (micros < 64) return micros;
  const int shift = std::bit_width(micros) - 7;
  return 64 + static_cast<std::size_t>(shift) * 64 + ((micros >> shift) - 64);
}

double MicrosOf(std::size_t bucket) {
  if (bucket < 64) return static_cast<double>(bucket) + 0.5;
  const int shift = static_cast<int>(bucket / 64) - 1;
  return (static_cast<double>(64 + bucket % 64) + 0.5) * static_cast<double>(std::uint64_t{1} << shift);
}

}  // namespace

void LatencyHistogram::Observe(absl::Duration latency) {
  const std::int64_t micros = std::max<std::int64_t>(0, absl::ToInt64Microseconds(latency));
  const std::size_t bucket = std::min<std::size_t>(BucketOf(static_cast<std::uint64_t>(micros)), kBuckets - 1);
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
}

void LatencyHistogram::Reset() {
  for (auto& count : counts_) count.store(0, std::memory_order_relaxed);
}

std::uint64_t LatencyHistogram::count() const {
  std::uint64_t total = 0;
  for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
  return total;
}

double LatencyHistogram::QuantileMillis(double quantile) const {
  const std::uint64_t total = count();
  if (total == 0) return 0;
  const double wanted = quantile * static_cast<double>(total);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i].load(std::memory_order_relaxed);
    if (static_cast<double>(seen) >= wanted && seen > 0) return MicrosOf(i) / 1000;
  }
  return MicrosOf(kBuckets - 1) / 1000;
}

}  // namespace switchyard::bench

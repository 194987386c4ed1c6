#pragma once

#include <cstdint>
#include <deque>

#include "absl/time/time.h"

namespace switchyard::model_registry {

struct TimeoutRules {
  absl::Duration connect = absl::Seconds(5);
  absl::Duration load = absl::Seconds(180);
  absl::Duration first_token = absl::Seconds(180);
  absl::Duration between_tokens = absl::Seconds(30);
  absl::Duration least = absl::Seconds(10);
  absl::Duration most = absl::Minutes(10);
};

struct Timeouts {
  absl::Duration connect;
  absl::Duration load;
  absl::Duration first_token;
  absl::Duration between_tokens;

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

// Zero where nothing was measured.
struct Quantiles {
  int count = 0;
  absl::Duration p50;
  absl::Duration p95;

  friend bool operator==(const Quantiles&, const Quantiles&) = default;
};

struct LatencySummary {
  int requests = 0;
  Quantiles load;
  Quantiles first_token;
  Quantiles total;
  double tokens_per_second = 0;

  friend bool operator==(const LatencySummary&, const LatencySummary&) = default;
};

// What the last requests of one model at one endpoint took. Not thread-safe.
class LatencyHistory {
 public:
  // Zero where unknown. A load below a second is none: Ollama reports one for warm models too.
  void Add(absl::Duration load, absl::Duration first_token, absl::Duration total, std::int64_t output_tokens);
  LatencySummary Summary() const;
  // Three times the 95th percentile once enough was measured, within the bounds; else as the rules say.
  Timeouts TimeoutsBy(const TimeoutRules& rules) const;

 private:
  static constexpr std::size_t kKept = 64;
  static constexpr int kEnough = 5;

  static Quantiles Of(const std::deque<absl::Duration>& values);

  int requests_ = 0;
  std::deque<absl::Duration> loads_;
  std::deque<absl::Duration> first_tokens_;
  std::deque<absl::Duration> totals_;
  double tokens_per_second_ = 0;
};

}  // namespace switchyard::model_registry

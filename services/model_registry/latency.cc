#include "services/model_registry/latency.h"

#include <algorithm>
#include <vector>

namespace switchyard::model_registry {
namespace {

constexpr absl::Duration kLeastLoad = absl::Seconds(1);

}  // namespace

void LatencyHistory::Add(absl::Duration load, absl::Duration first_token, absl::Duration total,
                         std::int64_t output_tokens) {
  const auto keep = [](std::deque<absl::Duration>& values, absl::Duration value) {
    values.push_back(value);
    if (values.size() > kKept) values.pop_front();
  };
  ++requests_;
  if (load >= kLeastLoad) keep(loads_, load);
  if (first_token > absl::ZeroDuration()) {
    keep(first_tokens_, load >= kLeastLoad ? std::max(first_token - load, absl::ZeroDuration()) : first_token);
  }
  if (total <= absl::ZeroDuration()) return;
  keep(totals_, total);
  const absl::Duration speaking = total - std::max(first_token, load);
  if (output_tokens < 2 || speaking <= absl::ZeroDuration()) return;
  const double rate = static_cast<double>(output_tokens) / absl::ToDoubleSeconds(speaking);
  tokens_per_second_ = tokens_per_second_ == 0 ? rate : tokens_per_second_ * 0.8 + rate * 0.2;
}

Quantiles LatencyHistory::Of(const std::deque<absl::Duration>& values) {
  if (values.empty()) return {};
  std::vector<absl::Duration> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) { return sorted[static_cast<std::size_t>(share * (sorted.size() - 1) + 0.5)]; };
  return {static_cast<int>(sorted.size()), at(0.5), at(0.95)};
}

LatencySummary LatencyHistory::Summary() const {
  return {requests_, Of(loads_), Of(first_tokens_), Of(totals_), tokens_per_second_};
}

Timeouts LatencyHistory::TimeoutsBy(const TimeoutRules& rules) const {
  const auto adapt = [&](const std::deque<absl::Duration>& values, absl::Duration otherwise) {
    const Quantiles quantiles = Of(values);
    if (quantiles.count < kEnough) return otherwise;
    return std::clamp(quantiles.p95 * 3, rules.least, std::max(rules.least, rules.most));
  };
  return {rules.connect, adapt(loads_, rules.load), adapt(first_tokens_, rules.first_token), rules.between_tokens};
}

}  // namespace switchyard::model_registry

#include "services/router/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"

namespace switchyard::router {
namespace {

// Beyond these it is nonsense, and five products of them fit into 64 bits.
constexpr std::int64_t kMaxTokens = 1'000'000'000;
constexpr std::int64_t kMaxRate = 1'000'000'000;
// A request may be off from the 97th percentile of 128 by a little.
constexpr double kMargin = 1.05;
constexpr double kNonsense = 8;

std::int64_t Scaled(std::int64_t tokens, double factor) {
  const double value = std::ceil(static_cast<double>(tokens) * factor);
  return value >= static_cast<double>(kMaxTokens) ? kMaxTokens : static_cast<std::int64_t>(value);
}

}  // namespace

TokenUse UseOf(std::int64_t input, std::int64_t output, std::int64_t cached_input, std::int64_t cache_write) {
  const auto sane = [](std::int64_t tokens) { return std::clamp<std::int64_t>(tokens, 0, kMaxTokens); };
  TokenUse use;
  use.cache_read = sane(cached_input);
  use.cache_write_5m = sane(cache_write);
  use.input = std::max<std::int64_t>(sane(input) - use.cache_read - use.cache_write_5m, 0);
  use.output = sane(output);
  return use;
}

std::optional<std::int64_t> CostOf(const Price& price, const TokenUse& use) {
  if (price.free) return 0;
  const auto sane = [](std::int64_t tokens) { return std::clamp<std::int64_t>(tokens, 0, kMaxTokens); };
  const std::int64_t prompt =
      sane(use.input) + sane(use.cache_read) + sane(use.cache_write_5m) + sane(use.cache_write_1h);
  const Rates* rates = &price.rates;
  for (const PriceStep& step : price.steps) {
    if (prompt > step.above_input_tokens) rates = &step.rates;
  }
  if (!rates->input.has_value() || !rates->output.has_value()) return std::nullopt;
  const std::pair<std::int64_t, const std::optional<std::int64_t>*> parts[] = {
      {use.input, &rates->input},
      {use.output, &rates->output},
      {use.cache_read, &rates->cache_read},
      {use.cache_write_5m, &rates->cache_write_5m},
      {use.cache_write_1h, &rates->cache_write_1h}};
  std::int64_t sum = 0;
  for (const auto& [tokens, rate] : parts) {
    if (tokens <= 0) continue;
    if (!rate->has_value()) return std::nullopt;
    sum += sane(tokens) * std::clamp<std::int64_t>(**rate, 0, kMaxRate);
  }
  return (sum + 999'999) / 1'000'000;
}

Settlement SettlementOf(const Price& price, const TokenUse& use, std::int64_t reserved_micros) {
  const std::optional<std::int64_t> cost = CostOf(price, use);
  if (cost.has_value()) return {.micros = *cost, .exact = true};
  return {.micros = reserved_micros, .exact = false};
}

Price PriceOf(const Endpoint& endpoint, const PlacedModel& placed, const ModelRow* row) {
  Price price;
  if (row != nullptr) price = row->price;
  if ((endpoint.free && !placed.remote) || placed.free) price = Price{.free = true, .rates = {}, .steps = {}};
  return price;
}

text::TokenEstimate Adjust(const text::TokenEstimate& scanned, const TokenRatio& ratio) {
  if (ratio == TokenRatio()) return scanned;
  text::TokenEstimate out;
  out.expected = Scaled(scanned.expected, ratio.expected);
  out.upper = ratio.upper > 0 ? Scaled(scanned.expected, ratio.upper * kMargin)
                              : Scaled(scanned.upper, std::max(1.0, ratio.expected));
  out.upper = std::max(out.upper, out.expected);
  return out;
}

Estimate EstimateOf(const Price& price, const text::TokenEstimate& prompt, std::int64_t output) {
  Estimate estimate{
      .input = prompt.expected, .input_upper = prompt.upper, .output_upper = output, .cost = {}, .cost_upper = {}};
  estimate.cost = CostOf(price, {.input = prompt.expected, .output = (output + 3) / 4});
  estimate.cost_upper = CostOf(price, {.input = prompt.upper, .output = output});
  return estimate;
}

void TokenRatios::Observe(std::string_view model, std::int64_t estimated, std::int64_t reported) {
  if (estimated <= 0 || reported <= 0) return;
  const double ratio = static_cast<double>(reported) / static_cast<double>(estimated);
  if (ratio > kNonsense || ratio < 1 / kNonsense) return;
  const std::string key = absl::AsciiStrToLower(ToAbsl(model));
  auto found = models_.find(key);
  if (found == models_.end()) {
    if (key.empty() || models_.size() >= kMostModels) return;
    found = models_.try_emplace(key).first;
  }
  History& history = found->second;
  history.recent[static_cast<std::size_t>(history.seen % kKept)] = static_cast<float>(ratio);
  // A plain mean at first, then one that forgets.
  const double weight = std::max(0.05, 1.0 / (history.seen + 1));
  history.mean += weight * (ratio - history.mean);
  // Stays below overflow and keeps its place in the ring.
  history.seen = history.seen + 1 >= 4 * kKept ? 3 * kKept : history.seen + 1;
}

TokenRatio TokenRatios::Of(const History& history) {
  if (history.seen < kEnough) return {};
  const int count = std::min(history.seen, kKept);
  std::array<float, kKept> values = history.recent;
  const int at = std::min(count - 1, static_cast<int>(0.97 * count));
  std::nth_element(values.begin(), values.begin() + at, values.begin() + count);
  return {.expected = history.mean, .upper = std::max<double>(values[static_cast<std::size_t>(at)], history.mean)};
}

TokenRatio TokenRatios::Find(std::string_view model) const {
  const auto found = models_.find(absl::AsciiStrToLower(ToAbsl(model)));
  return found == models_.end() ? TokenRatio() : Of(found->second);
}

StringMap<TokenRatio> TokenRatios::All() const {
  StringMap<TokenRatio> all;
  for (const auto& [model, history] : models_) {
    if (history.seen >= kEnough) all.try_emplace(model, Of(history));
  }
  return all;
}

}  // namespace switchyard::router

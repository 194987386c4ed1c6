#include "services/executor/models/route.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace switchyard::executor::models {
namespace {

// Beyond this a count is nonsense, and products would not fit.
constexpr std::int64_t kMostTokens = 1'000'000'000;

// "-20250929", "-2024-08-06", "@20250929".
bool IsDate(std::string_view text) {
  if (text.empty() || (text.front() != '-' && text.front() != '@')) return false;
  int digits = 0;
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (c != '-') {
      return false;
    }
  }
  return digits == 8;
}

bool EndsAtSegment(std::string_view longer, std::string_view shorter) {
  return longer.size() > shorter.size() && absl::EndsWithIgnoreCase(ToAbsl(longer), ToAbsl(shorter)) &&
         longer[longer.size() - shorter.size() - 1] == '/';
}

bool NamesSame(Protocol protocol, std::string_view assigned, std::string_view reported) {
  if (assigned.empty()) return false;
  if (SameModel(protocol, assigned, reported)) return true;
  if (EndsAtSegment(assigned, reported) || EndsAtSegment(reported, assigned)) return true;
  return absl::StartsWithIgnoreCase(ToAbsl(reported), ToAbsl(assigned)) && IsDate(reported.substr(assigned.size()));
}

}  // namespace

std::optional<std::int64_t> CostOf(const Pricing& pricing, const TokenUsage& usage) {
  if (pricing.free) return 0;
  if (!usage.input.has_value() || !usage.output.has_value()) return std::nullopt;
  const TokenRates* rates = &pricing.rates;
  for (const RateStep& step : pricing.steps) {
    if (*usage.input > step.above_input_tokens) rates = &step.rates;
  }
  if (!rates->input.has_value() || !rates->output.has_value()) return std::nullopt;
  const std::int64_t cached = usage.cached_input + usage.cache_write_5m + usage.cache_write_1h;
  const std::pair<std::int64_t, const std::optional<std::int64_t>*> parts[] = {
      {std::max<std::int64_t>(*usage.input - cached, 0), &rates->input},
      {*usage.output, &rates->output},
      {usage.cached_input, &rates->cache_read},
      {usage.cache_write_5m, &rates->cache_write_5m},
      {usage.cache_write_1h, &rates->cache_write_1h}};
  std::int64_t sum = 0;
  for (const auto& [tokens, rate] : parts) {
    if (tokens <= 0) continue;
    if (!rate->has_value()) return std::nullopt;
    sum += std::min(tokens, kMostTokens) * std::clamp<std::int64_t>(**rate, 0, kMostTokens);
  }
  return (sum + 999'999) / 1'000'000;
}

bool IsAssignedModel(const Route& route, std::string_view reported) {
  if (reported.empty()) return true;
  if (NamesSame(route.protocol, route.model, reported)) return true;
  if (NamesSame(route.protocol, route.canonical_model, reported)) return true;
  return std::any_of(route.aliases.begin(), route.aliases.end(),
                     [&](const std::string& alias) { return NamesSame(route.protocol, alias, reported); });
}

}  // namespace switchyard::executor::models

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/strings.h"
#include "libs/text/token_estimate.h"
#include "services/router/catalogue.h"
#include "services/router/decision.h"

namespace switchyard::router {

// How many tokens of each kind a request used.
struct TokenUse {
  // Without those read from or written to a cache.
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
};

// Of what an executor reports: there `input` counts those of the cache too.
TokenUse UseOf(std::int64_t input, std::int64_t output, std::int64_t cached_input, std::int64_t cache_write);

// In millionths of a dollar, rounded up. Nothing when a rate that it takes is unknown. Never negative, never overflows.
std::optional<std::int64_t> CostOf(const Price& price, const TokenUse& use);

// What a request is settled on. `exact` is false when the price is not known: then the amount is what was reserved.
struct Settlement {
  std::int64_t micros = 0;
  bool exact = true;
};
Settlement SettlementOf(const Price& price, const TokenUse& use, std::int64_t reserved_micros);

// The price of one placed model: free when its endpoint, the place or its row is explicitly so; of what an endpoint
// passes on to others, its own word does not count.
Price PriceOf(const Endpoint& endpoint, const PlacedModel& placed, const ModelRow* row);

// Applies what was learnt of a model: `ratio` on what the scan of the text said.
text::TokenEstimate Adjust(const text::TokenEstimate& scanned, const TokenRatio& ratio);

// `prompt` is adjusted already; `output` is what the request asks for at most. A quarter of that is what is expected.
Estimate EstimateOf(const Price& price, const text::TokenEstimate& prompt, std::int64_t output);

// Learns by model what its tokenizer makes of our estimates, from reported usage. Not thread-safe.
class TokenRatios {
 public:
  // `estimated` is the expected count before any ratio; `reported` is all input, the cache's too. Nonsense (not above
  // zero, or off by more than the factor 8: a template or an image that the estimate never saw) is passed over.
  void Observe(std::string_view model, std::int64_t estimated, std::int64_t reported);
  // As learnt so far; the neutral one for models that were not seen.
  TokenRatio Find(std::string_view model) const;
  // By model in lower case, for Catalogue::ratios.
  StringMap<TokenRatio> All() const;
  std::size_t size() const { return models_.size(); }

 private:
  static constexpr int kKept = 128;
  static constexpr int kEnough = 20;
  // Names come from outside: beyond that many, new ones are not learnt.
  static constexpr std::size_t kMostModels = 2'000;

  struct History {
    double mean = 1;
    int seen = 0;
    std::array<float, kKept> recent{};
  };
  static TokenRatio Of(const History& history);

  StringMap<History> models_;
};

}  // namespace switchyard::router

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/model_registry/endpoint.h"

namespace switchyard::model_registry {

// Only the order has a meaning; the numbers are the contract's. 0: not said.
enum class ModelTier { kNone = 0, kSmall = 1, kMedium = 2, kLarge = 3 };

// In millionths of a US dollar per million tokens. Absent means unknown, never free.
struct Rates {
  std::optional<std::int64_t> input;
  std::optional<std::int64_t> output;
  std::optional<std::int64_t> cache_read;
  std::optional<std::int64_t> cache_write_5m;
  std::optional<std::int64_t> cache_write_1h;

  friend bool operator==(const Rates&, const Rates&) = default;
};

// Holds for the whole prompt once it has more input tokens than this.
struct PriceStep {
  std::int64_t above_input_tokens = 0;
  Rates rates;

  friend bool operator==(const PriceStep&, const PriceStep&) = default;
};

struct ModelInfo {
  std::string model;
  std::vector<std::string> aliases;
  std::string provider;
  ModelTier tier = ModelTier::kNone;
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
  bool free = false;
  Rates rates;
  std::vector<PriceStep> steps;
  std::vector<std::string> capabilities;
  std::string effective_from;
  std::string source;
  Origin origin = Origin::kFile;
  std::string deprecated;
  // By a person, everywhere; filled by the registry.
  bool disabled = false;

  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

// What is wrong with one entry, each field under `prefix`.
std::vector<FieldViolation> FaultsOf(const ModelInfo& model, std::string_view prefix);

// How many tokens of each kind a request used.
struct TokenUse {
  // Without those read from or written to a cache.
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
};

// In millionths of a dollar, rounded up. Nothing when a rate that it takes is unknown.
std::optional<std::int64_t> CostOf(const ModelInfo& model, const TokenUse& use);

// The price and context table. Immutable.
class ModelTable {
 public:
  ModelTable() = default;
  // Entries of `over` stand before those of `base` with the same name. INVALID_FIELD when a name or alias is given
  // twice among those of one origin; an alias of `over` wins over one of `base`.
  static absl::StatusOr<ModelTable> Make(std::vector<ModelInfo> base, std::vector<ModelInfo> over);

  // By name or alias, whatever the case; also without ":latest". Null when it is not there.
  const ModelInfo* Find(std::string_view name) const;
  // The name or alias that was likely meant; "" when none is near.
  std::string Suggest(std::string_view name) const;
  // By name.
  const std::vector<ModelInfo>& models() const { return models_; }
  // Changes with any entry: names what a decision was made by.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  std::vector<ModelInfo> models_;
  StringMap<std::size_t> by_name_;
  std::string fingerprint_;
};

}  // namespace switchyard::model_registry

// What the model registry tells of endpoints, models and roles, as far as routing goes by it. The numbers of all enums
// are those of the contracts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"
#include "libs/base/strings.h"

namespace switchyard::router {

using EndpointId = Id<struct EndpointIdTag>;

enum class EndpointKind { kOllama = 1, kOpenAi = 2, kAnthropic = 3 };
enum class EndpointState {
  kUnknown = 1,
  kHealthy = 2,
  kLoading = 3,
  kBusy = 4,
  kRateLimited = 5,
  kMisconfigured = 6,
  kFailing = 7,
  kOpen = 8,
  kRecovering = 9,
  kDisabled = 10,
};
enum class Warmth { kAbsent = 1, kCold = 2, kLoading = 3, kWarm = 4 };
// Only the order has a meaning.
enum class ModelTier { kNone = 0, kSmall = 1, kMedium = 2, kLarge = 3 };

// "rate-limited", "large": for messages.
std::string_view NameOf(EndpointState state);
std::string_view NameOf(ModelTier tier);

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

struct Price {
  bool free = false;
  Rates rates;
  // By rising threshold.
  std::vector<PriceStep> steps;

  // Whether a request of input and output can be priced at all.
  bool known() const { return free || (rates.input.has_value() && rates.output.has_value()); }
  friend bool operator==(const Price&, const Price&) = default;
};

struct Timeouts {
  absl::Duration connect;
  absl::Duration load;
  absl::Duration first_token;
  absl::Duration between_tokens;

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

// A model at an endpoint.
struct PlacedModel {
  // As the endpoint calls it.
  std::string model;
  Warmth warmth = Warmth::kAbsent;
  bool disabled = false;
  // 0: unknown.
  std::int64_t context_window = 0;
  // As the endpoint lists them; empty: it does not say.
  std::vector<std::string> capabilities;
  int in_flight = 0;
  // 0: unknown, the endpoint's own is all that bounds it.
  int capacity = 0;
  // Zero where nothing was measured.
  absl::Duration load_p50;
  absl::Duration first_token_p50;
  absl::Duration total_p50;
  double tokens_per_second = 0;
  Timeouts timeouts;
  std::map<std::string, std::int64_t> options;
  // The row of the table that holds for it; empty: none.
  std::string priced_as;
  bool free = false;
  // The endpoint passes requests for it on to others' machines: never local, and free only by its row.
  bool remote = false;

  friend bool operator==(const PlacedModel&, const PlacedModel&) = default;
};

struct Endpoint {
  EndpointId id;
  std::string name;
  EndpointKind kind = EndpointKind::kOllama;
  std::string url;
  // A reference; empty: none.
  std::string credential;
  bool local = false;
  // Set when only this agent reaches it.
  std::string agent;
  // The machine it runs on.
  std::string host;
  // Calls cost nothing.
  bool free = false;

  EndpointState state = EndpointState::kUnknown;
  std::string cause;
  int failures_in_row = 0;
  // Of recent outcomes, 0 to 1.
  double failure_rate = 0;
  // Rate-limited, or open, until then.
  std::optional<absl::Time> retry_time;
  int in_flight = 0;
  // How many may be held now, the breaker's ramp included; 0 while closed.
  int capacity = 0;
  // Of `capacity`, those that only urgent work gets.
  int urgent_slots = 0;
  std::vector<PlacedModel> models;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// A row of the price and context table.
struct ModelRow {
  std::string model;
  std::vector<std::string> aliases;
  std::string provider;
  ModelTier tier = ModelTier::kNone;
  // 0: unknown; so `max_output`.
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
  Price price;
  std::vector<std::string> capabilities;
  // What to use instead; empty: it is not deprecated.
  std::string deprecated;
  // Everywhere, by a person.
  bool disabled = false;

  friend bool operator==(const ModelRow&, const ModelRow&) = default;
};

// Which models a role gets.
struct Role {
  std::string role;
  int version = 0;
  std::vector<std::string> aliases;
  // Said to the model before the task's own text.
  std::string persona;
  // The least that serves it.
  ModelTier tier = ModelTier::kNone;
  // Best first, as the table calls them. Empty: any.
  std::vector<std::string> models;
  bool local_only = false;
  // 0: not said.
  std::int64_t max_output = 0;
  std::string deprecated;

  friend bool operator==(const Role&, const Role&) = default;
};

// What a model's tokenizer makes of our estimates: factors on the expected count.
struct TokenRatio {
  double expected = 1;
  // 97 of 100 requests were below it. 0: too few were seen, the cold upper estimate holds.
  double upper = 0;

  friend bool operator==(const TokenRatio&, const TokenRatio&) = default;
};

// Everything that the registry says at one moment, and what was learnt here.
struct Catalogue {
  absl::Time time;
  std::vector<Endpoint> endpoints;
  std::vector<ModelRow> models;
  std::vector<Role> roles;
  // By the name that the table gives the model, else the endpoint's, in lower case.
  StringMap<TokenRatio> ratios;
  std::string table_fingerprint;
  std::string profiles_fingerprint;
};

}  // namespace switchyard::router

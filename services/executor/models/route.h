// Where a task's model is, as the router decided; without a contract.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/executor/models/conversation.h"
#include "services/executor/models/model_call.h"

namespace switchyard::executor::models {

// In millionths of a US dollar per million tokens. Absent: unknown, never free.
struct TokenRates {
  std::optional<std::int64_t> input;
  std::optional<std::int64_t> output;
  std::optional<std::int64_t> cache_read;
  std::optional<std::int64_t> cache_write_5m;
  std::optional<std::int64_t> cache_write_1h;
};

// Holds for the whole prompt once it has more input tokens than this.
struct RateStep {
  std::int64_t above_input_tokens = 0;
  TokenRates rates;
};

struct Pricing {
  bool free = false;
  TokenRates rates;
  std::vector<RateStep> steps;
};

struct Route {
  std::string decision_id;
  std::string endpoint;
  Protocol protocol = Protocol::kOllama;
  std::string url;
  std::string credential;
  bool local = false;
  // Set when only this agent reaches it.
  std::string agent;
  std::string model;
  std::string canonical_model;
  std::vector<std::string> aliases;
  std::string provider;
  std::map<std::string, std::int64_t> options;
  CallTimeouts timeouts;
  std::int64_t context_window = 0;
  std::int64_t max_output_tokens = 0;
  Pricing pricing;
  bool warm = false;
  // Another endpoint may be granted.
  bool has_next = false;
  bool fallback = false;
  std::string fallback_reason;
  double least_tokens_per_second = 0;
  bool mismatch_fails = false;
  bool local_only = false;
  std::string persona;
};

// In millionths of a dollar, rounded up. Nothing when a count or a rate that it takes is unknown.
std::optional<std::int64_t> CostOf(const Pricing& pricing, const TokenUsage& usage);

// Whether the model that answered is the one that was asked for: by one of its names, where ":latest", a provider
// before a slash, and the date of a version behind the name make no difference. An endpoint that names none cannot be
// told apart.
bool IsAssignedModel(const Route& route, std::string_view reported);

}  // namespace switchyard::executor::models

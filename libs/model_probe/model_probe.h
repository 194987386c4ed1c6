// What one look at a model endpoint asks for and finds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::model_probe {

// The numbers of these enums are those of the contract.
enum class EndpointKind { kOllama = 1, kOpenAi = 2, kAnthropic = 3 };
enum class Verdict { kUnknown = 1, kGood = 2, kBad = 3 };

// "openai": for causes, logs and labels.
std::string_view NameOf(EndpointKind kind);
// Nothing for a word that is no kind.
std::optional<EndpointKind> KindOf(std::string_view name);
// Whether two names mean one model at an endpoint: Ollama's "x" is "x:latest".
bool SameModel(EndpointKind kind, std::string_view a, std::string_view b);

struct ModelSettings {
  std::string model;
  bool keep_warm = false;
  // 0: learnt.
  int capacity = 0;
  std::map<std::string, std::int64_t> options;

  friend bool operator==(const ModelSettings&, const ModelSettings&) = default;
};

// Null when nothing is said about that model.
const ModelSettings* FindSettings(EndpointKind kind, const std::vector<ModelSettings>& all, std::string_view model);

// What is asked.
struct ProbeTarget {
  EndpointKind kind = EndpointKind::kOllama;
  std::string url;
  // A reference; empty: none is sent.
  std::string credential;
  // Of one's own: what it says of itself is asked for too.
  bool local = false;
  // Those that are spoken of; every request for a model sends its options.
  std::vector<ModelSettings> models;
};

// What one look at an endpoint says of a model there.
struct FoundModel {
  std::string model;
  bool loaded = false;
  std::optional<absl::Time> expire_time;
  std::int64_t size_bytes = 0;
  std::int64_t vram_bytes = 0;
  // As allocated when loaded, else as trained or configured at the server; 0: unknown.
  std::int64_t context_window = 0;
  std::vector<std::string> capabilities;
  // Requests for it are passed on to others' machines.
  bool remote = false;

  friend bool operator==(const FoundModel&, const FoundModel&) = default;
};

// What one check found. Levels that it did not look at are unknown.
struct CheckResult {
  Verdict process = Verdict::kUnknown;
  Verdict credentials = Verdict::kUnknown;
  Verdict models_known = Verdict::kUnknown;
  Verdict progress = Verdict::kUnknown;
  // Answers, and loads a model.
  bool loading = false;
  // Full, or overloaded.
  bool busy = false;
  // Set when it asked to be left alone; zero when it did not say for how long.
  std::optional<absl::Duration> retry_after;
  std::string message;
  std::string server;
  // How many requests it serves at once, when it says; 0: it does not.
  int slots = 0;
  // Complete when models_known is good.
  std::vector<FoundModel> models;
  // Of a word that it was asked for; zero when none was.
  absl::Duration generation;
};

}  // namespace switchyard::model_probe

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::model_registry {

using EndpointId = Id<struct EndpointIdTag>;
using TaskId = Id<struct TaskIdTag>;

// The numbers of these enums are those of the contract.
enum class EndpointKind { kOllama = 1, kOpenAi = 2, kAnthropic = 3 };
enum class Origin { kApi = 1, kFile = 2 };
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
enum class Verdict { kUnknown = 1, kGood = 2, kBad = 3 };
enum class Warmth { kAbsent = 1, kCold = 2, kLoading = 3, kWarm = 4 };

// "rate-limited": for causes, logs and labels.
std::string_view NameOf(EndpointState state);
std::string_view NameOf(EndpointKind kind);

struct ModelSettings {
  std::string model;
  bool keep_warm = false;
  // 0: learnt.
  int capacity = 0;
  std::map<std::string, std::int64_t> options;

  friend bool operator==(const ModelSettings&, const ModelSettings&) = default;
};

// What a person says about an endpoint; the contract's EndpointSpec.
struct EndpointSpec {
  std::string name;
  EndpointKind kind = EndpointKind::kOllama;
  std::string url;
  std::string credential;
  bool local = false;
  std::string host;
  std::string agent;
  int capacity = 0;
  int max_capacity = 0;
  bool free = false;
  bool disabled = false;
  std::vector<ModelSettings> models;

  friend bool operator==(const EndpointSpec&, const EndpointSpec&) = default;
};

struct EndpointRecord {
  EndpointId id;
  EndpointSpec spec;
  Origin origin = Origin::kApi;
  std::string origin_detail;
  absl::Time create_time;
  absl::Time update_time;
  std::string created_by;
  // Grows with every change; 0 for one of a file.
  std::int64_t revision = 0;

  friend bool operator==(const EndpointRecord&, const EndpointRecord&) = default;
};

// Null when the endpoint says nothing about that model.
const ModelSettings* FindSettings(const EndpointSpec& spec, std::string_view model);
// Where loads are serialised: spec.host, else the host of the URL.
std::string HostOf(const EndpointSpec& spec);
// The id of an endpoint that a file declares: the same name is the same endpoint, in every replica and after a restart.
EndpointId IdOfFileEndpoint(std::string_view name);
// Whether two names mean one model at an endpoint: Ollama's "x" is "x:latest".
bool SameModel(EndpointKind kind, std::string_view a, std::string_view b);

struct Level {
  Verdict verdict = Verdict::kUnknown;
  absl::Time time;
  std::string message;

  friend bool operator==(const Level&, const Level&) = default;
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

}  // namespace switchyard::model_registry

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"
#include "libs/model_probe/model_probe.h"

namespace switchyard::model_registry {

using EndpointId = Id<struct EndpointIdTag>;
using TaskId = Id<struct TaskIdTag>;
using model_probe::CheckResult;
using model_probe::EndpointKind;
using model_probe::FoundModel;
using model_probe::ModelSettings;
using model_probe::NameOf;
using model_probe::SameModel;
using model_probe::Verdict;

// The numbers of these enums are those of the contract.
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
enum class Warmth { kAbsent = 1, kCold = 2, kLoading = 3, kWarm = 4 };

// "rate-limited": for causes, logs and labels.
std::string_view NameOf(EndpointState state);

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

struct Level {
  Verdict verdict = Verdict::kUnknown;
  absl::Time time;
  std::string message;

  friend bool operator==(const Level&, const Level&) = default;
};

}  // namespace switchyard::model_registry

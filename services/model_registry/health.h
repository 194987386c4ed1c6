#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/model_registry/breaker.h"
#include "services/model_registry/capacity.h"
#include "services/model_registry/endpoint.h"
#include "services/model_registry/latency.h"

namespace switchyard::model_registry {

// The numbers are the contract's.
enum class Outcome {
  kSuccess = 1,
  kFailure = 2,
  kNoProgress = 3,
  kRateLimited = 4,
  kBusy = 5,
  kRefused = 6,
  kLoading = 7,
  kNeutral = 8,
};

// What came of one request.
struct Observation {
  std::string model;
  Outcome outcome = Outcome::kNeutral;
  absl::Time began;
  // Zero where unknown.
  absl::Duration load;
  absl::Duration first_token;
  absl::Duration total;
  absl::Duration queue_wait;
  std::int64_t output_tokens = 0;
  std::optional<absl::Duration> retry_after;
  std::string message;
};

struct HealthRules {
  BreakerRules breaker;
  TimeoutRules timeouts;
  absl::Duration check_interval = absl::Seconds(30);
  absl::Duration progress_interval = absl::Minutes(5);
  absl::Duration keep_warm = absl::Minutes(30);
  // What was said of a machine longer ago is aged.
  absl::Duration host_fresh = absl::Minutes(1);
};

enum class CheckKind {
  // Process, credentials, models.
  kLists,
  // And a word of a model that is loaded.
  kProgress,
  // The one look at an open endpoint that its cooldown permits; the same questions as kProgress.
  kProbe,
  // Asked for by a person.
  kManual,
};

struct BreakerStatus {
  bool open = false;
  int failures_in_row = 0;
  double failure_rate = 0;
  std::optional<absl::Time> open_until;
  int allowance = 0;
  int times_opened = 0;
  std::optional<absl::Time> last_probe;
  std::string last_failure;

  friend bool operator==(const BreakerStatus&, const BreakerStatus&) = default;
};

struct PlacedModel {
  std::string model;
  Warmth warmth = Warmth::kAbsent;
  // Filled by the registry, as are `options` and prices.
  bool disabled = false;
  bool keep_warm = false;
  std::int64_t size_bytes = 0;
  std::int64_t vram_bytes = 0;
  std::int64_t context_window = 0;
  std::optional<absl::Time> expire_time;
  std::vector<std::string> capabilities;
  int in_flight = 0;
  int capacity = 0;
  LatencySummary latencies;
  Timeouts timeouts;
  std::map<std::string, std::int64_t> options;
  std::string priced_as;
  bool free = false;
  // Never local, whatever the endpoint is.
  bool remote = false;

  friend bool operator==(const PlacedModel&, const PlacedModel&) = default;
};

struct EndpointStatus {
  EndpointState state = EndpointState::kUnknown;
  absl::Time state_time;
  std::string cause;
  Level process, credentials, models_known, progress;
  std::optional<absl::Time> check_time;
  std::optional<absl::Time> next_check_time;
  std::string server;
  BreakerStatus breaker;
  std::optional<absl::Time> retry_time;
  int in_flight = 0;
  int capacity = 0;
  int full_capacity = 0;
  int urgent_slots = 0;
  // By name.
  std::vector<PlacedModel> models;

  friend bool operator==(const EndpointStatus&, const EndpointStatus&) = default;
};

// What is known of one endpoint, from checks and from requests, and what that means: pure, told what happens and when.
// Not thread-safe.
class EndpointHealth {
 public:
  EndpointHealth(EndpointSpec spec, const HealthRules& rules, absl::Time now);

  // Evidence.
  void CheckDone(CheckKind kind, const CheckResult& result, absl::Time began, absl::Time now);
  // A check by the agent that alone reaches it. While the breaker is open, it counts as a probe once in each cooldown.
  void Reported(const CheckResult& result, absl::Time now);
  void Observe(const Observation& observation, absl::Time now);
  // Reservations held there, by model.
  void SetInFlight(const std::map<std::string, int>& by_model);

  // What to check now, if anything. Nothing while a check is under way, for what is disabled, misconfigured or another
  // one's to check, while it asked to be left alone, and while the breaker's cooldown lasts.
  std::optional<CheckKind> DueCheck(absl::Time now) const;
  absl::Time next_check() const { return next_check_; }
  void BeginCheck(CheckKind kind, absl::Time now);
  // Another replica has the probe of this cooldown.
  void SkipProbe(absl::Time now);
  bool checking() const { return checking_; }
  // Someone says that what was wrong has been mended: misconfigured ends, and it is checked at once.
  void Mend(absl::Time now);

  // Its state at that moment; remembers since when.
  EndpointStatus Status(absl::Time now);
  // A model to keep warm whose time is coming; at most one, and none while the endpoint has other worries.
  std::optional<std::string> DueKeepWarm(absl::Time now) const;
  void BeginKeepWarm(const std::string& model, absl::Time now);
  void KeepWarmDone(const std::string& model, const absl::Status& status, absl::Time now);

  const EndpointSpec& spec() const { return spec_; }

 private:
  struct ModelState {
    FoundModel found;
    bool present = false;
    int in_flight = 0;
    Capacity capacity;
    LatencyHistory latencies;
    absl::Time keep_warm_tried = absl::InfinitePast();
  };

  ModelState& StateOf(const std::string& model);
  int Full() const { return capacity_.value(); }
  void RateLimited(std::optional<absl::Duration> retry_after, absl::Time now);
  void Misconfigure(std::string_view cause, absl::Time now);
  void TakeModels(const CheckResult& result);
  std::pair<EndpointState, std::string> Judge(absl::Time now) const;
  Warmth WarmthOf(const ModelState& state, absl::Time now) const;
  PlacedModel Place(const std::string& name, const ModelState& state, absl::Time now) const;
  bool AnyLoaded() const;

  const EndpointSpec spec_;
  const HealthRules rules_;
  Breaker breaker_;
  Capacity capacity_;
  Level process_, credentials_, models_known_, progress_;
  std::map<std::string, ModelState> models_;
  std::string server_;

  bool checking_ = false;
  std::optional<absl::Time> checked_;
  absl::Time next_check_;
  int check_failures_ = 0;
  // When a word was last asked for or a request last succeeded.
  absl::Time progress_seen_ = absl::InfinitePast();
  bool misconfigured_ = false;
  absl::Time misconfigured_at_ = absl::InfinitePast();
  std::string misconfigured_cause_;
  absl::Time retry_at_ = absl::InfinitePast();
  absl::Time busy_until_ = absl::InfinitePast();
  bool loading_ = false;
  int in_flight_ = 0;

  EndpointState state_ = EndpointState::kUnknown;
  absl::Time state_time_;
};

}  // namespace switchyard::model_registry

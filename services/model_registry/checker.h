#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/model_registry/prober.h"
#include "services/model_registry/registry.h"

namespace switchyard::model_registry {

struct CheckerRules {
  absl::Duration interval = absl::Seconds(30);
  // Least time between two beginnings, while all endpoints fit into the interval.
  absl::Duration stagger = absl::Seconds(1);
};

// Has endpoints checked when they are due, spread over time, and models kept warm. Thread-safe.
class Checker {
 public:
  // Takes the one probe of an endpoint's cooldown among all replicas: answers once whether this one has it. `until` is
  // when the next may be taken. Called without locks, may answer later.
  using ClaimProbe =
      std::function<void(const EndpointId& endpoint, absl::Time until, std::function<void(bool)> answer)>;

  // Borrows all. What the prober still does must be over before this goes.
  Checker(Registry& registry, EndpointProber& prober, const Clock& clock, CheckerRules rules, absl::Duration cooldown,
          ClaimProbe claim);

  // Begins what is due. Never waits.
  void Tick();
  // A person asks: begins at once; `done` is called when it has been taken into account. Fails as TakeManualCheck does.
  absl::Status CheckNow(const EndpointId& endpoint, bool generate, const std::string& model,
                        std::function<void(CheckResult)> done);

 private:
  void Begin(DueCheck due);
  void Run(const DueCheck& due, Generate generate, const std::string& model, std::function<void(CheckResult)> done);

  Registry& registry_;
  EndpointProber& prober_;
  const Clock& clock_;
  const CheckerRules rules_;
  const absl::Duration cooldown_;
  const ClaimProbe claim_;
  Mutex mutex_;
  absl::Time next_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace switchyard::model_registry

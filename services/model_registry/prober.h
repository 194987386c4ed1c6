#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "libs/model_probe/prober.h"
#include "services/model_registry/endpoint.h"

namespace switchyard::model_registry {

using model_probe::Generate;

struct ProbeRequest {
  EndpointSpec spec;
  Generate generate = Generate::kNever;
  std::string model;
};

// Asks endpoints how they are. Thread-safe.
class EndpointProber {
 public:
  virtual ~EndpointProber() = default;
  // Returns at once; `done` is called exactly once, from any thread, also before this returns, and after a bounded
  // time.
  virtual void Check(ProbeRequest request, std::function<void(CheckResult)> done) = 0;
  // Has the model loaded and kept for a time, with the options of its settings. As above; DEADLINE_EXCEEDED when the
  // load does not come to an end.
  virtual void KeepWarm(const EndpointSpec& spec, const std::string& model, std::function<void(absl::Status)> done) = 0;
};

}  // namespace switchyard::model_registry

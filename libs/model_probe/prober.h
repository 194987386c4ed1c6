#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "libs/model_probe/model_probe.h"

namespace switchyard::model_probe {

enum class Generate {
  kNever,
  // With a model that the endpoint has loaded; when none is, no word is asked for.
  kIfLoaded,
  // As before, of an Ollama only with one that the target speaks of: with other options than it was loaded with, it
  // would load it anew.
  kIfLoadedAndKnown,
  // With `model`, or any that it has.
  kAlways,
};

struct ProbeRequest {
  ProbeTarget target;
  Generate generate = Generate::kNever;
  std::string model;
};

// Asks endpoints how they are. Thread-safe.
class Prober {
 public:
  virtual ~Prober() = default;
  // Returns at once; `done` is called exactly once, from any thread, also before this returns, and after a bounded
  // time.
  virtual void Check(ProbeRequest request, std::function<void(CheckResult)> done) = 0;
  // Has the model loaded and kept for a time, with the options of its settings. As above; DEADLINE_EXCEEDED when the
  // load does not come to an end.
  virtual void KeepWarm(const ProbeTarget& target, const std::string& model,
                        std::function<void(absl::Status)> done) = 0;
};

}  // namespace switchyard::model_probe

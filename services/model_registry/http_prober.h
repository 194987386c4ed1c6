#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/http/http_transport.h"
#include "libs/model_probe/http_prober.h"
#include "services/model_registry/prober.h"

namespace switchyard::model_registry {

using model_probe::ProberRules;

// Asks endpoints over HTTP, as their specifications say. Thread-safe.
class HttpProber final : public EndpointProber {
 public:
  using ResolveSecret = std::function<absl::StatusOr<std::string>(const std::string& reference)>;

  // Borrows both. Every exchange ends with the transport's Stop, so it outlives what `done` uses.
  HttpProber(http::HttpTransport& transport, const Clock& clock, ProberRules rules, ResolveSecret resolve);

  void Check(ProbeRequest request, std::function<void(CheckResult)> done) override;
  void KeepWarm(const EndpointSpec& spec, const std::string& model, std::function<void(absl::Status)> done) override;

 private:
  model_probe::HttpProber prober_;
};

}  // namespace switchyard::model_registry

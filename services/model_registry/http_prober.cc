#include "services/model_registry/http_prober.h"

#include <utility>

namespace switchyard::model_registry {
namespace {

model_probe::ProbeTarget TargetOf(const EndpointSpec& spec) {
  return {
      .kind = spec.kind, .url = spec.url, .credential = spec.credential, .local = spec.local, .models = spec.models};
}

}  // namespace

HttpProber::HttpProber(http::HttpTransport& transport, const Clock& clock, ProberRules rules, ResolveSecret resolve)
    : prober_(transport, clock, rules, [resolve = std::move(resolve)](const model_probe::ProbeTarget& target) {
        return resolve(target.credential);
      }) {}

void HttpProber::Check(ProbeRequest request, std::function<void(CheckResult)> done) {
  prober_.Check({.target = TargetOf(request.spec), .generate = request.generate, .model = std::move(request.model)},
                std::move(done));
}

void HttpProber::KeepWarm(const EndpointSpec& spec, const std::string& model, std::function<void(absl::Status)> done) {
  prober_.KeepWarm(TargetOf(spec), model, std::move(done));
}

}  // namespace switchyard::model_registry

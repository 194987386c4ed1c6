#include "services/executor/models/models_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/config/secret.h"

namespace switchyard::executor::models {
namespace {

// What the hub takes.
constexpr std::size_t kCapabilityBytes = 200;

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace

http::HttpClientOptions ClientOptions(const config::v1::ExecutorConfig& config) {
  http::HttpClientOptions options;
  // Slots bound the calls; none waits here for a place.
  options.max_in_flight = options.max_per_origin = std::size_t{config.slots()} + 16;
  options.refuse_link_local = true;
  options.user_agent = "yard-agent";
  return options;
}

absl::StatusOr<CredentialPolicy> MakeCredentials(const config::v1::ModelsConfig& config) {
  return CredentialPolicy::Make(
      {config.credentials().begin(), config.credentials().end()}, config.allow_insecure_credentials(),
      [](const std::string& reference) { return switchyard::config::ResolveSecret(reference); });
}

absl::StatusOr<std::unique_ptr<ModelsBackend>> MakeModelsBackend(const config::v1::ExecutorConfig& config,
                                                                 http::HttpTransport& transport, const Clock& clock,
                                                                 Rng& rng, telemetry::Metrics* metrics) {
  const config::v1::ModelsConfig& models = config.backends().models();
  SY_ASSIGN_OR_RETURN(CredentialPolicy credentials, MakeCredentials(models));
  RunLimits limits;
  if (config.limits().has_time()) limits.time = DurationOf(config.limits().time());
  if (config.limits().log() > 0) limits.log_bytes = config.limits().log();
  if (models.max_answer_bytes() > 0) limits.bounds.answer_bytes = models.max_answer_bytes();
  return std::make_unique<ModelsBackend>(limits, std::move(credentials), transport, clock, rng, metrics);
}

std::vector<std::string> Capabilities(const config::v1::ModelsConfig& config, const CredentialPolicy& credentials) {
  std::vector<std::string> all;
  const auto add = [&all](std::string capability) {
    if (capability.size() <= kCapabilityBytes) all.push_back(std::move(capability));
  };
  for (const CredentialPolicy::Entry& entry : credentials.Probe()) {
    if (entry.status.ok()) add(absl::StrCat("credential:", entry.reference));
  }
  for (const std::string& name : config.reaches()) add(absl::StrCat("reach:", name));
  return all;
}

}  // namespace switchyard::executor::models

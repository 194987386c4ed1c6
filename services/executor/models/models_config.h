#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/http/http_client.h"
#include "services/executor/models/models_backend.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor::models {

// Of the client that the back end calls through: it goes nowhere but where it is sent, and never to link-local
// addresses.
http::HttpClientOptions ClientOptions(const config::v1::ExecutorConfig& config);

// Which secrets may be sent where; INVALID_ARGUMENT when a line cannot be read as such.
absl::StatusOr<CredentialPolicy> MakeCredentials(const config::v1::ModelsConfig& config);

// The back end as configured; INVALID_ARGUMENT when its credentials cannot be read as such. `transport`, `clock` and
// `rng` outlive it.
absl::StatusOr<std::unique_ptr<ModelsBackend>> MakeModelsBackend(const config::v1::ExecutorConfig& config,
                                                                 http::HttpTransport& transport, const Clock& clock,
                                                                 Rng& rng, telemetry::Metrics* metrics = nullptr);

// "credential:REFERENCE" of each that can be read now, "reach:NAME" of each that is configured.
std::vector<std::string> Capabilities(const config::v1::ModelsConfig& config, const CredentialPolicy& credentials);

}  // namespace switchyard::executor::models

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/executors.h"
#include "tools/benchmarks/installation.h"
#include "tools/benchmarks/model_endpoint.h"

namespace switchyard::bench {

// An installation with model registry and router, real executors, and simulated endpoints in this process that all of
// them know. Not thread-safe.
class LlmStand {
 public:
  struct Settings {
    int agents = 1;
    int slots = 8;
    std::vector<ModelEndpoint::Settings> endpoints;
    // Requests at once of each endpoint.
    int capacity = 4;
  };
  // Ready for work when it returns.
  static absl::StatusOr<std::unique_ptr<LlmStand>> Create(const Settings& settings);

  Installation& installation() { return *installation_; }
  Client& client() { return *client_; }
  std::vector<std::unique_ptr<ModelEndpoint>>& endpoints() { return endpoints_; }

 private:
  LlmStand() = default;
  absl::Status AddEndpoints(const Settings& settings);
  absl::Status AwaitKnown(std::size_t endpoints);

  // Ends after whoever speaks to it.
  std::vector<std::unique_ptr<ModelEndpoint>> endpoints_;
  std::unique_ptr<Installation> installation_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Executors> executors_;
};

}  // namespace switchyard::bench

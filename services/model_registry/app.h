#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/doctor.h"
#include "libs/app/process.h"
#include "libs/pg/statement.h"
#include "libs/rpc/channel.h"
#include "services/model_registry/health.h"
#include "switchyard/config/v1/model_registry.pb.h"

namespace switchyard::model_registry {

inline constexpr std::string_view kSchema = "model_registry";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();
// What holds in the schema at any moment; read by `switchyard doctor`.
const std::vector<app::DoctorCheck>& DoctorChecks();

HealthRules ToRules(const config::v1::ModelRegistrySettings& settings);

// The model registry inside a process.
class ModelRegistryApp final : public app::ServiceApp {
 public:
  struct Neighbours {
    // An empty target is this process. Nothing: the machines of endpoints are not looked at.
    std::optional<rpc::ChannelOptions> agent_hub;
  };
  // Makes the service and adds it to the process, which must outlive it. Fails when the files that the settings name
  // cannot be read or hold faults; later faults keep what was read before.
  static absl::Status AddTo(app::Process& process, const config::v1::ModelRegistrySettings& settings,
                            Neighbours neighbours);

  ~ModelRegistryApp() override;
  absl::Status Start() override;
  absl::Status Serving() override;
  void Stop() override;

 private:
  struct Parts;
  explicit ModelRegistryApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

ModelRegistryApp::Neighbours ToNeighbours(const config::v1::ModelRegistryConfig& config);

}  // namespace switchyard::model_registry

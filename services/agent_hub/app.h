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
#include "services/agent_hub/agent_admin.h"
#include "services/agent_hub/hub_rules.h"
#include "switchyard/config/v1/agent_hub.pb.h"

namespace switchyard::agent_hub {

inline constexpr std::string_view kSchema = "agent_hub";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();
// What holds in the schema at any moment; read by `switchyard doctor`.
const std::vector<app::DoctorCheck>& DoctorChecks();

HubRules ToRules(const config::v1::AgentHubSettings& settings);

// The agent hub inside a process. Not thread-safe itself.
class AgentHubApp final : public app::ServiceApp {
 public:
  // Where the others are; an empty address is this process itself.
  struct Neighbours {
    rpc::ChannelOptions task_queue;
    rpc::ChannelOptions identity;
    // Nothing: there is none.
    std::optional<rpc::ChannelOptions> router = {};
    std::optional<rpc::ChannelOptions> model_registry = {};
  };

  // Makes the service and adds it to the process, which must outlive it. `server` is what the process serves by.
  static absl::Status AddTo(app::Process& process, const config::v1::AgentHubSettings& settings,
                            const config::v1::ServerConfig& server, Neighbours neighbours);

  ~AgentHubApp() override;
  absl::Status Start() override;
  absl::Status Serving() override;
  void Stop() override;

 private:
  struct Parts;
  explicit AgentHubApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

AgentHubApp::Neighbours ToNeighbours(const config::v1::AgentHubConfig& config);

}  // namespace switchyard::agent_hub

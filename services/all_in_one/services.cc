#include "services/all_in_one/services.h"

#include <algorithm>
#include <optional>

#include "libs/app/options.h"
#include "services/agent_hub/app.h"
#include "services/identity/app.h"
#include "services/model_registry/app.h"
#include "services/router/app.h"
#include "services/scheduler/app.h"
#include "services/task_queue/app.h"
#include "services/task_queue/doctor.h"
#include "services/verification/app.h"

namespace switchyard::all_in_one {
namespace {

// Empty: in this process.
rpc::ChannelOptions ToTaskQueue(const config::v1::AllInOneConfig& config) {
  return IsWanted(config, config::v1::SERVICE_NAME_TASK_QUEUE) ? rpc::ChannelOptions()
                                                               : app::ToChannelOptions(config.task_queue_service());
}
rpc::ChannelOptions ToIdentity(const config::v1::AllInOneConfig& config) {
  return IsWanted(config, config::v1::SERVICE_NAME_IDENTITY) ? rpc::ChannelOptions()
                                                             : app::ToChannelOptions(config.auth());
}

// Nothing: there is none.
std::optional<rpc::ChannelOptions> ToRouter(const config::v1::AllInOneConfig& config) {
  if (IsWanted(config, config::v1::SERVICE_NAME_ROUTER)) return rpc::ChannelOptions();
  if (config.router_service().address().empty()) return std::nullopt;
  return app::ToChannelOptions(config.router_service());
}
std::optional<rpc::ChannelOptions> ToModelRegistry(const config::v1::AllInOneConfig& config) {
  if (IsWanted(config, config::v1::SERVICE_NAME_MODEL_REGISTRY)) return rpc::ChannelOptions();
  if (config.model_registry_service().address().empty()) return std::nullopt;
  return app::ToChannelOptions(config.model_registry_service());
}

std::vector<rpc::ChannelOptions> ToHubs(const config::v1::AllInOneConfig& config) {
  std::vector<rpc::ChannelOptions> hubs;
  if (IsWanted(config, config::v1::SERVICE_NAME_AGENT_HUB)) hubs.emplace_back();
  for (const std::string& address : config.hub_addresses()) {
    rpc::ChannelOptions& hub = hubs.emplace_back(app::ToChannelOptions(config.task_queue_service()));
    hub.target = address;
  }
  return hubs;
}
const std::vector<pg::Migration>& NoMigrations() {
  static const auto& none = *new std::vector<pg::Migration>();
  return none;
}
const std::vector<app::DoctorCheck>& NoChecks() {
  static const auto& none = *new std::vector<app::DoctorCheck>();
  return none;
}

}  // namespace

bool IsWanted(const config::v1::AllInOneConfig& config, config::v1::ServiceName name) {
  return std::any_of(config.services().begin(), config.services().end(),
                     [&](int wanted) { return wanted == name || wanted == config::v1::SERVICE_NAME_ALL; });
}

const std::vector<Service>& AllServices() {
  static const auto& services = *new std::vector<Service>{
      {.name = config::v1::SERVICE_NAME_IDENTITY,
       .schema = identity::kSchema,
       .migrations = identity::SchemaMigrations,
       .checks = identity::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return identity::IdentityApp::AddTo(process, config.identity());
           }},
      {.name = config::v1::SERVICE_NAME_TASK_QUEUE,
       .schema = task_queue::kSchema,
       .migrations = task_queue::SchemaMigrations,
       .checks = task_queue::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return task_queue::TaskQueueApp::AddTo(process, config.task_queue());
           }},
      {.name = config::v1::SERVICE_NAME_AGENT_HUB,
       .schema = agent_hub::kSchema,
       .migrations = agent_hub::SchemaMigrations,
       .checks = agent_hub::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return agent_hub::AgentHubApp::AddTo(process, config.agent_hub(), config.server(),
                                                  {.task_queue = ToTaskQueue(config),
                                                   .identity = ToIdentity(config),
                                                   .router = ToRouter(config),
                                                   .model_registry = ToModelRegistry(config)});
           }},
      {.name = config::v1::SERVICE_NAME_MODEL_REGISTRY,
       .schema = model_registry::kSchema,
       .migrations = model_registry::SchemaMigrations,
       .checks = model_registry::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             std::vector<rpc::ChannelOptions> hubs = ToHubs(config);
             return model_registry::ModelRegistryApp::AddTo(
                 process, config.model_registry(),
                 {.agent_hub = hubs.empty() ? std::nullopt : std::optional(std::move(hubs.front()))});
           }},
      {.name = config::v1::SERVICE_NAME_ROUTER,
       .schema = router::kSchema,
       .migrations = router::SchemaMigrations,
       .checks = router::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return router::RouterApp::AddTo(
                 process, config.router(),
                 {.task_queue = ToTaskQueue(config),
                  .model_registry = ToModelRegistry(config).value_or(rpc::ChannelOptions())});
           }},
      {.name = config::v1::SERVICE_NAME_VERIFICATION,
       .schema = verification::kSchema,
       .migrations = verification::SchemaMigrations,
       .checks = verification::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return verification::VerificationApp::AddTo(process, config.verification(), ToTaskQueue(config));
           }},
      // Keeps nothing.
      {.name = config::v1::SERVICE_NAME_SCHEDULER,
       .schema = "",
       .migrations = NoMigrations,
       .checks = NoChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return scheduler::SchedulerApp::AddTo(
                 process, config.scheduler(),
                 {.task_queue = ToTaskQueue(config), .hubs = ToHubs(config), .router = ToRouter(config)});
           }},
  };
  return services;
}

}  // namespace switchyard::all_in_one

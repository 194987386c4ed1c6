#include "services/executor/external/external_config.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "services/executor/external/agents_file.h"

namespace switchyard::executor::external {
namespace {

std::string FileOf(const config::v1::ExecutorConfig& config) {
  const std::string& given = config.backends().external().agents_file();
  return given.empty() ? config.data_dir() + "/agents.yaml" : given;
}

bool IsConfigured(const config::v1::ExecutorConfig& config) {
  return !config.backends().external().agents_file().empty() || access(FileOf(config).c_str(), F_OK) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExternalBackend>> MakeExternalBackend(const config::v1::ExecutorConfig& config,
                                                                     ExternalDeps deps) {
  if (!IsConfigured(config)) return std::unique_ptr<ExternalBackend>();
  auto backend = std::make_unique<ExternalBackend>(std::max<std::size_t>(config.slots(), 1), deps);
  SY_RETURN_IF_ERROR(ReloadAgents(config, *backend));
  return backend;
}

absl::Status ReloadAgents(const config::v1::ExecutorConfig& config, ExternalBackend& backend) {
  SY_ASSIGN_OR_RETURN(std::vector<AgentSpec> agents, LoadAgents(FileOf(config)));
  return backend.SetAgents(std::move(agents));
}

}  // namespace switchyard::executor::external

#include "libs/config/programs.h"

#include "libs/config/print.h"
#include "switchyard/config/v1/agent_hub.pb.h"
#include "switchyard/config/v1/executor.pb.h"
#include "switchyard/config/v1/identity.pb.h"
#include "switchyard/config/v1/model_registry.pb.h"
#include "switchyard/config/v1/router.pb.h"
#include "switchyard/config/v1/scheduler.pb.h"
#include "switchyard/config/v1/switchyard.pb.h"
#include "switchyard/config/v1/task_queue.pb.h"
#include "switchyard/config/v1/verification.pb.h"

namespace switchyard::config {

std::string ReferencePageOfAllPrograms() {
  return ReferencePage({
      {"switchyard run", v1::AllInOneConfig::descriptor()},
      {"switchyard-task-queue", v1::TaskQueueConfig::descriptor()},
      {"switchyard-identity", v1::IdentityConfig::descriptor()},
      {"switchyard-agent-hub", v1::AgentHubConfig::descriptor()},
      {"switchyard-scheduler", v1::SchedulerConfig::descriptor()},
      {"switchyard-model-registry", v1::ModelRegistryConfig::descriptor()},
      {"switchyard-router", v1::RouterConfig::descriptor()},
      {"switchyard-verification", v1::VerificationConfig::descriptor()},
      {"yard-agent run", v1::ExecutorConfig::descriptor()},
  });
}

}  // namespace switchyard::config

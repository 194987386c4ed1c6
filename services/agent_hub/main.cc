#include "libs/app/service_main.h"
#include "services/agent_hub/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::AgentHubConfig>(
      argc, argv,
      {.name = "switchyard-agent-hub",
       .summary = "holds the streams of the executors, hands them work and brings back what came of it.",
       .help =
           "It needs a Postgres whose schema `agent_hub` is up to date (switchyard migrate), the task queue and the\n"
           "identity service. Any number of replicas may run over one database; an agent may connect to any of them.\n"
           "While the database or the task queue is away, agents keep their streams and their work."},
      [](const config::v1::AgentHubConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return agent_hub::AgentHubApp::AddTo(process, config.agent_hub(), config.server(),
                                             agent_hub::ToNeighbours(config));
      });
}

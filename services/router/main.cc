#include "libs/app/service_main.h"
#include "services/router/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::RouterConfig>(
      argc, argv,
      {.name = "switchyard-router",
       .summary = "decides which model at which endpoint a task gets, and holds its place and its money.",
       .help =
           "It needs a Postgres whose schema `router` is up to date (switchyard migrate), the identity service, the\n"
           "model registry and the task queue. Any number of replicas may run over one database."},
      [](const config::v1::RouterConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return router::RouterApp::AddTo(process, config.router(), router::ToNeighbours(config));
      });
}

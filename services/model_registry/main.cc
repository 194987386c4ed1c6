#include "libs/app/service_main.h"
#include "services/model_registry/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::ModelRegistryConfig>(
      argc, argv,
      {.name = "switchyard-model-registry",
       .summary = "knows the endpoints that serve models, how they fare, and what models cost.",
       .help = "It needs a Postgres whose schema `model_registry` is up to date (switchyard migrate) and the identity\n"
               "service. Given the address of an agent hub, it shows what endpoints' machines have and use. Any number "
               "of replicas may run over one database; each checks the endpoints itself."},
      [](const config::v1::ModelRegistryConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return model_registry::ModelRegistryApp::AddTo(process, config.model_registry(),
                                                       model_registry::ToNeighbours(config));
      });
}

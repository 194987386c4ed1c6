#include "libs/app/service_main.h"
#include "services/identity/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::IdentityConfig>(
      argc, argv,
      {.name = "switchyard-identity",
       .summary = "issues, verifies and revokes the tokens of the installation.",
       .help = "It needs a Postgres whose schema `identity` is up to date (switchyard migrate); while that is away it\n"
               "serves, answers health and is not ready. The first token is made with access to the database:\n"
               "  switchyard token issue --name=admin --scopes=admin --out=admin.token"},
      [](const config::v1::IdentityConfig& config, app::Process& process) {
        return identity::IdentityApp::AddTo(process, config.identity());
      });
}

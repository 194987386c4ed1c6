#include "libs/app/options.h"
#include "libs/app/service_main.h"
#include "services/verification/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::VerificationConfig>(
      argc, argv,
      {.name = "switchyard-verification",
       .summary = "decides what becomes of work whose checks are in.",
       .help = "It needs a Postgres whose schema `verification` is up to date (switchyard migrate), the identity "
               "service and\n"
               "the task queue. Its token is of the scopes service and submit: judges are tasks of their own. Any "
               "number of\n"
               "replicas may run over one database."},
      [](const config::v1::VerificationConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return verification::VerificationApp::AddTo(process, config.verification(),
                                                    app::ToChannelOptions(config.task_queue()));
      });
}

#include "libs/app/service_main.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/all_in_one/commands.h"
#include "services/all_in_one/services.h"

namespace switchyard::all_in_one {
namespace {

using config::v1::AllInOneConfig;

absl::Status Compose(const AllInOneConfig& config, app::Process& process) {
  if (config.services().empty()) {
    return InvalidFields({{.field = "services", .description = "names no service to run"}});
  }
  if (!IsWanted(config, config::v1::SERVICE_NAME_IDENTITY))
    SY_RETURN_IF_ERROR(process.AuthenticateRemotely(config.auth()));
  for (const Service& service : AllServices()) {
    if (IsWanted(config, service.name)) SY_RETURN_IF_ERROR(service.add(process, config));
  }
  return absl::OkStatus();
}

}  // namespace

int Run(const Arguments& arguments) {
  const app::Program program = {
      .name = "switchyard run",
      .summary = "runs any set of the services in one process, on one port.",
      .help =
          "  switchyard run --services=all\n"
          "  switchyard run --services=identity,task_queue --config=switchyard.yaml\n\n"
          "It needs a Postgres whose schemas are up to date (switchyard migrate); while that is away it serves, "
          "answers\n"
          "health and is not ready. Without the identity service among them it asks the one at auth.identity_address.",
      .service = "switchyard"};
  return app::ServiceMain<AllInOneConfig>(program, arguments, Compose);
}

}  // namespace switchyard::all_in_one

#include "libs/app/service_main.h"
#include "services/task_queue/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::TaskQueueConfig>(
      argc, argv,
      {.name = "switchyard-task-queue",
       .summary = "stores tasks durably, gives each to one owner at a time, and tells what became of it.",
       .help =
           "It needs a Postgres whose schema `task_queue` is up to date (switchyard migrate), and the identity\n"
           "service, which it asks about its callers' tokens. While the database is away it serves, answers health\n"
           "and is not ready; callers hear UNAVAILABLE. Any number of replicas may run over one database."},
      [](const config::v1::TaskQueueConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return task_queue::TaskQueueApp::AddTo(process, config.task_queue());
      });
}

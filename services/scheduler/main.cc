#include "libs/app/service_main.h"
#include "services/scheduler/app.h"

int main(int argc, char** argv) {
  using namespace switchyard;
  return app::ServiceMain<config::v1::SchedulerConfig>(
      argc, argv,
      {.name = "switchyard-scheduler",
       .summary = "decides which task goes to which agent.",
       .help =
           "It keeps nothing and needs no database: it leases shards of tasks from the task queue, watches what is\n"
           "ready and, at every hub, which agents are free, and assigns. Start a second one to stand by: it takes\n"
           "over within seconds when the first is gone."},
      [](const config::v1::SchedulerConfig& config, app::Process& process) -> absl::Status {
        if (absl::Status status = process.AuthenticateRemotely(config.auth()); !status.ok()) return status;
        return scheduler::SchedulerApp::AddTo(process, config.scheduler(), scheduler::ToNeighbours(config));
      });
}

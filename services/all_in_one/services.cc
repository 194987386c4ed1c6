#include "services/all_in_one/services.h"

#include "services/identity/app.h"
#include "services/task_queue/app.h"
#include "services/task_queue/doctor.h"

namespace switchyard::all_in_one {
const std::vector<Service>& AllServices() {
  static const auto& services = *new std::vector<Service>{
      {.name = config::v1::SERVICE_NAME_IDENTITY,
       .schema = identity::kSchema,
       .migrations = identity::SchemaMigrations,
       .checks = identity::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return identity::IdentityApp::AddTo(process, config.identity());
           }},
      {.name = config::v1::SERVICE_NAME_TASK_QUEUE,
       .schema = task_queue::kSchema,
       .migrations = task_queue::SchemaMigrations,
       .checks = task_queue::DoctorChecks,
       .add =
           [](app::Process& process, const config::v1::AllInOneConfig& config) {
             return task_queue::TaskQueueApp::AddTo(process, config.task_queue());
           }},
  };
  return services;
}

}  // namespace switchyard::all_in_one

#pragma once

#include <vector>

#include "libs/app/doctor.h"

namespace switchyard::task_queue {

// What holds in the schema at any moment; read by `switchyard doctor`.
const std::vector<app::DoctorCheck>& DoctorChecks();

}  // namespace switchyard::task_queue

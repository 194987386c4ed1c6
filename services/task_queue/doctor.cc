#include "services/task_queue/doctor.h"

#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"a task stands in one stage", &kDoctorTwoStages},
      {"a task ended once", &kDoctorTwoEnds},
      {"no task is lost", &kDoctorLostTasks},
      {"a live or pinned task has its specification", &kDoctorMissingSpecifications},
      {"an owner has a session", &kDoctorOwnersWithoutSession},
      {"time limits that pass are acted upon", &kDoctorOverdue},
      {"a ready task stands where schedulers look", &kDoctorMisplacedReady},
      {"what waits for others is held", &kDoctorWaits},
      {"ends are told to what waits for them", &kDoctorMissedEnds},
      {"counts equal the rows", &kDoctorCounts},
      {"today and tomorrow have partitions", &kDoctorPartitions},
  };
  return checks;
}

}  // namespace switchyard::task_queue

#pragma once

#include "services/task_queue/faults.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::task_queue {

// What can be known of a step without running it: a check that could never be run is a fault.
void CheckVerificationStep(const FieldPath& path, const v1::VerificationStep& step, FaultList& faults);

}  // namespace switchyard::task_queue

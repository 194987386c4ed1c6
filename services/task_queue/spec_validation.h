// Whether a specification keeps the limits that the contract states. All faults at once; a good one costs no
// allocation.
#pragma once

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/status.h"
#include "services/task_queue/faults.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::task_queue {

// The newest specification that this server understands.
inline constexpr int kSchemaVersion = 1;
inline constexpr int kMaxSpecBytes = 1 << 20;

// `prefix` is the path of the specification within the request. `now` bounds times ahead; a time that has passed is no
// fault, so that a request that is sent again later is answered as it was.
std::vector<FieldViolation> ValidateSpec(const v1::TaskSpec& spec, std::string_view prefix, absl::Time now);
// The same into a list that other parts of the request share.
void CheckSpec(const FieldPath& path, const v1::TaskSpec& spec, absl::Time now, FaultList& faults);

}  // namespace switchyard::task_queue

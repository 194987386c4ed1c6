// Between deliveries and what executors report.
#pragma once

#include "services/executor/backend.h"
#include "services/executor/delivery/delivery.h"
#include "services/executor/delivery/story.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::delivery {

// Out of the report as it will be sent, its iterations and change included.
Story StoryOf(const Work& work, const verification::v1::CheckReport& report);

// What became of the branch. `base_behind` is the largest number when nobody could say: unknown is not fresh.
void AddTo(const DeliveryResult& result, verification::v1::Change& change);

// Small facts for programs: "branch", "pull_request". A failed delivery is a failure of the attempt, whatever
// `evidence` says so far.
void AddTo(const DeliveryRequest& request, const DeliveryResult& result, Evidence& evidence);

}  // namespace switchyard::executor::delivery

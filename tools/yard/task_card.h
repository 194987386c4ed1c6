#pragma once

#include <string>
#include <vector>

#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

// What a person wants to know of one task: where it stands and why, what was tried, where the time went. `events` may
// be empty; then there is no waterfall.
std::string TaskCard(const task_queue::v1::Task& task,
                     const google::protobuf::RepeatedPtrField<task_queue::v1::TaskEvent>& events,
                     const ViewTimes& times, const OutputStyle& style);

// Why it is where it is, in one sentence; empty when the state says it all.
std::string WhyText(const task_queue::v1::Task& task, const ViewTimes& times);

struct Stretch {
  // "queued", "held: backoff", "assigned", "running", "verifying".
  std::string name;
  absl::Time begin;
  absl::Time end;
};
// The life cut at changes of state, oldest first; the last one of a live task ends now.
std::vector<Stretch> Stretches(const google::protobuf::RepeatedPtrField<task_queue::v1::TaskEvent>& events,
                               absl::Time now);
// One bar per stretch on a common axis `width` columns wide.
std::string Waterfall(const std::vector<Stretch>& stretches, int width, bool color);

}  // namespace switchyard::yard

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

using AgentName = std::function<std::string(const std::string& agent_id)>;

// What a person wants to know of one task: where it stands and why, what was tried, where the time went. `events` may
// be empty; then there is no waterfall. `name_of` says what people call an agent.
std::string TaskCard(const task_queue::v1::Task& task,
                     const google::protobuf::RepeatedPtrField<task_queue::v1::TaskEvent>& events,
                     const ViewTimes& times, const OutputStyle& style, const AgentName& name_of);

// Why it is where it is, in one sentence; empty when the state says it all.
std::string WhyText(const task_queue::v1::Task& task, const ViewTimes& times);

struct Stretch {
  // "queued", "held: backoff", "assigned", "running", "loading", "generating", "blocked", "verifying", and at last
  // "succeeded" or another end.
  std::string name;
  absl::Time begin;
  absl::Time end;
  // The agent that has it, or why it is back.
  std::string detail;
  // The end: takes no time.
  bool moment = false;
};
// The life cut at changes of state, oldest first; the last one of a live task ends now.
std::vector<Stretch> Stretches(const google::protobuf::RepeatedPtrField<task_queue::v1::TaskEvent>& events,
                               absl::Time now, const AgentName& name_of);
// One line per stretch: when it began, its bar on a common axis `width` columns wide, how long it took, its detail.
std::string Waterfall(const std::vector<Stretch>& stretches, int width, bool color);

}  // namespace switchyard::yard

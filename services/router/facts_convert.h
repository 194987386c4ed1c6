// From the task queue's contract to what counts of a task, nothing else.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "services/router/task_facts.h"
#include "services/router/tiers.h"
#include "switchyard/task_queue/v1/spec.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::router {

// What an assignment was routed to, by its generation: for attempts that do not say what they used.
struct RoutedBefore {
  std::string model;
  std::string endpoint;
  int tier = 0;
  // It was settled, and on nothing.
  bool unused = false;
};
using RoutedByGeneration = std::map<std::int64_t, RoutedBefore>;

TaskFacts FromProto(const task_queue::v1::TaskSpec& spec, const RaisingWords& words);
TaskFacts FromProto(const task_queue::v1::Task& task, const RoutedByGeneration& routed, const RaisingWords& words);

}  // namespace switchyard::router

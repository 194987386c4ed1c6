// Tasks, events and lanes as tables.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/output.h"

namespace switchyard::yard {

struct ViewTimes {
  absl::Time now;
  TimeForm form = TimeForm::kRelative;
};

Table TaskTable(const google::protobuf::RepeatedPtrField<task_queue::v1::Task>& tasks, const ViewTimes& times);
Table DeadLetterTable(const google::protobuf::RepeatedPtrField<task_queue::v1::Task>& tasks, const ViewTimes& times);
Table EventTable(const google::protobuf::RepeatedPtrField<task_queue::v1::TaskEvent>& events, const ViewTimes& times);
Table LaneTable(const task_queue::v1::GetQueueStatsResponse& stats);
// "lane low: night build, by ada, 3m ago", one line per pause.
std::string PauseLines(const task_queue::v1::GetQueueStatsResponse& stats, const ViewTimes& times);

// One event as one line, for a stream on a terminal. `with_task` adds the id.
std::string EventLine(const task_queue::v1::TaskEvent& event, bool with_task, const OutputStyle& style);

// "running (generating): on agent-1, attempt 2": what happened, without the time.
std::string EventText(const task_queue::v1::TaskEvent& event);

}  // namespace switchyard::yard

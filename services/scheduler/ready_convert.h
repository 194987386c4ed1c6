#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/strings.h"
#include "services/scheduler/requirements.h"
#include "services/scheduler/route_source.h"
#include "services/scheduler/waiting_line.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::scheduler {

// From the ledger's message to the core's. Remembers requirements, since most tasks have those of others. Not
// thread-safe.
class ReadyConvert {
 public:
  // INVALID_ARGUMENT for what no ledger of ours sends. The answer borrows from the message and from this object, until
  // the next call.
  absl::StatusOr<ReadyTask> Convert(const task_queue::v1::ReadyTask& message, const Route& route);

 private:
  static constexpr std::size_t kRemembered = 10'000;

  std::string key_;
  StringMap<std::unique_ptr<const Requirements>> requirements_;
};

Requirements RequirementsOf(const task_queue::v1::ReadyTask& message, const std::vector<std::string>& of_route);

}  // namespace switchyard::scheduler

#pragma once

#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "switchyard/task_queue/v1/task_queue_service.pb.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

struct BulkOutcome {
  int matched = 0;
  google::protobuf::RepeatedPtrField<task_queue::v1::BulkResult> results;
};

struct BulkVerb {
  // "cancel", "cancelled".
  std::string_view verb;
  std::string_view done;
  // Which tasks a filter without a state is about.
  std::vector<task_queue::v1::TaskState> states;
  std::function<absl::StatusOr<BulkOutcome>(const task_queue::v1::TaskSelection&, bool dry_run)> call;
};

// Ids, or a filter whose count is shown, confirmed and sent along. Fails with the first item's failure when one was
// refused, after all results were printed.
absl::Status RunBulk(Session& session, const BulkVerb& verb);

}  // namespace switchyard::yard

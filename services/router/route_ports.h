// Whom the router asks, as its use cases see them.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/router/route_store.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::router {

// Calls block, for a bounded time. Thread-safe.
class CapacityPort {
 public:
  virtual ~CapacityPort() = default;
  virtual absl::StatusOr<model_registry::v1::ReserveCapacityResponse> Reserve(
      const model_registry::v1::ReserveCapacityRequest& request) = 0;
  virtual absl::StatusOr<model_registry::v1::RenewReservationsResponse> Renew(
      const model_registry::v1::RenewReservationsRequest& request) = 0;
  // Not waited for: what is not given back ends by itself.
  virtual void Release(const model_registry::v1::ReleaseCapacityRequest& request) = 0;
  // Not waited for: it is evidence, not truth.
  virtual void Observe(const model_registry::v1::ReportObservationsRequest& request) = 0;
};

// Thread-safe.
class TaskPort {
 public:
  virtual ~TaskPort() = default;
  // One answer for each, in order; NOT_FOUND (TASK_NOT_FOUND) for one that is gone. Blocks, for a bounded time.
  virtual std::vector<absl::StatusOr<task_queue::v1::Task>> Read(absl::Span<const TaskId> tasks) = 0;
};

}  // namespace switchyard::router

// A replica of the task queue: its core over a store that others share, behind calls and feeds of the simulation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/id.h"
#include "services/agent_hub/hub_messages.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/record_cache.h"
#include "services/task_queue/session_desk.h"
#include "services/task_queue/sweeper.h"
#include "services/task_queue/task_queue.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "tests/sim/faulty_store.h"
#include "tests/sim/gate.h"
#include "tests/sim/network.h"

namespace switchyard::sim {

class LedgerProcess final : public Process {
 public:
  struct Parts {
    task_queue::Rules rules;
    // Durable, shared by all replicas.
    task_queue::TaskStore* store = nullptr;
    IdSource* ids = nullptr;
    // A mutant: limits that pass are nobody's business.
    bool forgets_limits = false;
    // A mutant: who reports, and on which generation, is not asked.
    bool believes_everybody = false;
  };

  LedgerProcess(World& world, std::string name, int index, Parts parts);
  ~LedgerProcess() override;

  Gate& gate() { return gate_; }

  absl::StatusOr<task_queue::v1::AcquireShardsResponse> AcquireShards(
      const task_queue::v1::AcquireShardsRequest& request);
  absl::StatusOr<task_queue::v1::AssignTasksResponse> AssignTasks(const task_queue::v1::AssignTasksRequest& request);
  absl::StatusOr<task_queue::v1::ReportTasksResponse> ReportTasks(const task_queue::v1::ReportTasksRequest& request);
  absl::StatusOr<task_queue::v1::ReadReadyResponse> ReadReady(const task_queue::v1::ReadReadyRequest& request);
  absl::StatusOr<task_queue::v1::DescribeTaskResponse> DescribeTask(const task_queue::v1::DescribeTaskRequest& request);
  absl::StatusOr<task_queue::v1::OpenSessionResponse> OpenSession(const task_queue::v1::OpenSessionRequest& request);
  absl::StatusOr<task_queue::v1::ListAssignedResponse> ListAssigned(const task_queue::v1::ListAssignedRequest& request);
  absl::StatusOr<std::vector<std::string>> RenewSessions(
      const std::vector<std::pair<std::string, std::int64_t>>& sessions);
  absl::StatusOr<bool> Confirm(const task_queue::TaskId& id, std::int64_t generation);
  absl::StatusOr<task_queue::TaskId> Submit(const task_queue::Submission& submission);
  absl::StatusOr<task_queue::TaskState> Execute(const task_queue::Command& command);

  using ReadySink = std::function<void(task_queue::v1::WatchReadyResponse)>;
  using DirectiveSink = std::function<void(const task_queue::v1::WatchDirectivesResponse&)>;
  // Until the wire ends.
  void WatchReady(const task_queue::v1::WatchReadyRequest& request, std::shared_ptr<Wire> wire, ReadySink sink);
  void WatchDirectives(std::shared_ptr<Wire> wire, DirectiveSink sink);

 private:
  struct Core;

  void Boot() override;
  void Die() override;
  void Pump();
  void Push(const task_queue::TaskRecord& record);
  void Tell(const task_queue::v1::WatchDirectivesResponse& response);
  void SendDirectives();
  absl::StatusOr<task_queue::Executed> Do(task_queue::Command command);

  const Parts parts_;
  Gate gate_;
  std::unique_ptr<Core> core_;
};

}  // namespace switchyard::sim

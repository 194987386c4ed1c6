#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::agent_hub {

// A task queue of a few lines for tests of the hub: it knows who owns what, takes reports and can be away. Thread-safe.
class FakeLedger final : public task_queue::v1::TaskLedgerService::CallbackService {
 public:
  FakeLedger(rpc::CallGate& gate, const Clock& clock);

  // Assigns the task to the agent, generation by generation; what AssignTasks would have answered.
  task_queue::v1::AssignResult Assign(const std::string& task, const std::string& agent);
  // Calls fail with UNAVAILABLE.
  void SetAway(bool away);
  // Told to whoever watches now.
  void Direct(const task_queue::v1::Directive& directive);
  // Sessions are no longer renewed.
  void ForgetSessions();

  std::vector<task_queue::v1::TaskReport> reports() const;
  std::size_t watchers() const;

  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context,
                                        const task_queue::v1::OpenSessionRequest* request,
                                        task_queue::v1::OpenSessionResponse* response) override;
  grpc::ServerUnaryReactor* RenewSessions(grpc::CallbackServerContext* context,
                                          const task_queue::v1::RenewSessionsRequest* request,
                                          task_queue::v1::RenewSessionsResponse* response) override;
  grpc::ServerUnaryReactor* ReportTasks(grpc::CallbackServerContext* context,
                                        const task_queue::v1::ReportTasksRequest* request,
                                        task_queue::v1::ReportTasksResponse* response) override;
  grpc::ServerUnaryReactor* ListAssigned(grpc::CallbackServerContext* context,
                                         const task_queue::v1::ListAssignedRequest* request,
                                         task_queue::v1::ListAssignedResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmGeneration(grpc::CallbackServerContext* context,
                                              const task_queue::v1::ConfirmGenerationRequest* request,
                                              task_queue::v1::ConfirmGenerationResponse* response) override;
  grpc::ServerWriteReactor<task_queue::v1::WatchDirectivesResponse>* WatchDirectives(
      grpc::CallbackServerContext* context, const task_queue::v1::WatchDirectivesRequest* request) override;

 private:
  struct Owned {
    std::string agent;
    std::int64_t generation = 0;
    bool accepted = false;
  };

  absl::Status Presence() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  task_queue::v1::AssignResult Describe(const std::string& task, const Owned& owned) const;

  rpc::Handlers rpc_;
  const Clock& clock_;
  mutable Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Owned> owned_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> sessions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> connections_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<task_queue::v1::TaskReport> reports_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<rpc::ServerStream<task_queue::v1::WatchDirectivesResponse>>> watchers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::agent_hub

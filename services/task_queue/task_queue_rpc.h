#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/raw_service.h"
#include "services/task_queue/bulk.h"
#include "services/task_queue/lane_weights.h"
#include "services/task_queue/ready_feed.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_queue_meter.h"
#include "services/task_queue/task_store.h"
#include "services/task_queue/watch_hub.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"

namespace switchyard::task_queue {

// What the calls of both services need. All is borrowed and outlives them.
struct RpcDeps {
  TaskStore& store;
  // For what people read and choose: the same tasks over sessions of its own, so that however much is read, what keeps
  // leases and sessions alive never waits behind it.
  TaskStore& reads;
  TaskLanes& lanes;
  WatchHub& watchers;
  ReadyFeed& ready;
  // Where calls that wait for the store run.
  Executor& blocking;
  // Where those on `reads` do.
  Executor& reading;
  const Clock& clock;
  TaskQueueMeter& meter;
  const LaneWeights& weights;
};

// Serves TaskQueueService: validates, converts, calls, converts. Thread-safe.
class TaskQueueRpc final : public rpc::RawService<v1::TaskQueueService::CallbackService> {
 public:
  TaskQueueRpc(rpc::CallGate& gate, const RpcDeps& deps);

  grpc::ServerUnaryReactor* SubmitTask(grpc::CallbackServerContext* context, const v1::SubmitTaskRequest* request,
                                       v1::SubmitTaskResponse* response) override;
  grpc::ServerUnaryReactor* SubmitTasks(grpc::CallbackServerContext* context, const v1::SubmitTasksRequest* request,
                                        v1::SubmitTasksResponse* response) override;
  grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context, const v1::GetTaskRequest* request,
                                    v1::GetTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context, const v1::ListTasksRequest* request,
                                      v1::ListTasksResponse* response) override;
  grpc::ServerUnaryReactor* ListTaskEvents(grpc::CallbackServerContext* context,
                                           const v1::ListTaskEventsRequest* request,
                                           v1::ListTaskEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchTasksResponse>* WatchTasks(grpc::CallbackServerContext* context,
                                                               const v1::WatchTasksRequest* request) override;
  grpc::ServerUnaryReactor* CancelTasks(grpc::CallbackServerContext* context, const v1::CancelTasksRequest* request,
                                        v1::CancelTasksResponse* response) override;
  grpc::ServerUnaryReactor* RetryTasks(grpc::CallbackServerContext* context, const v1::RetryTasksRequest* request,
                                       v1::RetryTasksResponse* response) override;
  grpc::ServerUnaryReactor* PauseQueue(grpc::CallbackServerContext* context, const v1::PauseQueueRequest* request,
                                       v1::PauseQueueResponse* response) override;
  grpc::ServerUnaryReactor* ResumeQueue(grpc::CallbackServerContext* context, const v1::ResumeQueueRequest* request,
                                        v1::ResumeQueueResponse* response) override;
  grpc::ServerUnaryReactor* AnswerTask(grpc::CallbackServerContext* context, const v1::AnswerTaskRequest* request,
                                       v1::AnswerTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context,
                                            const v1::ListDeadLettersRequest* request,
                                            v1::ListDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* DiscardDeadLetters(grpc::CallbackServerContext* context,
                                               const v1::DiscardDeadLettersRequest* request,
                                               v1::DiscardDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* GetQueueStats(grpc::CallbackServerContext* context, const v1::GetQueueStatsRequest* request,
                                          v1::GetQueueStatsResponse* response) override;

 private:
  Submission ToSubmission(const rpc::CallContext& call, const v1::SubmitTaskRequest& request) const;

  rpc::Handlers rpc_;
  const RpcDeps deps_;
  BulkChanges bulk_;
  const rpc::Method& submit_ = rpc_.Find("SubmitTask");
  const rpc::Method& submit_many_ = rpc_.Find("SubmitTasks");
  const rpc::Method& get_ = rpc_.Find("GetTask");
  const rpc::Method& list_ = rpc_.Find("ListTasks");
  const rpc::Method& events_ = rpc_.Find("ListTaskEvents");
  const rpc::Method& watch_ = rpc_.Find("WatchTasks");
  const rpc::Method& cancel_ = rpc_.Find("CancelTasks");
  const rpc::Method& retry_ = rpc_.Find("RetryTasks");
  const rpc::Method& pause_ = rpc_.Find("PauseQueue");
  const rpc::Method& resume_ = rpc_.Find("ResumeQueue");
  const rpc::Method& answer_ = rpc_.Find("AnswerTask");
  const rpc::Method& dead_ = rpc_.Find("ListDeadLetters");
  const rpc::Method& discard_ = rpc_.Find("DiscardDeadLetters");
  const rpc::Method& stats_ = rpc_.Find("GetQueueStats");
};

}  // namespace switchyard::task_queue

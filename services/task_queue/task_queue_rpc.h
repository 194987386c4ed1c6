#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/rpc/handler.h"
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

// Whatever carries text of people is taken raw, so that text which is no UTF-8 is answered like every other fault.
using TaskQueueServiceBase = v1::TaskQueueService::WithRawCallbackMethod_SubmitTask<
    v1::TaskQueueService::WithRawCallbackMethod_SubmitTasks<v1::TaskQueueService::WithRawCallbackMethod_ListTasks<
        v1::TaskQueueService::WithRawCallbackMethod_CancelTasks<v1::TaskQueueService::WithRawCallbackMethod_RetryTasks<
            v1::TaskQueueService::WithRawCallbackMethod_PauseQueue<
                v1::TaskQueueService::WithRawCallbackMethod_ResumeQueue<
                    v1::TaskQueueService::WithRawCallbackMethod_AnswerTask<
                        v1::TaskQueueService::WithRawCallbackMethod_ListDeadLetters<
                            v1::TaskQueueService::WithRawCallbackMethod_DiscardDeadLetters<
                                v1::TaskQueueService::CallbackService>>>>>>>>>>;

// Serves TaskQueueService: validates, converts, calls, converts. Thread-safe.
class TaskQueueRpc final : public TaskQueueServiceBase {
 public:
  TaskQueueRpc(rpc::CallGate& gate, const RpcDeps& deps);

  // Bytes of the request and of the response that each is called after.
  grpc::ServerUnaryReactor* SubmitTask(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* SubmitTasks(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context, const v1::GetTaskRequest* request,
                                    v1::GetTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListTaskEvents(grpc::CallbackServerContext* context,
                                           const v1::ListTaskEventsRequest* request,
                                           v1::ListTaskEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchTasksResponse>* WatchTasks(grpc::CallbackServerContext* context,
                                                               const v1::WatchTasksRequest* request) override;
  grpc::ServerUnaryReactor* CancelTasks(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RetryTasks(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PauseQueue(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ResumeQueue(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* AnswerTask(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DiscardDeadLetters(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) override;
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

#include "services/task_queue/task_queue_rpc.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/request_validation.h"
#include "services/task_queue/spec_convert.h"
#include "services/task_queue/task_convert.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kPageBytes = 2u << 20;
constexpr rpc::StreamLimits kWatchLimits{.max_messages = 256, .max_bytes = 8u << 20};

const std::vector<TaskState> kLiveStates = {TaskState::kQueued, TaskState::kAssigned, TaskState::kRunning,
                                            TaskState::kVerifying};
const std::vector<TaskState> kDeadStates = {TaskState::kDeadLetter};

absl::Status Refusal(std::vector<FieldViolation> violations) {
  return violations.empty() ? absl::OkStatus() : InvalidFields(std::move(violations));
}

void Fill(const Submitted& submitted, v1::SubmitTaskResponse& response) {
  response.set_task_id(submitted.id.ToString());
  Set(submitted.create_time, response.mutable_create_time());
  response.set_replayed(submitted.replayed);
}

int PageSize(int asked) { return asked == 0 ? kUsualPageSize : asked; }

absl::StatusOr<std::optional<TaskId>> ParsePageToken(const std::string& token) {
  if (token.empty()) return std::nullopt;
  const absl::StatusOr<TaskId> id = TaskId::Parse(token);
  if (!id.ok()) return InvalidFields({{.field = "page_token", .description = "not one that this service gave out"}});
  return *id;
}

// Until it is large enough for the 4 MiB that clients take by default.
template <class Response>
absl::Status FillPage(const TaskPage& page, Response& response) {
  std::size_t bytes = 0;
  for (const StoredTask& task : page.tasks) {
    if (bytes >= kPageBytes) {
      response.set_next_page_token(response.tasks().rbegin()->id());
      return absl::OkStatus();
    }
    v1::Task& out = *response.add_tasks();
    SY_RETURN_IF_ERROR(ToProto(task, TaskView::kList, &out));
    bytes += out.ByteSizeLong();
  }
  if (page.next.has_value()) response.set_next_page_token(page.next->ToString());
  return absl::OkStatus();
}

ReadOptions Within(const rpc::CallContext& call) { return {.within = call.remaining(), .max_spec_bytes = kPageBytes}; }

}  // namespace

TaskQueueRpc::TaskQueueRpc(rpc::CallGate& gate, const RpcDeps& deps)
    : rpc_(gate, v1::TaskQueueService::service_full_name()), deps_(deps), bulk_(deps.reads, deps.lanes) {
  TakeRaw(rpc_, &TaskQueueRpc::SubmitTask, &TaskQueueRpc::SubmitTasks, &TaskQueueRpc::GetTask, &TaskQueueRpc::ListTasks,
          &TaskQueueRpc::ListTaskEvents, &TaskQueueRpc::WatchTasks, &TaskQueueRpc::CancelTasks,
          &TaskQueueRpc::RetryTasks, &TaskQueueRpc::PauseQueue, &TaskQueueRpc::ResumeQueue, &TaskQueueRpc::AnswerTask,
          &TaskQueueRpc::ListDeadLetters, &TaskQueueRpc::DiscardDeadLetters, &TaskQueueRpc::GetQueueStats);
}

Submission TaskQueueRpc::ToSubmission(const rpc::CallContext& call, const v1::SubmitTaskRequest& request) const {
  Submission submission;
  NewTask& task = submission.task;
  task.request_id = request.request_id();
  if (!task.request_id.empty()) task.content_hash = ContentHash(request.spec());
  v1::TaskSpec spec = request.spec();
  ApplyDefaults(&spec);
  FillFromSpec(spec, &task);
  task.record.principal = call.principal().id;
  task.traceparent = call.trace().Format();
  submission.start_time = StartTimeOf(spec);
  submission.wanted_until = call.deadline();
  return submission;
}

grpc::ServerUnaryReactor* TaskQueueRpc::SubmitTask(grpc::CallbackServerContext* context,
                                                   const v1::SubmitTaskRequest* request,
                                                   v1::SubmitTaskResponse* response) {
  return rpc_.Unary(context, submit_, request, response,
                    [this](const rpc::CallContext& call, const v1::SubmitTaskRequest& request,
                           v1::SubmitTaskResponse& response, rpc::Done done) {
                      const absl::Time start = call.start();
                      absl::Status refusal = Refusal(Validate(request, start));
                      if (!refusal.ok()) return done(refusal);
                      deps_.lanes.Submit(ToSubmission(call, request),
                                         [this, start, &response,
                                          done = std::move(done)](const absl::StatusOr<Submitted>& submitted) mutable {
                                           if (!submitted.ok()) return done(submitted.status());
                                           Fill(*submitted, response);
                                           deps_.meter.Submitted(deps_.clock.Now() - start);
                                           done(absl::OkStatus());
                                         });
                    });
}

grpc::ServerUnaryReactor* TaskQueueRpc::SubmitTasks(grpc::CallbackServerContext* context,
                                                    const v1::SubmitTasksRequest* request,
                                                    v1::SubmitTasksResponse* response) {
  return rpc_.Unary(
      context, submit_many_, request, response,
      [this](const rpc::CallContext& call, const v1::SubmitTasksRequest& request, v1::SubmitTasksResponse& response,
             rpc::Done done) {
        const absl::Time start = call.start();
        absl::Status refusal = Refusal(Validate(request, start));
        if (!refusal.ok()) return done(refusal);
        const auto answer = std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
        auto gather = std::make_shared<Gather<Submitted>>(
            request.tasks_size(), [this, start, &response, answer](Gather<Submitted>::Answers answers) {
              // What failed for the call as a whole fails the call: whether something was stored nobody can tell, or
              // nothing was, for want of room or of time.
              const auto refused = [](const absl::StatusOr<Submitted>& submitted) {
                return absl::IsResourceExhausted(submitted.status()) || absl::IsDeadlineExceeded(submitted.status());
              };
              if (std::all_of(answers.begin(), answers.end(), refused)) return (*answer)(answers.front().status());
              for (const absl::StatusOr<Submitted>& submitted : answers) {
                if (absl::IsUnavailable(submitted.status())) return (*answer)(submitted.status());
              }
              for (const absl::StatusOr<Submitted>& submitted : answers) {
                v1::SubmitTasksResult& result = *response.add_results();
                if (submitted.ok()) {
                  Fill(*submitted, *result.mutable_task());
                } else {
                  ToProto(submitted.status(), result.mutable_error());
                }
              }
              deps_.meter.Submitted(deps_.clock.Now() - start);
              (*answer)(absl::OkStatus());
            });
        for (int i = 0; i < request.tasks_size(); ++i) {
          deps_.lanes.Submit(ToSubmission(call, request.tasks(i)), [gather, i](absl::StatusOr<Submitted> submitted) {
            gather->Set(i, std::move(submitted));
          });
        }
      });
}

grpc::ServerUnaryReactor* TaskQueueRpc::GetTask(grpc::CallbackServerContext* context, const v1::GetTaskRequest* request,
                                                v1::GetTaskResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.reading, context, get_, request, response,
                            [this](const rpc::CallContext& call, const v1::GetTaskRequest& request,
                                   v1::GetTaskResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(Refusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              SY_ASSIGN_OR_RETURN(const StoredTask task, deps_.reads.Get(id, Within(call)));
                              return ToProto(task, TaskView::kFull, response.mutable_task());
                            });
}

grpc::ServerUnaryReactor* TaskQueueRpc::ListTasks(grpc::CallbackServerContext* context,
                                                  const v1::ListTasksRequest* request,
                                                  v1::ListTasksResponse* response) {
  return rpc::BlockingUnary(
      rpc_, deps_.reading, context, list_, request, response,
      [this](const rpc::CallContext& call, const v1::ListTasksRequest& request,
             v1::ListTasksResponse& response) -> absl::Status {
        SY_RETURN_IF_ERROR(Refusal(Validate(request)));
        SY_ASSIGN_OR_RETURN(const std::optional<TaskId> cursor, ParsePageToken(request.page_token()));
        SY_ASSIGN_OR_RETURN(const TaskPage page,
                            deps_.reads.List(ToFilter(request.filter()), request.order() != v1::LIST_ORDER_OLDEST_FIRST,
                                             cursor, PageSize(request.page_size()), Within(call)));
        return FillPage(page, response);
      });
}

grpc::ServerUnaryReactor* TaskQueueRpc::ListTaskEvents(grpc::CallbackServerContext* context,
                                                       const v1::ListTaskEventsRequest* request,
                                                       v1::ListTaskEventsResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.reading, context, events_, request, response,
                            [this](const rpc::CallContext& call, const v1::ListTaskEventsRequest& request,
                                   v1::ListTaskEventsResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(Refusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              SY_ASSIGN_OR_RETURN(const StoredTask task, deps_.reads.Get(id, Within(call)));
                              for (const TaskEvent& event : task.record.timeline) {
                                ToProto(task.record, event, response.add_events());
                              }
                              response.set_omitted(task.record.omitted_events);
                              return absl::OkStatus();
                            });
}

grpc::ServerWriteReactor<v1::WatchTasksResponse>* TaskQueueRpc::WatchTasks(grpc::CallbackServerContext* context,
                                                                           const v1::WatchTasksRequest* request) {
  return rpc_.Stream<v1::WatchTasksResponse>(context, watch_, request, kWatchLimits,
                                             [this](const rpc::CallContext&, const v1::WatchTasksRequest& request,
                                                    std::shared_ptr<WatchHub::Stream> stream) -> absl::Status {
                                               SY_RETURN_IF_ERROR(Refusal(Validate(request)));
                                               return deps_.watchers.Open(request, std::move(stream));
                                             });
}

namespace {

// The steps that all bulk calls share: select, count, apply, answer item by item.
template <class Request, class Response>
void RunBulk(BulkChanges& bulk, Executor& reading, const rpc::CallContext& call, const Request& request,
             Response& response, rpc::Done done, std::vector<TaskState> states,
             std::function<Command(const TaskId&)> make) {
  if (absl::Status refusal = Refusal(Validate(request)); !refusal.ok()) return done(refusal);
  const auto answer = std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
  const absl::Status taken =
      reading.Run([&bulk, &call, &request, &response, answer, states = std::move(states), make = std::move(make)] {
        const auto patience = [&]() -> absl::StatusOr<absl::Duration> {
          if (answer->IsCancelled()) return absl::CancelledError("the client has gone");
          return call.remaining();
        };
        const absl::StatusOr<std::vector<TaskId>> tasks =
            bulk.Select(request.selection(), states, !request.dry_run(), patience);
        if (!tasks.ok()) return (*answer)(tasks.status());
        response.set_matched(static_cast<int>(tasks->size()));
        if (request.dry_run()) return (*answer)(absl::OkStatus());
        bulk.Apply(*tasks, make, call.deadline(),
                   [&response, answer, ids = *tasks](const std::vector<absl::StatusOr<Executed>>& results) {
                     for (std::size_t i = 0; i < ids.size(); ++i) {
                       v1::BulkResult& result = *response.add_results();
                       result.set_task_id(ids[i].ToString());
                       if (!results[i].ok()) ToProto(results[i].status(), result.mutable_error());
                     }
                     (*answer)(absl::OkStatus());
                   });
      });
  if (!taken.ok()) (*answer)(taken);
}

}  // namespace

grpc::ServerUnaryReactor* TaskQueueRpc::CancelTasks(grpc::CallbackServerContext* context,
                                                    const v1::CancelTasksRequest* request,
                                                    v1::CancelTasksResponse* response) {
  return rpc_.Unary(context, cancel_, request, response,
                    [this](const rpc::CallContext& call, const v1::CancelTasksRequest& request,
                           v1::CancelTasksResponse& response, rpc::Done done) {
                      LogInfo("cancel", {{"by", call.principal().name}, {"dry_run", request.dry_run()}});
                      RunBulk(bulk_, deps_.reading, call, request, response, std::move(done), kLiveStates,
                              [reason = request.reason()](const TaskId& id) {
                                return Command{id, Cancel{reason}};
                              });
                    });
}

grpc::ServerUnaryReactor* TaskQueueRpc::RetryTasks(grpc::CallbackServerContext* context,
                                                   const v1::RetryTasksRequest* request,
                                                   v1::RetryTasksResponse* response) {
  return rpc_.Unary(context, retry_, request, response,
                    [this](const rpc::CallContext& call, const v1::RetryTasksRequest& request,
                           v1::RetryTasksResponse& response, rpc::Done done) {
                      LogInfo("retry", {{"by", call.principal().name}, {"dry_run", request.dry_run()}});
                      RunBulk(bulk_, deps_.reading, call, request, response, std::move(done), kDeadStates,
                              [](const TaskId& id) {
                                return Command{id, Retry{}};
                              });
                    });
}

grpc::ServerUnaryReactor* TaskQueueRpc::DiscardDeadLetters(grpc::CallbackServerContext* context,
                                                           const v1::DiscardDeadLettersRequest* request,
                                                           v1::DiscardDeadLettersResponse* response) {
  return rpc_.Unary(context, discard_, request, response,
                    [this](const rpc::CallContext& call, const v1::DiscardDeadLettersRequest& request,
                           v1::DiscardDeadLettersResponse& response, rpc::Done done) {
                      LogInfo("discard", {{"by", call.principal().name}, {"dry_run", request.dry_run()}});
                      RunBulk(bulk_, deps_.reading, call, request, response, std::move(done), kDeadStates,
                              [reason = request.reason()](const TaskId& id) {
                                return Command{id, Discard{reason}};
                              });
                    });
}

grpc::ServerUnaryReactor* TaskQueueRpc::PauseQueue(grpc::CallbackServerContext* context,
                                                   const v1::PauseQueueRequest* request,
                                                   v1::PauseQueueResponse* response) {
  return rpc_.Unary(
      context, pause_, request, response,
      [this](const rpc::CallContext& call, const v1::PauseQueueRequest& request, v1::PauseQueueResponse&,
             rpc::Done done) {
        if (absl::Status refusal = Refusal(Validate(request)); !refusal.ok()) return done(refusal);
        LogInfo("pause", {{"by", call.principal().name}, {"target", request.target().ShortDebugString()}});
        if (request.target().has_task_id()) {
          const absl::StatusOr<TaskId> id = TaskId::Parse(request.target().task_id());
          if (!id.ok()) return done(id.status());
          return deps_.lanes.Execute(
              {*id, PauseOne{request.reason()}, call.deadline()},
              [done = std::move(done)](const absl::StatusOr<Executed>& executed) mutable { done(executed.status()); });
        }
        const auto answer = std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
        const absl::Status taken = deps_.blocking.Run([this, &call, &request, answer] {
          if (answer->IsCancelled()) return (*answer)(absl::CancelledError("the client has gone"));
          const absl::StatusOr<PauseEntry> entry =
              ToPauseEntry(request.target(), request.reason(), call.principal().name, deps_.clock.Now());
          absl::Status status = entry.ok() ? deps_.store.Pause(*entry) : entry.status();
          if (status.ok()) status = deps_.ready.RefreshPauses();
          (*answer)(status);
        });
        if (!taken.ok()) (*answer)(taken);
      });
}

grpc::ServerUnaryReactor* TaskQueueRpc::ResumeQueue(grpc::CallbackServerContext* context,
                                                    const v1::ResumeQueueRequest* request,
                                                    v1::ResumeQueueResponse* response) {
  return rpc_.Unary(
      context, resume_, request, response,
      [this](const rpc::CallContext& call, const v1::ResumeQueueRequest& request, v1::ResumeQueueResponse& response,
             rpc::Done done) {
        if (absl::Status refusal = Refusal(Validate(request)); !refusal.ok()) return done(refusal);
        LogInfo("resume", {{"by", call.principal().name}, {"target", request.target().ShortDebugString()}});
        if (request.target().has_task_id()) {
          const absl::StatusOr<TaskId> id = TaskId::Parse(request.target().task_id());
          if (!id.ok()) return done(id.status());
          return deps_.lanes.Execute(
              {*id, ResumeOne{}, call.deadline()},
              [&response, done = std::move(done)](const absl::StatusOr<Executed>& executed) mutable {
                if (executed.ok()) response.set_was_paused(executed->record != nullptr);
                done(executed.status());
              });
        }
        const auto answer = std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
        const absl::Status taken = deps_.blocking.Run([this, &request, &response, answer] {
          if (answer->IsCancelled()) return (*answer)(absl::CancelledError("the client has gone"));
          const absl::StatusOr<PauseEntry> entry = ToPauseEntry(request.target(), "", "", deps_.clock.Now());
          if (!entry.ok()) return (*answer)(entry.status());
          const absl::StatusOr<bool> was = deps_.store.Resume(entry->kind, entry->key);
          if (!was.ok()) return (*answer)(was.status());
          response.set_was_paused(*was);
          (*answer)(deps_.ready.RefreshPauses());
        });
        if (!taken.ok()) (*answer)(taken);
      });
}

grpc::ServerUnaryReactor* TaskQueueRpc::AnswerTask(grpc::CallbackServerContext* context,
                                                   const v1::AnswerTaskRequest* request,
                                                   v1::AnswerTaskResponse* response) {
  return rpc_.Unary(context, answer_, request, response,
                    [this](const rpc::CallContext& call, const v1::AnswerTaskRequest& request,
                           v1::AnswerTaskResponse& response, rpc::Done done) {
                      if (absl::Status refusal = Refusal(Validate(request)); !refusal.ok()) return done(refusal);
                      const absl::StatusOr<TaskId> id = TaskId::Parse(request.task_id());
                      if (!id.ok()) return done(id.status());
                      LogInfo("answer", {{"by", call.principal().name}, {"task", request.task_id()}});
                      deps_.lanes.Execute(
                          {*id, Answer{request.answer()}, call.deadline()},
                          [&response, done = std::move(done)](const absl::StatusOr<Executed>& executed) mutable {
                            if (executed.ok()) response.set_state(static_cast<v1::TaskState>(executed->state));
                            done(executed.status());
                          });
                    });
}

grpc::ServerUnaryReactor* TaskQueueRpc::ListDeadLetters(grpc::CallbackServerContext* context,
                                                        const v1::ListDeadLettersRequest* request,
                                                        v1::ListDeadLettersResponse* response) {
  return rpc::BlockingUnary(
      rpc_, deps_.reading, context, dead_, request, response,
      [this](const rpc::CallContext& call, const v1::ListDeadLettersRequest& request,
             v1::ListDeadLettersResponse& response) -> absl::Status {
        SY_RETURN_IF_ERROR(Refusal(Validate(request)));
        SY_ASSIGN_OR_RETURN(const std::optional<TaskId> cursor, ParsePageToken(request.page_token()));
        TaskFilter filter = ToFilter(request.filter());
        filter.states = kDeadStates;
        SY_ASSIGN_OR_RETURN(const TaskPage page, deps_.reads.List(filter, /*newest_first=*/true, cursor,
                                                                  PageSize(request.page_size()), Within(call)));
        if (!cursor.has_value()) {
          SY_ASSIGN_OR_RETURN(const auto counts, deps_.reads.CountDeadByModel(Within(call)));
          for (const auto& [model, count] : counts) {
            (*response.mutable_count_by_model())[model] = count;
          }
        }
        return FillPage(page, response);
      });
}

grpc::ServerUnaryReactor* TaskQueueRpc::GetQueueStats(grpc::CallbackServerContext* context,
                                                      const v1::GetQueueStatsRequest* request,
                                                      v1::GetQueueStatsResponse* response) {
  return rpc::BlockingUnary(
      rpc_, deps_.reading, context, stats_, request, response,
      [this](const rpc::CallContext& call, const v1::GetQueueStatsRequest&, v1::GetQueueStatsResponse& response) {
        return [&]() -> absl::Status {
          // That store knows where the fronts of the ready lists are.
          SY_ASSIGN_OR_RETURN(const std::vector<StageCounts> counts, deps_.store.CountByLane(Within(call)));
          SY_ASSIGN_OR_RETURN(const std::vector<PauseEntry> pauses, deps_.store.Pauses());
          const absl::Time now = deps_.clock.Now();
          for (int lane = 1; lane <= kLaneCount; ++lane) {
            const bool paused = std::any_of(pauses.begin(), pauses.end(), [lane](const PauseEntry& entry) {
              return LaneOf(entry) == static_cast<v1::Lane>(lane);
            });
            ToProto(static_cast<Lane>(lane), counts[lane - 1], paused, deps_.weights.by_lane[lane], now,
                    response.add_lanes());
          }
          for (const PauseEntry& entry : pauses) ToProto(entry, response.add_pauses());
          Set(now, response.mutable_as_of());
          return absl::OkStatus();
        }();
      });
}

}  // namespace switchyard::task_queue

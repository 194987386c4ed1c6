// Services in memory, as far as the commands of yard can tell them from the real ones.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/server_stream.h"
#include "switchyard/admin/v1/process_service.grpc.pb.h"
#include "switchyard/identity/v1/identity_service.grpc.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"

namespace switchyard::yard {

// Thread-safe.
class FakeTaskQueue final : public task_queue::v1::TaskQueueService::CallbackService {
 public:
  explicit FakeTaskQueue(rpc::CallGate& gate);

  // Adds a task in that state, with the events of its life so far.
  void Add(const std::string& id, task_queue::v1::TaskState state, const std::string& title = "");
  // Appends an event, changes the task's state to the event's and tells the watchers.
  void Happen(const std::string& id, task_queue::v1::EventKind kind, task_queue::v1::TaskState state,
              const std::string& cause = "");
  // The same with all that the event says; its ordinal and its time are set here.
  void Happen(task_queue::v1::TaskEvent event);
  // Changes a task at will.
  void Edit(const std::string& id, const std::function<void(task_queue::v1::Task&)>& edit);
  // A submitted task ends like this as soon as somebody watches it.
  void SetFate(task_queue::v1::TaskState fate);
  // The next watches end at once with UNAVAILABLE.
  void DropNextWatches(int count);
  // WatchTasks answers UNIMPLEMENTED.
  void ForbidWatch();
  // Between count and action the number of matches changes.
  void ChangeCounts();

  std::vector<task_queue::v1::SubmitTaskRequest> submissions() const;
  // By task.
  std::string answer(const std::string& id) const;
  task_queue::v1::Task task(const std::string& id) const;
  std::string paused() const;
  int watches() const;

  using Context = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* SubmitTask(Context*, const task_queue::v1::SubmitTaskRequest*,
                                       task_queue::v1::SubmitTaskResponse*) override;
  grpc::ServerUnaryReactor* SubmitTasks(Context*, const task_queue::v1::SubmitTasksRequest*,
                                        task_queue::v1::SubmitTasksResponse*) override;
  grpc::ServerUnaryReactor* GetTask(Context*, const task_queue::v1::GetTaskRequest*,
                                    task_queue::v1::GetTaskResponse*) override;
  grpc::ServerUnaryReactor* ListTasks(Context*, const task_queue::v1::ListTasksRequest*,
                                      task_queue::v1::ListTasksResponse*) override;
  grpc::ServerUnaryReactor* ListTaskEvents(Context*, const task_queue::v1::ListTaskEventsRequest*,
                                           task_queue::v1::ListTaskEventsResponse*) override;
  grpc::ServerWriteReactor<task_queue::v1::WatchTasksResponse>* WatchTasks(
      Context*, const task_queue::v1::WatchTasksRequest*) override;
  grpc::ServerUnaryReactor* CancelTasks(Context*, const task_queue::v1::CancelTasksRequest*,
                                        task_queue::v1::CancelTasksResponse*) override;
  grpc::ServerUnaryReactor* RetryTasks(Context*, const task_queue::v1::RetryTasksRequest*,
                                       task_queue::v1::RetryTasksResponse*) override;
  grpc::ServerUnaryReactor* DiscardDeadLetters(Context*, const task_queue::v1::DiscardDeadLettersRequest*,
                                               task_queue::v1::DiscardDeadLettersResponse*) override;
  grpc::ServerUnaryReactor* PauseQueue(Context*, const task_queue::v1::PauseQueueRequest*,
                                       task_queue::v1::PauseQueueResponse*) override;
  grpc::ServerUnaryReactor* ResumeQueue(Context*, const task_queue::v1::ResumeQueueRequest*,
                                        task_queue::v1::ResumeQueueResponse*) override;
  grpc::ServerUnaryReactor* AnswerTask(Context*, const task_queue::v1::AnswerTaskRequest*,
                                       task_queue::v1::AnswerTaskResponse*) override;
  grpc::ServerUnaryReactor* ListDeadLetters(Context*, const task_queue::v1::ListDeadLettersRequest*,
                                            task_queue::v1::ListDeadLettersResponse*) override;
  grpc::ServerUnaryReactor* GetQueueStats(Context*, const task_queue::v1::GetQueueStatsRequest*,
                                          task_queue::v1::GetQueueStatsResponse*) override;

 private:
  using Stream = rpc::ServerStream<task_queue::v1::WatchTasksResponse>;

  absl::Status Store(const task_queue::v1::SubmitTaskRequest& request, task_queue::v1::SubmitTaskResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(const std::string& id, task_queue::v1::EventKind kind, task_queue::v1::TaskState state,
              const std::string& cause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(task_queue::v1::TaskEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The shape of all bulk calls: count, compare, change the state of each to `after`.
  template <class Request, class Response>
  absl::Status Bulk(const Request& request, Response& response, task_queue::v1::TaskState after);
  template <class Request, class Response>
  void Page(const Request& request, Response& response, bool dead_only);

  rpc::Handlers rpc_;
  mutable Mutex mutex_;
  std::map<std::string, task_queue::v1::Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<task_queue::v1::TaskEvent>> events_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> by_request_ ABSL_GUARDED_BY(mutex_);
  std::vector<task_queue::v1::SubmitTaskRequest> submissions_ ABSL_GUARDED_BY(mutex_);
  // Shared with the calls themselves.
  std::vector<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  task_queue::v1::TaskState fate_ ABSL_GUARDED_BY(mutex_) = task_queue::v1::TASK_STATE_UNSPECIFIED;
  int drops_ ABSL_GUARDED_BY(mutex_) = 0;
  int watches_ ABSL_GUARDED_BY(mutex_) = 0;
  bool no_watch_ ABSL_GUARDED_BY(mutex_) = false;
  bool change_counts_ ABSL_GUARDED_BY(mutex_) = false;
  std::string paused_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> answers_ ABSL_GUARDED_BY(mutex_);
};

class FakeIdentity final : public identity::v1::IdentityService::CallbackService {
 public:
  explicit FakeIdentity(rpc::CallGate& gate) : rpc_(gate, identity::v1::IdentityService::service_full_name()) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* IssueToken(Context*, const identity::v1::IssueTokenRequest*,
                                       identity::v1::IssueTokenResponse*) override;
  grpc::ServerUnaryReactor* RotateToken(Context*, const identity::v1::RotateTokenRequest*,
                                        identity::v1::RotateTokenResponse*) override;
  grpc::ServerUnaryReactor* RevokeToken(Context*, const identity::v1::RevokeTokenRequest*,
                                        identity::v1::RevokeTokenResponse*) override;
  grpc::ServerUnaryReactor* ListTokens(Context*, const identity::v1::ListTokensRequest*,
                                       identity::v1::ListTokensResponse*) override;
  grpc::ServerUnaryReactor* GetSelf(Context*, const identity::v1::GetSelfRequest*,
                                    identity::v1::GetSelfResponse*) override;

 private:
  rpc::Handlers rpc_;
  Mutex mutex_;
  std::vector<identity::v1::Token> tokens_ ABSL_GUARDED_BY(mutex_);
};

// Of version "9.9.9", so none that yard has.
class FakeProcess final : public admin::v1::ProcessService::CallbackService {
 public:
  explicit FakeProcess(rpc::CallGate& gate) : rpc_(gate, admin::v1::ProcessService::service_full_name()) {}

  grpc::ServerUnaryReactor* GetProcess(grpc::CallbackServerContext*, const admin::v1::GetProcessRequest*,
                                       admin::v1::GetProcessResponse*) override;

 private:
  rpc::Handlers rpc_;
};

}  // namespace switchyard::yard

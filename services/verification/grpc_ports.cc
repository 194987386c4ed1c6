#include "services/verification/grpc_ports.h"

#include <optional>
#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/retry.h"

namespace switchyard::verification {
namespace {

namespace tq = task_queue::v1;
using LedgerStub = tq::TaskLedgerService::StubInterface;
using LedgerAsync = tq::TaskLedgerService::StubInterface::async_interface;
using QueueStub = tq::TaskQueueService::StubInterface;
using QueueAsync = tq::TaskQueueService::StubInterface::async_interface;

constexpr int kMostCancels = 100;

absl::Status NotConnected() {
  return MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED", "not connected to the task queue");
}

rpc::CallOptions Options(absl::Duration timeout) { return {.timeout = timeout, .idempotent = true, .trace = {}}; }

// Answers in order of the questions, from whichever thread brings them.
template <class Answer>
class Gathering {
 public:
  Gathering(std::size_t count, std::size_t at_once) : answers_(count), at_once_(at_once) {}

  // The next question to be asked; nothing when all were. Waits while too many are under way.
  std::optional<std::size_t> Next() {
    MutexLock lock(mutex_);
    while (under_way_ >= at_once_) changed_.Wait(mutex_);
    if (next_ == answers_.size()) return std::nullopt;
    ++under_way_;
    return next_++;
  }
  void Take(std::size_t index, absl::StatusOr<Answer> answer) {
    MutexLock lock(mutex_);
    answers_[index] = std::move(answer);
    --under_way_;
    changed_.NotifyAll();
  }
  std::vector<absl::StatusOr<Answer>> All() {
    MutexLock lock(mutex_);
    while (under_way_ > 0) changed_.Wait(mutex_);
    return std::move(answers_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<absl::StatusOr<Answer>> answers_ ABSL_GUARDED_BY(mutex_);
  const std::size_t at_once_;
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

void GrpcQueuePort::Connect(std::shared_ptr<grpc::Channel> channel) {
  MutexLock lock(mutex_);
  stubs_ = std::make_shared<Stubs>(channel);
  channel_ = std::move(channel);
}

void GrpcQueuePort::Disconnect() {
  MutexLock lock(mutex_);
  stubs_.reset();
  while (cancels_ > 0) none_.Wait(mutex_);
  channel_.reset();
}

std::shared_ptr<GrpcQueuePort::Stubs> GrpcQueuePort::stubs() const {
  MutexLock lock(mutex_);
  return stubs_;
}

std::vector<absl::StatusOr<tq::ReadVerifyingResponse>> GrpcQueuePort::ReadVerifying(absl::Span<const WorkKey> keys) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr) return std::vector<absl::StatusOr<tq::ReadVerifyingResponse>>(keys.size(), NotConnected());
  Gathering<tq::ReadVerifyingResponse> gathering(keys.size(), kAtOnce);
  while (const std::optional<std::size_t> index = gathering.Next()) {
    tq::ReadVerifyingRequest request;
    request.set_task_id(keys[*index].task.ToString());
    request.set_generation(keys[*index].generation);
    rpc::CallUnaryAsync(caller_, stubs->ledger.async(), &LedgerAsync::ReadVerifying, request, Options(timeout_),
                        [&gathering, index = *index](absl::StatusOr<tq::ReadVerifyingResponse> answer) {
                          gathering.Take(index, std::move(answer));
                        });
  }
  return gathering.All();
}

absl::StatusOr<tq::ConcludeTasksResponse> GrpcQueuePort::Conclude(const tq::ConcludeTasksRequest& request) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr) return NotConnected();
  return rpc::CallUnary(caller_, stubs->ledger, &LedgerStub::ConcludeTasks, request, Options(timeout_));
}

std::vector<absl::StatusOr<tq::Task>> GrpcQueuePort::ReadTasks(absl::Span<const TaskId> tasks) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr) return std::vector<absl::StatusOr<tq::Task>>(tasks.size(), NotConnected());
  Gathering<tq::Task> gathering(tasks.size(), kAtOnce);
  while (const std::optional<std::size_t> index = gathering.Next()) {
    tq::ReadTaskRequest request;
    request.set_task_id(tasks[*index].ToString());
    rpc::CallUnaryAsync(caller_, stubs->ledger.async(), &LedgerAsync::ReadTask, request, Options(timeout_),
                        [&gathering, index = *index](absl::StatusOr<tq::ReadTaskResponse> answer) {
                          if (!answer.ok()) return gathering.Take(index, answer.status());
                          gathering.Take(index, std::move(*answer->mutable_task()));
                        });
  }
  return gathering.All();
}

absl::StatusOr<TaskId> GrpcQueuePort::Submit(const tq::SubmitTaskRequest& request) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr) return NotConnected();
  const absl::StatusOr<tq::SubmitTaskResponse> answer =
      rpc::CallUnary(caller_, stubs->queue, &QueueStub::SubmitTask, request, Options(timeout_));
  if (!answer.ok()) return answer.status();
  return TaskId::Parse(answer->task_id());
}

std::vector<absl::StatusOr<tq::Task>> GrpcQueuePort::GetTasks(absl::Span<const TaskId> tasks) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr) return std::vector<absl::StatusOr<tq::Task>>(tasks.size(), NotConnected());
  Gathering<tq::Task> gathering(tasks.size(), kAtOnce);
  while (const std::optional<std::size_t> index = gathering.Next()) {
    tq::GetTaskRequest request;
    request.set_task_id(tasks[*index].ToString());
    rpc::CallUnaryAsync(caller_, stubs->queue.async(), &QueueAsync::GetTask, request, Options(timeout_),
                        [&gathering, index = *index](absl::StatusOr<tq::GetTaskResponse> answer) {
                          if (!answer.ok()) return gathering.Take(index, answer.status());
                          gathering.Take(index, std::move(*answer->mutable_task()));
                        });
  }
  return gathering.All();
}

bool GrpcQueuePort::BeginCancel() {
  MutexLock lock(mutex_);
  if (stubs_ == nullptr || cancels_ >= kMostCancels) return false;
  ++cancels_;
  return true;
}

void GrpcQueuePort::EndCancel() {
  MutexLock lock(mutex_);
  if (--cancels_ == 0) none_.NotifyAll();
}

void GrpcQueuePort::Cancel(const TaskId& task, std::string_view reason) {
  const std::shared_ptr<Stubs> stubs = this->stubs();
  if (stubs == nullptr || !BeginCancel()) return;
  tq::CancelTasksRequest request;
  request.mutable_selection()->add_task_ids(task.ToString());
  request.set_reason(std::string(reason));
  rpc::CallUnaryAsync(caller_, stubs->queue.async(), &QueueAsync::CancelTasks, request, Options(timeout_),
                      [this, stubs](const absl::StatusOr<tq::CancelTasksResponse>& answer) {
                        if (!answer.ok()) LogDebug("a judge could not be cancelled", {{"status", answer.status()}});
                        EndCancel();
                      });
}

void VerifyingFeed::Connect(std::shared_ptr<grpc::Channel> channel) {
  stub_ = tq::TaskLedgerService::NewStub(channel);
  channel_ = std::move(channel);
  stream_ = std::make_unique<Stream>(
      caller_, [this](auto... parts) { stub_->async()->WatchVerifying(parts...); },
      Stream::Events{.on_open =
                         [this] {
                           events_.connected(true);
                           return tq::WatchVerifyingRequest();
                         },
                     .on_message =
                         [this](const tq::WatchVerifyingResponse& message) {
                           std::vector<WorkKey> keys;
                           for (const tq::VerifyingTask& task : message.tasks()) {
                             const absl::StatusOr<TaskId> id = TaskId::Parse(task.task_id());
                             if (id.ok()) keys.push_back({*id, task.generation()});
                           }
                           if (!keys.empty()) events_.heard(keys);
                         },
                     .on_end =
                         [this](const absl::Status& status) {
                           LogDebug("the watch of what awaits a verdict ended", {{"status", status}});
                           events_.connected(false);
                         }});
  stream_->Start();
}

void VerifyingFeed::Disconnect() {
  if (stream_ != nullptr) stream_->Stop();
  stream_.reset();
  stub_.reset();
  channel_.reset();
}

}  // namespace switchyard::verification

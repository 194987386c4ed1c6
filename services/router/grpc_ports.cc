#include "services/router/grpc_ports.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/retry.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;
namespace tq = task_queue::v1;
using RegistryAsync = mr::ModelRegistryService::StubInterface::async_interface;
using RegistryStub = mr::ModelRegistryService::StubInterface;
using LedgerAsync = tq::TaskLedgerService::StubInterface::async_interface;

absl::Status NotConnected(std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED", what);
}

rpc::CallOptions Options(absl::Duration timeout) { return {.timeout = timeout, .idempotent = true, .trace = {}}; }

// Answers in order of the questions, from whichever thread brings them.
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
  void Answer(std::size_t index, absl::StatusOr<tq::Task> answer) {
    MutexLock lock(mutex_);
    answers_[index] = std::move(answer);
    --under_way_;
    changed_.NotifyAll();
  }
  std::vector<absl::StatusOr<tq::Task>> Take() {
    MutexLock lock(mutex_);
    while (under_way_ > 0) changed_.Wait(mutex_);
    return std::move(answers_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<absl::StatusOr<tq::Task>> answers_ ABSL_GUARDED_BY(mutex_);
  const std::size_t at_once_;
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

bool CallsUnderWay::Begin() {
  MutexLock lock(mutex_);
  if (closed_ || count_ >= kMost) return false;
  ++count_;
  return true;
}

void CallsUnderWay::End() {
  MutexLock lock(mutex_);
  if (--count_ == 0) none_.NotifyAll();
}

void CallsUnderWay::Drain() {
  MutexLock lock(mutex_);
  closed_ = true;
  while (count_ > 0) none_.Wait(mutex_);
}

void GrpcCapacityPort::Connect(std::shared_ptr<grpc::Channel> channel) {
  MutexLock lock(mutex_);
  stub_ = std::make_shared<Stub>(channel);
  channel_ = std::move(channel);
}

void GrpcCapacityPort::Disconnect() {
  calls_.Drain();
  MutexLock lock(mutex_);
  stub_.reset();
  channel_.reset();
}

std::shared_ptr<GrpcCapacityPort::Stub> GrpcCapacityPort::stub() const {
  MutexLock lock(mutex_);
  return stub_;
}

absl::StatusOr<mr::ReserveCapacityResponse> GrpcCapacityPort::Reserve(const mr::ReserveCapacityRequest& request) {
  const std::shared_ptr<Stub> stub = this->stub();
  if (stub == nullptr) return NotConnected("not connected to the model registry");
  return rpc::CallUnary(caller_, *stub, &RegistryStub::ReserveCapacity, request, Options(timeout_));
}

absl::StatusOr<mr::RenewReservationsResponse> GrpcCapacityPort::Renew(const mr::RenewReservationsRequest& request) {
  const std::shared_ptr<Stub> stub = this->stub();
  if (stub == nullptr) return NotConnected("not connected to the model registry");
  return rpc::CallUnary(caller_, *stub, &RegistryStub::RenewReservations, request, Options(timeout_));
}

void GrpcCapacityPort::Release(const mr::ReleaseCapacityRequest& request) {
  const std::shared_ptr<Stub> stub = this->stub();
  if (stub == nullptr || !calls_.Begin()) return;
  rpc::CallUnaryAsync(caller_, stub->async(), &RegistryAsync::ReleaseCapacity, request, Options(timeout_),
                      [this, stub](const absl::StatusOr<mr::ReleaseCapacityResponse>& answer) {
                        if (!answer.ok()) LogDebug("capacity could not be given back", {{"status", answer.status()}});
                        calls_.End();
                      });
}

void GrpcCapacityPort::Observe(const mr::ReportObservationsRequest& request) {
  const std::shared_ptr<Stub> stub = this->stub();
  if (stub == nullptr || !calls_.Begin()) return;
  rpc::CallUnaryAsync(caller_, stub->async(), &RegistryAsync::ReportObservations, request, Options(timeout_),
                      [this, stub](const absl::StatusOr<mr::ReportObservationsResponse>& answer) {
                        if (!answer.ok()) LogDebug("observations were not taken", {{"status", answer.status()}});
                        calls_.End();
                      });
}

void GrpcTaskPort::Connect(std::shared_ptr<grpc::Channel> channel) {
  MutexLock lock(mutex_);
  stub_ = std::make_shared<Stub>(channel);
  channel_ = std::move(channel);
}

void GrpcTaskPort::Disconnect() {
  MutexLock lock(mutex_);
  stub_.reset();
  channel_.reset();
}

std::vector<absl::StatusOr<tq::Task>> GrpcTaskPort::Read(absl::Span<const TaskId> tasks) {
  std::shared_ptr<Stub> stub;
  {
    MutexLock lock(mutex_);
    stub = stub_;
  }
  if (stub == nullptr) {
    return std::vector<absl::StatusOr<tq::Task>>(tasks.size(), NotConnected("not connected to the task queue"));
  }
  Gathering gathering(tasks.size(), kAtOnce);
  while (const std::optional<std::size_t> index = gathering.Next()) {
    tq::ReadTaskRequest request;
    request.set_task_id(tasks[*index].ToString());
    rpc::CallUnaryAsync(caller_, stub->async(), &LedgerAsync::ReadTask, request, Options(timeout_),
                        [&gathering, index = *index](absl::StatusOr<tq::ReadTaskResponse> answer) {
                          if (!answer.ok()) return gathering.Answer(index, answer.status());
                          gathering.Answer(index, std::move(*answer->mutable_task()));
                        });
  }
  return gathering.Take();
}

}  // namespace switchyard::router

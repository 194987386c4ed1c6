#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/client_stream.h"
#include "services/verification/verification_ports.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"

namespace switchyard::verification {

// The task queue over its contracts: several questions at once, a bounded number. Without a connection every call fails
// with UNAVAILABLE. Thread-safe.
class GrpcQueuePort final : public QueuePort {
 public:
  static constexpr std::size_t kAtOnce = 32;

  // Borrows the caller.
  GrpcQueuePort(const rpc::Caller& caller, absl::Duration timeout) : caller_(caller), timeout_(timeout) {}
  ~GrpcQueuePort() override { Disconnect(); }

  void Connect(std::shared_ptr<grpc::Channel> channel);
  // Waits for what is under way. No call may be made any more.
  void Disconnect();

  std::vector<absl::StatusOr<task_queue::v1::ReadVerifyingResponse>> ReadVerifying(
      absl::Span<const WorkKey> keys) override;
  absl::StatusOr<task_queue::v1::ConcludeTasksResponse> Conclude(
      const task_queue::v1::ConcludeTasksRequest& request) override;
  std::vector<absl::StatusOr<task_queue::v1::Task>> ReadTasks(absl::Span<const TaskId> tasks) override;
  absl::StatusOr<TaskId> Submit(const task_queue::v1::SubmitTaskRequest& request) override;
  std::vector<absl::StatusOr<task_queue::v1::Task>> GetTasks(absl::Span<const TaskId> tasks) override;
  void Cancel(const TaskId& task, std::string_view reason) override;

 private:
  struct Stubs {
    explicit Stubs(const std::shared_ptr<grpc::Channel>& channel) : ledger(channel), queue(channel) {}
    task_queue::v1::TaskLedgerService::Stub ledger;
    task_queue::v1::TaskQueueService::Stub queue;
  };
  // Null without a connection.
  std::shared_ptr<Stubs> stubs() const;
  bool BeginCancel();
  void EndCancel();

  const rpc::Caller& caller_;
  const absl::Duration timeout_;
  mutable Mutex mutex_;
  CondVar none_;
  // Shared with the calls under way.
  std::shared_ptr<Stubs> stubs_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  // Cancellations of which nobody waits for the answer.
  int cancels_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Follows which tasks await a verdict, for as long as it is connected. Thread-safe.
class VerifyingFeed {
 public:
  struct Events {
    std::function<void(absl::Span<const WorkKey>)> heard;
    // Whether the stream stands.
    std::function<void(bool)> connected;
  };
  // Borrows the caller.
  VerifyingFeed(const rpc::Caller& caller, Events events) : caller_(caller), events_(std::move(events)) {}
  ~VerifyingFeed() { Disconnect(); }

  // Once.
  void Connect(std::shared_ptr<grpc::Channel> channel);
  // No event comes afterwards.
  void Disconnect();

 private:
  using Stream = rpc::ResumingStream<task_queue::v1::WatchVerifyingRequest, task_queue::v1::WatchVerifyingResponse>;

  const rpc::Caller& caller_;
  const Events events_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<task_queue::v1::TaskLedgerService::Stub> stub_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace switchyard::verification

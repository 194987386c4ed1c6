#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "services/router/route_ports.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::router {

// Calls of which nobody waits for the answer: bounded, and over before the channel goes. Thread-safe.
class CallsUnderWay {
 public:
  // False when there are too many: the call is then not made.
  bool Begin();
  void End();
  // From now on Begin says no; returns once all have ended.
  void Drain();

 private:
  static constexpr int kMost = 1'000;
  Mutex mutex_;
  CondVar none_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The model registry over its contract. Without a connection every call fails with UNAVAILABLE. Thread-safe.
class GrpcCapacityPort final : public CapacityPort {
 public:
  // Borrows the caller.
  GrpcCapacityPort(const rpc::Caller& caller, absl::Duration timeout) : caller_(caller), timeout_(timeout) {}
  ~GrpcCapacityPort() override { Disconnect(); }

  void Connect(std::shared_ptr<grpc::Channel> channel);
  // Waits for what is under way. No call may be made any more.
  void Disconnect();

  absl::StatusOr<model_registry::v1::ReserveCapacityResponse> Reserve(
      const model_registry::v1::ReserveCapacityRequest& request) override;
  absl::StatusOr<model_registry::v1::RenewReservationsResponse> Renew(
      const model_registry::v1::RenewReservationsRequest& request) override;
  void Release(const model_registry::v1::ReleaseCapacityRequest& request) override;
  void Observe(const model_registry::v1::ReportObservationsRequest& request) override;

 private:
  using Stub = model_registry::v1::ModelRegistryService::Stub;
  // Shared with the calls under way.
  std::shared_ptr<Stub> stub() const;

  const rpc::Caller& caller_;
  const absl::Duration timeout_;
  CallsUnderWay calls_;
  mutable Mutex mutex_;
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

// The task queue over its contract: several tasks at once, a bounded number. Thread-safe.
class GrpcTaskPort final : public TaskPort {
 public:
  static constexpr std::size_t kAtOnce = 32;

  // Borrows the caller.
  GrpcTaskPort(const rpc::Caller& caller, absl::Duration timeout) : caller_(caller), timeout_(timeout) {}
  ~GrpcTaskPort() override { Disconnect(); }

  void Connect(std::shared_ptr<grpc::Channel> channel);
  // No call may be made any more.
  void Disconnect();

  std::vector<absl::StatusOr<task_queue::v1::Task>> Read(absl::Span<const TaskId> tasks) override;

 private:
  using Stub = task_queue::v1::TaskLedgerService::Stub;

  const rpc::Caller& caller_;
  const absl::Duration timeout_;
  Mutex mutex_;
  // Shared with the calls under way.
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::router

#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/random.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {

namespace v1 = task_queue::v1;

// Connections to the service and what all calls carry. Thread-safe. Outlives its calls.
class Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const Installation& installation, int connections);

  int connections() const { return static_cast<int>(queues_.size()); }
  v1::TaskQueueService::Stub& queue(int connection) { return *queues_[connection % queues_.size()]; }
  v1::TaskLedgerService::Stub& ledger(int connection) { return *ledgers_[connection % ledgers_.size()]; }

  // Token and deadline.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout = absl::Seconds(30)) const;
  std::string NewRequestId() { return ids_.NewUuid().ToString(); }

 private:
  Client() = default;

  std::string authorization_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<v1::TaskQueueService::Stub>> queues_;
  std::vector<std::unique_ptr<v1::TaskLedgerService::Stub>> ledgers_;
  const DisciplinedClock clock_;
  const std::unique_ptr<Rng> rng_ = MakeSystemRng();
  TimeOrderedIdSource ids_{clock_, *rng_};
};

// The moment by the host's wall clock, which the services' clocks follow.
absl::Time WallNow();
std::int64_t SteadyNanos();

}  // namespace switchyard::bench

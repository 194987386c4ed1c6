#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tools/benchmarks/measure.h"

namespace switchyard::bench {

// SubmitTask by single calls, a fixed number of them in flight at any time.
class SingleSubmitLoad final : public Load {
 public:
  SingleSubmitLoad(Client& client, int in_flight);
  ~SingleSubmitLoad() override;
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Slot;
  void Issue(Slot& slot);
  void Answered(Slot& slot, const grpc::Status& status);

  Client& client_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  CondVar idle_;
  int flying_ ABSL_GUARDED_BY(mutex_) = 0;
};

// SubmitTasks, each call with `batch` tasks; counts tasks, and times calls.
class BatchSubmitLoad final : public Load {
 public:
  BatchSubmitLoad(Client& client, int in_flight, int batch);
  ~BatchSubmitLoad() override;
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Slot;
  void Issue(Slot& slot);
  void Answered(Slot& slot, const grpc::Status& status);

  Client& client_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  CondVar idle_;
  int flying_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench

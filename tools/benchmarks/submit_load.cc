#include "tools/benchmarks/submit_load.h"

#include "absl/strings/str_cat.h"
#include "tools/benchmarks/sample_tasks.h"

namespace switchyard::bench {

struct SingleSubmitLoad::Slot {
  v1::TaskQueueService::Stub* stub = nullptr;
  std::optional<grpc::ClientContext> context;
  v1::SubmitTaskRequest request;
  v1::SubmitTaskResponse response;
  std::int64_t begun = 0;
};

SingleSubmitLoad::SingleSubmitLoad(Client& client, int in_flight) : client_(client) {
  for (int i = 0; i < in_flight; ++i) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    slot.stub = &client.queue(i);
    FillSpec(*slot.request.mutable_spec());
  }
}

SingleSubmitLoad::~SingleSubmitLoad() { Stop(); }

absl::Status SingleSubmitLoad::Start() {
  {
    MutexLock lock(mutex_);
    flying_ = static_cast<int>(slots_.size());
  }
  for (auto& slot : slots_) Issue(*slot);
  return absl::OkStatus();
}

void SingleSubmitLoad::Stop() {
  stopping_ = true;
  MutexLock lock(mutex_);
  while (flying_ > 0) idle_.Wait(mutex_);
}

void SingleSubmitLoad::Issue(Slot& slot) {
  slot.context.emplace();
  client_.Prepare(*slot.context);
  slot.request.set_request_id(client_.NewRequestId());
  slot.begun = SteadyNanos();
  slot.stub->async()->SubmitTask(&*slot.context, &slot.request, &slot.response,
                                 [this, &slot](const grpc::Status& status) { Answered(slot, status); });
}

void SingleSubmitLoad::Answered(Slot& slot, const grpc::Status& status) {
  if (status.ok()) {
    Finished(absl::Nanoseconds(SteadyNanos() - slot.begun));
  } else {
    Failed(status.error_message());
  }
  if (!stopping_) return Issue(slot);
  MutexLock lock(mutex_);
  if (--flying_ == 0) idle_.NotifyAll();
}

struct BatchSubmitLoad::Slot {
  v1::TaskQueueService::Stub* stub = nullptr;
  std::optional<grpc::ClientContext> context;
  v1::SubmitTasksRequest request;
  v1::SubmitTasksResponse response;
  std::int64_t begun = 0;
};

BatchSubmitLoad::BatchSubmitLoad(Client& client, int in_flight, int batch) : client_(client) {
  for (int i = 0; i < in_flight; ++i) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    slot.stub = &client.queue(i);
    for (int task = 0; task < batch; ++task) FillSpec(*slot.request.add_tasks()->mutable_spec());
  }
}

BatchSubmitLoad::~BatchSubmitLoad() { Stop(); }

absl::Status BatchSubmitLoad::Start() {
  {
    MutexLock lock(mutex_);
    flying_ = static_cast<int>(slots_.size());
  }
  for (auto& slot : slots_) Issue(*slot);
  return absl::OkStatus();
}

void BatchSubmitLoad::Stop() {
  stopping_ = true;
  MutexLock lock(mutex_);
  while (flying_ > 0) idle_.Wait(mutex_);
}

void BatchSubmitLoad::Issue(Slot& slot) {
  slot.context.emplace();
  client_.Prepare(*slot.context);
  for (v1::SubmitTaskRequest& task : *slot.request.mutable_tasks()) task.set_request_id(client_.NewRequestId());
  slot.begun = SteadyNanos();
  slot.stub->async()->SubmitTasks(&*slot.context, &slot.request, &slot.response,
                                  [this, &slot](const grpc::Status& status) { Answered(slot, status); });
}

void BatchSubmitLoad::Answered(Slot& slot, const grpc::Status& status) {
  int stored = 0;
  for (const v1::SubmitTasksResult& result : slot.response.results()) {
    if (status.ok() && result.has_task()) {
      ++stored;
    } else if (result.has_error()) {
      Failed(absl::StrCat(result.error().reason(), ": ", result.error().message()));
    }
  }
  if (status.ok()) {
    Finished(absl::Nanoseconds(SteadyNanos() - slot.begun), stored);
  } else {
    Failed(status.error_message());
  }
  if (!stopping_) return Issue(slot);
  MutexLock lock(mutex_);
  if (--flying_ == 0) idle_.NotifyAll();
}

}  // namespace switchyard::bench

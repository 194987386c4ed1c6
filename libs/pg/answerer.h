#pragma once

#include <thread>

#include "absl/functional/any_invocable.h"
#include "libs/base/mutex.h"

namespace switchyard::pg {

// Answers the callers of committed batches, one batch after the other, on a thread of its own, so that the next batch
// is on its way to the database while they are told. Used by one thread, which Give() holds back once a batch waits.
class Answerer final {
 public:
  using Job = absl::AnyInvocable<void()>;

  ~Answerer() { Stop(); }

  void Start();
  // Runs `job` after those given before; at once, on the caller's thread, when it was not started or has stopped.
  void Give(Job job);
  // Returns once all that was given has run.
  void Stop();

 private:
  void Loop();

  std::thread thread_;
  Mutex mutex_;
  CondVar changed_;
  Job waiting_ ABSL_GUARDED_BY(mutex_);
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::pg

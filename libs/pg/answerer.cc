#include "libs/pg/answerer.h"

#include <utility>

namespace switchyard::pg {

void Answerer::Start() {
  {
    MutexLock lock(mutex_);
    if (running_ || stopping_) return;
    running_ = true;
  }
  thread_ = std::thread([this] { Loop(); });
}

void Answerer::Give(Job job) {
  {
    MutexLock lock(mutex_);
    while (running_ && waiting_ != nullptr) changed_.Wait(mutex_);
    if (running_) {
      waiting_ = std::move(job);
      changed_.NotifyAll();
      return;
    }
  }
  job();
}

void Answerer::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Answerer::Loop() {
  for (;;) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (waiting_ == nullptr && !stopping_) changed_.Wait(mutex_);
      if (waiting_ == nullptr) {
        running_ = false;
        return;
      }
      job = std::exchange(waiting_, nullptr);
      changed_.NotifyAll();
    }
    job();
  }
}

}  // namespace switchyard::pg

#include "libs/base/bounded_executor.h"

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"

namespace switchyard {
namespace {

void NameThisThread(const std::string& name) {
  // The kernel keeps 15 characters.
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace

struct BoundedExecutor::State {
  State(std::string_view name, std::size_t threads, std::size_t bound)
      : name(name), thread_count(std::max<std::size_t>(threads, 1)), bound(std::max<std::size_t>(bound, 1)) {}

  void Work() {
    NameThisThread(name);
    while (true) {
      std::function<void()> next;
      {
        MutexLock lock(mutex);
        while (queue.empty() && !stopping) changed.Wait(mutex);
        if (queue.empty()) return;
        next = std::move(queue.front());
        queue.pop_front();
      }
      next();
    }
  }

  const std::string name;
  const std::size_t thread_count;
  const std::size_t bound;
  mutable Mutex mutex;
  CondVar changed;
  std::deque<std::function<void()>> queue ABSL_GUARDED_BY(mutex);
  std::vector<std::thread> threads ABSL_GUARDED_BY(mutex);
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

BoundedExecutor::BoundedExecutor(std::string_view name, std::size_t threads, std::size_t queue_bound)
    : state_(std::make_unique<State>(name, threads, queue_bound)) {}

BoundedExecutor::~BoundedExecutor() { Stop(); }

void BoundedExecutor::Start() {
  MutexLock lock(state_->mutex);
  if (state_->stopping || !state_->threads.empty()) return;
  for (std::size_t i = 0; i < state_->thread_count; ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->Work(); });
  }
}

void BoundedExecutor::Stop() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    threads.swap(state_->threads);
  }
  state_->changed.NotifyAll();
  for (std::thread& thread : threads) thread.join();
  // What was queued on an executor that never started is owed its run too.
  while (true) {
    std::function<void()> next;
    {
      MutexLock lock(state_->mutex);
      if (state_->queue.empty()) return;
      next = std::move(state_->queue.front());
      state_->queue.pop_front();
    }
    next();
  }
}

absl::Status BoundedExecutor::Run(std::function<void()> work) {
  {
    MutexLock lock(state_->mutex);
    if (state_->stopping) {
      return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", state_->name + " is stopping");
    }
    if (state_->queue.size() >= state_->bound) {
      return MakeError(absl::StatusCode::kResourceExhausted, "EXECUTOR_FULL",
                       state_->name + " has no room for more work");
    }
    state_->queue.push_back(std::move(work));
  }
  state_->changed.NotifyOne();
  return absl::OkStatus();
}

std::size_t BoundedExecutor::queued() const {
  MutexLock lock(state_->mutex);
  return state_->queue.size();
}

struct PeriodicTask::State {
  State(std::string_view name, std::function<void()> step, std::function<absl::Duration()> period)
      : name(name), step(std::move(step)), period(std::move(period)) {}

  void Work() {
    NameThisThread(name);
    while (true) {
      {
        MutexLock lock(mutex);
        if (stopping) return;
        woken = false;
      }
      step();
      Rest(period());
    }
  }

  void Rest(absl::Duration length) {
    // Longer than any process lives, and short enough that adding it to a time cannot overflow.
    constexpr absl::Duration kForever = absl::Hours(24 * 365 * 50);
    const std::int64_t until =
        DisciplinedClock::SteadyNanos() + absl::ToInt64Nanoseconds(std::clamp(length, absl::ZeroDuration(), kForever));
    MutexLock lock(mutex);
    while (!stopping && !woken) {
      const std::int64_t left = until - DisciplinedClock::SteadyNanos();
      if (left <= 0) return;
      changed.WaitFor(mutex, absl::Nanoseconds(left));
    }
  }

  const std::string name;
  const std::function<void()> step;
  const std::function<absl::Duration()> period;
  Mutex mutex;
  CondVar changed;
  std::thread thread ABSL_GUARDED_BY(mutex);
  bool woken ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
};

PeriodicTask::PeriodicTask(std::string_view name, std::function<void()> step, std::function<absl::Duration()> period)
    : state_(std::make_unique<State>(name, std::move(step), std::move(period))) {}

PeriodicTask::~PeriodicTask() { Stop(); }

void PeriodicTask::Start() {
  MutexLock lock(state_->mutex);
  if (state_->stopping || state_->thread.joinable()) return;
  state_->thread = std::thread([state = state_.get()] { state->Work(); });
}

void PeriodicTask::Stop() {
  std::thread thread;
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    thread.swap(state_->thread);
  }
  state_->changed.NotifyAll();
  if (thread.joinable()) thread.join();
}

void PeriodicTask::Wake() {
  {
    MutexLock lock(state_->mutex);
    state_->woken = true;
  }
  state_->changed.NotifyAll();
}

}  // namespace switchyard

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace switchyard {

// Runs functions somewhere else than the caller's thread. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // RESOURCE_EXHAUSTED (reason EXECUTOR_FULL) when the bound is reached; the function is then dropped unrun.
  virtual absl::Status Run(std::function<void()> work) = 0;
};

// Runs at once on the caller's thread; for tests.
class InlineExecutor final : public Executor {
 public:
  absl::Status Run(std::function<void()> work) override {
    work();
    return absl::OkStatus();
  }
};

// A fixed number of threads over a bounded queue: where work that blocks goes, so that no gRPC callback waits.
class BoundedExecutor final : public Executor {
 public:
  BoundedExecutor(std::string_view name, std::size_t threads, std::size_t queue_bound);
  // Stops first, if that was not done.
  ~BoundedExecutor() override;

  void Start();
  // Runs what is queued, then joins. Later calls of Run are refused with UNAVAILABLE (reason SHUTTING_DOWN). Not to be
  // called from work that runs here.
  void Stop();
  absl::Status Run(std::function<void()> work) override;
  // How many functions wait; for a gauge.
  std::size_t queued() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls a function over and over on a thread of its own until stopped: the shape of every background step.
class PeriodicTask final {
 public:
  // `period` is read before each wait, so that a step can slow down or hurry.
  PeriodicTask(std::string_view name, std::function<void()> step, std::function<absl::Duration()> period);
  ~PeriodicTask();
  // The first step runs at once.
  void Start();
  // Returns once the step is not running and never will again. Not to be called from the step.
  void Stop();
  // Makes the next step run now.
  void Wake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard

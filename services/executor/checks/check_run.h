// Makes the checks of one piece of work, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/http/http_transport.h"
#include "services/executor/backend.h"
#include "services/executor/checks/place.h"
#include "services/executor/checks/step.h"
#include "services/executor/programs.h"

namespace switchyard::executor::checks {

struct CheckRequest {
  std::string task_id;
  std::int64_t generation = 0;
  Place place;
  std::vector<Step> steps;
  // Of all together; zero: the executor's own, which is also the most.
  absl::Duration time = absl::ZeroDuration();
  // As Work::network and Work::inside_only, for programs.
  bool network = false;
  bool inside_only = false;
};

enum class CheckEnd {
  // Every step was made, or the time was over.
  kDone,
  // What was not made by then is skipped.
  kCancelled,
  // The same, since the executor stops.
  kStopped,
};

// Called from one thread at a time, which may be any, also within CheckRun::Start: a call must not block. It may call
// Cancel and Kill. Nothing comes after OnEnded, which comes exactly once and may destroy the run and the observer.
class CheckObserver {
 public:
  virtual ~CheckObserver() = default;
  // `step` is an index into the request.
  virtual void OnStep(int step, const StepResult& result) {
    static_cast<void>(step);
    static_cast<void>(result);
  }
  // What programs write. Sequences begin anew with each program.
  virtual void OnLog(LogChunk chunk) { static_cast<void>(chunk); }
  // A sign of life, every 20 s while a step is under way; for people.
  virtual void OnProgress(std::string message) { static_cast<void>(message); }
  // One result for each step, in the request's order.
  virtual void OnEnded(CheckEnd end, std::vector<StepResult> results) = 0;
};

// Destroying it neither stops nor waits. Thread-safe.
class CheckRun {
 public:
  virtual ~CheckRun() = default;
  // Once, first.
  virtual void Start() = 0;
  // Comes back at once; OnEnded follows soon. A program gets SIGTERM, then SIGKILL after its grace.
  virtual void Cancel() = 0;
  // The same without a grace.
  virtual void Kill() = 0;
};

// Steps that need no program are made first, then those that do, each in the order given. All are made, whatever came
// of others. Thread-safe.
class Checker {
 public:
  struct Limits {
    // Of all steps together; a program's own limits hold besides.
    absl::Duration all_time = absl::Minutes(60);
    // Of one that sets no time: of looking at files and changes, and of asking a server.
    absl::Duration look_time = absl::Minutes(5);
    absl::Duration http_time = absl::Seconds(30);
    absl::Duration progress_every = absl::Seconds(20);
    // What file_contains and json_valid read of a file at most; longer ones are errors.
    std::size_t file_bytes = std::size_t{64} << 20;
    // What no_secrets reads at most, in all, and how many files it looks at.
    std::uint64_t scan_bytes = std::uint64_t{512} << 20;
    std::size_t scan_files = 100'000;
  };

  // All outlive it. `slow` runs what blocks; `http` refuses link-local addresses
  // (HttpClientOptions::refuse_link_local), and may be null: then http_ok is an error.
  Checker(Programs& programs, http::HttpTransport* http, const Clock& clock, Executor& slow, Limits limits);
  // Stops first.
  ~Checker();

  // Whether programs of steps that are not optional would be permitted now. As Programs::Check.
  absl::Status Check(const CheckRequest& request) const;
  // As Programs::ReachesBeyond, of any step.
  bool ReachesBeyond(const CheckRequest& request) const;

  // `observer`, and what the place names, live until OnEnded.
  std::unique_ptr<CheckRun> Make(CheckRequest request, CheckObserver& observer);

  // Tells of signs of life on a thread of its own; without it, Tick does.
  void StartTicking();
  void Tick();
  // Ends all runs as kStopped and waits for them; later ones end at once. Before the runner, the transport and `slow`
  // stop.
  void Stop();

 private:
  class Run;
  class Handle;
  struct Shared;

  const std::unique_ptr<Shared> shared_;
};

}  // namespace switchyard::executor::checks

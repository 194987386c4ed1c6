#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/pg/group_commit.h"
#include "libs/telemetry/metrics.h"
#include "services/task_queue/dependency_desk.h"
#include "services/task_queue/postgres_task_batch.h"
#include "services/task_queue/ready_feed.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_queue.h"
#include "services/task_queue/task_queue_meter.h"
#include "services/task_queue/verifying_feed.h"

namespace switchyard::task_queue {

// Lanes over Postgres: one connection and one thread for each kind of operation, since two of the same kind would only
// share a batch less often. Thread-safe between Start and Stop.
class GroupCommitLanes final : public TaskLanes {
 public:
  struct Deps {
    TaskQueue& queue;
    ReadyFeed& ready;
    Rng& rng;
    telemetry::Metrics& metrics;
    // Told about every command, whoever gave it.
    TaskQueueMeter& meter;
    TaskStore& store;
    VerifyingFeed& verifying;
    DependencyDesk& dependencies;
    // Of deadlines.
    const Clock& clock;
    // A batch was committed: there is news in the log.
    std::function<void()> on_commit;
  };

  GroupCommitLanes(const pg::GroupCommitOptions& options, const pg::ConnectOptions& connect, Deps deps);
  ~GroupCommitLanes() override;

  void Start();
  void Stop();

  void Submit(Submission submission, SubmitAnswer answer) override;
  void Execute(Command command, ExecuteAnswer answer) override;

 private:
  template <class Result>
  struct Outcome {
    absl::StatusOr<Result> result = absl::InternalError("not executed");
    // The last of its batch: what was pushed is complete.
    bool last = false;
  };
  enum Kind { kAssign, kReport, kControl, kKinds };
  using SubmitCommit = pg::GroupCommit<Submission, Outcome<Submitted>>;
  using CommandCommit = pg::GroupCommit<Command, Outcome<Executed>>;
  class Meter;

  // What the next batch may expect of its request ids. A batch that met a known one is run again in halves, which claim
  // with care, as do the batches after it: who repeats calls does so in bursts. Used by the submitting lane's thread.
  class ExpectedClaims {
   public:
    PostgresTaskBatch::Claims Next() {
      if (careful_ == 0) return PostgresTaskBatch::Claims::kFresh;
      --careful_;
      return PostgresTaskBatch::Claims::kAny;
    }
    void Learn(const absl::Status& status) {
      if (absl::IsAlreadyExists(status)) careful_ = kCarefulBatches;
    }

   private:
    static constexpr int kCarefulBatches = 1'000;
    int careful_ = 0;
  };

  template <class Result>
  void Conclude(Outcome<Result>& outcome);
  // Counts what became of a command, and lets scans find what it returned.
  void Account(const absl::StatusOr<Executed>& executed);

  const Deps deps_;
  ExpectedClaims expected_;
  std::array<std::unique_ptr<Meter>, kKinds + 1> meters_;
  std::unique_ptr<SubmitCommit> submit_;
  std::array<std::unique_ptr<CommandCommit>, kKinds> commands_;
};

}  // namespace switchyard::task_queue

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/pg/answerer.h"
#include "libs/pg/batch_runner.h"
#include "libs/pg/op_batch.h"
#include "libs/pg/reconnecting_session.h"

namespace switchyard::pg {

inline constexpr std::string_view kQueueFull = "QUEUE_FULL";
inline constexpr std::string_view kStopping = "STOPPING";

struct GroupCommitOptions {
  std::size_t max_batch = 512;
  // Operations that wait; more are refused with RESOURCE_EXHAUSTED, reason QUEUE_FULL.
  std::size_t max_queued = 8192;
  // Told to those who are refused.
  absl::Duration retry_after = absl::Milliseconds(100);
  // The fixed time-out of a batch, and its bounds of reruns.
  TransactionOptions transaction;
};

// Told about every transaction, on the committing thread.
class GroupCommitObserver {
 public:
  virtual ~GroupCommitObserver() = default;
  // `queued` is what waits for the next batch.
  virtual void OnFlush(std::size_t batch, absl::Duration took, const absl::Status& status, std::size_t queued) = 0;
};

// How a lane connects, and its refusals.
ConnectOptions GroupCommitConnect(std::string_view name, const GroupCommitOptions& options, ConnectOptions connect);
absl::Status GroupCommitFull(const GroupCommitOptions& options);
absl::Status GroupCommitStopping();
absl::Status GroupCommitTooLate();

// Turns single operations into batches without a timer: the first one goes at once, and what arrives while it is in
// flight joins the next batch. One session and two threads of its own: one commits, the other answers. Thread-safe.
//
// Nobody is answered before the commit. What is still queued when its deadline passes is never begun:
// DEADLINE_EXCEEDED. What has begun is finished, whoever waits. Operations with the same key never share a batch, and
// keep their order. What can go wrong with a transaction is handled as transaction.h says, bad data as batch_runner.h
// says. UNAVAILABLE does not tell whether an operation happened when its reason is COMMIT_UNKNOWN; with any other
// reason it did not.
//
// `Answer` is default-constructible; a refusal of one operation is such an answer, not an error.
template <class Op, class Answer>
class GroupCommit final {
 public:
  // Called exactly once, in the order of the commits, on the answering thread, or on the submitter's when refused. Must
  // not block.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Answer>)>;
  // Executes `ops` and fills in `answers`, of the same length, inside a transaction that it neither begins nor ends.
  // May be called again for the same operations, so it leaves them whole. Sorts by key what it locks.
  using Flush = std::function<absl::Status(Session&, absl::Span<Op> ops, absl::Span<Answer> answers)>;
  // A hash of what the operation concerns; 0 for none. Two keys of one hash only cost a batch.
  using Key = std::function<std::uint64_t(const Op&)>;

  // `name` goes into the session's application name. `key` may be null. Borrows `rng`, `observer`, which may be null,
  // and the clock of deadlines; without one there are none.
  GroupCommit(std::string_view name, const GroupCommitOptions& options, const ConnectOptions& connect, Flush flush,
              Key key, Rng& rng, GroupCommitObserver* observer = nullptr, const Clock* clock = nullptr)
      : options_(options),
        flush_(std::move(flush)),
        observer_(observer),
        clock_(clock),
        sessions_(GroupCommitConnect(name, options, connect), rng),
        chooser_(options.max_batch, std::move(key)) {}
  ~GroupCommit() { Stop(); }

  void Start() {
    MutexLock lock(mutex_);
    if (running_ || stopping_) return;
    running_ = true;
    answerer_.Start();
    thread_ = std::thread([this] { Loop(); });
  }

  // Refuses what comes later with UNAVAILABLE, reason STOPPING; finishes what is queued, without waiting for a
  // database that is away; then returns. Call it from one thread, and not from a Done.
  void Stop() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      wake_.NotifyAll();
    }
    sessions_.Interrupt();
    if (thread_.joinable()) thread_.join();
    answerer_.Stop();
    // Without a thread nobody else answers these.
    Batch left;
    {
      MutexLock lock(mutex_);
      left.Swap(incoming_);
      queued_ = 0;
    }
    for (Waiter<Done>& waiter : left.dones) waiter.done(GroupCommitStopping());
  }

  void Submit(Op op, Done done, absl::Time deadline = absl::InfiniteFuture()) {
    absl::Status refusal;
    {
      MutexLock lock(mutex_);
      if (stopping_) {
        refusal = GroupCommitStopping();
      } else if (queued_ >= options_.max_queued) {
        refusal = GroupCommitFull(options_);
      } else {
        ++queued_;
        incoming_.Add(std::move(op), {std::move(done), deadline});
        if (idle_) wake_.NotifyOne();
        return;
      }
    }
    done(std::move(refusal));
  }

  // How many operations wait, not counting those in flight.
  std::size_t queued() const {
    MutexLock lock(mutex_);
    return queued_;
  }

 private:
  using Batch = OpBatch<Op, Waiter<Done>>;

  void Loop() {
    Batch fresh, backlog, batch;
    for (;;) {
      {
        MutexLock lock(mutex_);
        while (incoming_.size() == 0 && backlog.size() == 0 && !stopping_) {
          idle_ = true;
          wake_.Wait(mutex_);
          idle_ = false;
        }
        if (incoming_.size() == 0 && backlog.size() == 0) return;
      }
      // A session that is to be made may take longer than callers wait. What fails here fails the batch.
      sessions_.Get(absl::ZeroDuration()).IgnoreError();
      {
        MutexLock lock(mutex_);
        fresh.Swap(incoming_);
      }
      chooser_.Choose(fresh, backlog, batch);
      {
        MutexLock lock(mutex_);
        queued_ -= batch.size();
      }
      if (clock_ != nullptr) {
        if (Batch late = TakeLate(batch, clock_->Now()); late.size() > 0) {
          answerer_.Give([late = std::move(late)]() mutable {
            for (Waiter<Done>& waiter : late.dones) waiter.done(GroupCommitTooLate());
          });
        }
        if (batch.size() == 0) continue;
      }
      answerer_.Give([finished = Run(std::move(batch))]() mutable { finished.Tell(); });
      batch.Clear();
    }
  }

  // A batch after its transaction, or its transactions where bad data split it.
  struct Finished {
    struct Part {
      std::size_t first;
      std::size_t count;
      absl::Status status;
    };
    Batch batch;
    std::unique_ptr<Answer[]> answers;
    std::vector<Part> parts;

    void Tell() {
      for (const Part& part : parts) {
        for (std::size_t i = part.first; i < part.first + part.count; ++i) {
          if (part.status.ok()) {
            batch.dones[i].done(std::move(answers[i]));
          } else {
            batch.dones[i].done(part.status);
          }
        }
      }
    }
  };

  Finished Run(Batch batch) {
    const std::size_t size = batch.size();
    Finished finished{.batch = std::move(batch), .answers = std::make_unique<Answer[]>(size), .parts = {}};
    std::int64_t begun = DisciplinedClock::SteadyNanos();
    RunBatch(
        sessions_, options_.transaction, size,
        [&](Session& session, std::size_t first, std::size_t count) {
          for (std::size_t i = first; i < first + count; ++i) finished.answers[i] = Answer();
          return flush_(session, absl::MakeSpan(finished.batch.ops).subspan(first, count),
                        absl::MakeSpan(finished.answers.get() + first, count));
        },
        [&](std::size_t first, std::size_t count, const absl::Status& status) {
          if (observer_ != nullptr) {
            const std::int64_t now = DisciplinedClock::SteadyNanos();
            observer_->OnFlush(count, absl::Nanoseconds(now - begun), status, queued());
            begun = now;
          }
          finished.parts.push_back({first, count, status});
        });
    return finished;
  }

  const GroupCommitOptions options_;
  const Flush flush_;
  GroupCommitObserver* const observer_;
  const Clock* const clock_;
  ReconnectingSession sessions_;
  // Scratch of the committing thread.
  BatchChooser<Op, Waiter<Done>> chooser_;
  std::thread thread_;
  Answerer answerer_;

  mutable Mutex mutex_;
  CondVar wake_;
  Batch incoming_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::pg

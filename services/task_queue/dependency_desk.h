#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/task_queue/task_lanes.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// Tells tasks that wait for others that those have ended. Whoever commits an end says so here, and whoever commits a
// task that waits: an end that the one did not see waited for, the other sees ended. What a crash loses, and what
// another replica committed while this one thought that nobody waits, is found by a sweep over all who wait. Costs
// nothing while nobody does. Any number of replicas may do the same. Thread-safe, apart from Tick(), a background step.
//
// The lanes have room for others: only so many are told before answers return, and who was refused is told again.
class DependencyDesk final {
 public:
  // Borrows all for its lifetime, which lasts until the last answer of `lanes`. `wake` has Tick called soon; it must
  // not block.
  DependencyDesk(
      TaskStore& store, TaskLanes& lanes, const Clock& clock, std::function<void()> wake = [] {})
      : store_(store), lanes_(lanes), clock_(clock), wake_(std::move(wake)) {}

  // A batch of this process was committed, and this is how a row of it stands. Never blocks.
  void Committed(const TaskRecord& record);
  // Somebody waits, a replica may have said: ends are worth looking after.
  void SomebodyWaits();

  // Looks after what was committed, and every now and then at a part of all who wait. Returns how many tasks were told.
  // What passing troubles stop goes on at the next call.
  absl::StatusOr<int> Tick();
  // When to call it again, if nothing wakes it.
  absl::Duration Period() const { return behind_ ? absl::ZeroDuration() : kSweepPeriod; }

  static constexpr absl::Duration kSweepPeriod = absl::Seconds(1);
  // However wrong the sweep's mark is, it is forgotten after this.
  static constexpr absl::Duration kFullRound = absl::Minutes(1);
  // Of one sweep, and of one look after ends.
  static constexpr int kPage = 2'000;
  // How many are told before an answer returns: a batch of the lanes.
  static constexpr int kMostInFlight = 512;

 private:
  absl::Status LookAfter();
  absl::Status LookFor();
  absl::Status Sweep();
  // Finds those whose awaited task has ended; Send() tells them.
  absl::Status Tell(const std::vector<Wait>& waits);
  void Send();
  void Answered(const TaskId& task, const std::vector<EndedTask>& ended, const absl::Status& status);

  TaskStore& store_;
  TaskLanes& lanes_;
  const Clock& clock_;
  const std::function<void()> wake_;

  // How often it was heard that somebody waits; `none_since_` is the count at which a sweep found nobody.
  std::atomic<std::uint64_t> heard_{1};
  std::atomic<std::uint64_t> none_since_{0};

  Mutex mutex_;
  std::vector<TaskId> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Wait> waiting_ ABSL_GUARDED_BY(mutex_);
  // Who was refused: looked for again with the next sweep.
  std::vector<Wait> refused_ ABSL_GUARDED_BY(mutex_);
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  // Answers are to wake the ticking thread.
  bool awaits_room_ ABSL_GUARDED_BY(mutex_) = false;

  // Of the ticking thread.
  std::vector<TaskId> looked_after_;
  Wait looked_to_;
  std::vector<Wait> looked_for_;
  struct News {
    TaskId task;
    std::vector<EndedTask> ended;
  };
  // At most of one page: the next one is read when all of it was sent.
  std::deque<News> outbox_;
  Wait swept_to_;
  // Where rounds begin: what is gone is not cleared away at once.
  Wait low_;
  bool full_ = true;
  absl::Time full_round_at_ = absl::InfinitePast();
  bool found_ = false;
  std::uint64_t heard_before_round_ = 0;
  absl::Time sweep_at_ = absl::InfinitePast();
  bool behind_ = false;
  int told_ = 0;
};

}  // namespace switchyard::task_queue

#include <algorithm>

#include "services/task_queue/postgres_task_store.h"

namespace switchyard::task_queue {
namespace {

// Replicas make ids on clocks of their own, and a batch commits some time after its ids were made: what comes a little
// before the front is still found.
constexpr absl::Duration kSlack = absl::Seconds(10);
// However wrong a mark is, it is forgotten after this.
constexpr absl::Duration kLife = absl::Minutes(1);

}  // namespace

Uuid LowWater::Get(int shard, int rank) {
  MutexLock lock(mutex_);
  const Mark& mark = marks_[shard][rank];
  return clock_.Now() < mark.forget_at ? mark.low : Uuid();
}

std::uint64_t LowWater::Moment() const {
  MutexLock lock(mutex_);
  return moment_;
}

void LowWater::Raise(int shard, int rank, const Uuid& front, std::uint64_t moment) {
  MutexLock lock(mutex_);
  Mark& mark = marks_[shard][rank];
  if (mark.lowered > moment) return;
  const absl::Time now = clock_.Now();
  mark.low = Uuid::LowestAt(front.time() - kSlack);
  if (now >= mark.forget_at) mark.forget_at = now + kLife;
}

void LowWater::Lower(int shard, int rank, const Uuid& id) {
  MutexLock lock(mutex_);
  Mark& mark = marks_[shard][rank];
  mark.low = std::min(mark.low, id);
  mark.lowered = ++moment_;
}

}  // namespace switchyard::task_queue

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"

namespace switchyard::pg {

// Operations and whom to answer, side by side.
template <class Op, class Done>
struct OpBatch {
  std::vector<Op> ops;
  std::vector<Done> dones;

  std::size_t size() const { return ops.size(); }
  void Add(Op op, Done done) {
    ops.push_back(std::move(op));
    dones.push_back(std::move(done));
  }
  void Clear() {
    ops.clear();
    dones.clear();
  }
  void Swap(OpBatch& other) { std::swap(*this, other); }
};

// Whom to answer, and until when somebody waits for the answer.
template <class Done>
struct Waiter {
  Done done;
  absl::Time deadline;
};

// Takes those out of `batch` that nobody waits for any more.
template <class Op, class Done>
OpBatch<Op, Waiter<Done>> TakeLate(OpBatch<Op, Waiter<Done>>& batch, absl::Time now) {
  const auto is_late = [now](const Waiter<Done>& waiter) { return waiter.deadline <= now; };
  OpBatch<Op, Waiter<Done>> late, all;
  if (std::none_of(batch.dones.begin(), batch.dones.end(), is_late)) return late;
  all.Swap(batch);
  for (std::size_t i = 0; i < all.size(); ++i) {
    (is_late(all.dones[i]) ? late : batch).Add(std::move(all.ops[i]), std::move(all.dones[i]));
  }
  return late;
}

// Decides what shares a batch: at most `max` operations, and of each key the oldest. Not thread-safe.
template <class Op, class Done>
class BatchChooser final {
 public:
  // A hash of what the operation concerns; 0 for none.
  using Key = std::function<std::uint64_t(const Op&)>;

  // `key` may be null: then nothing is kept apart.
  BatchChooser(std::size_t max, Key key) : max_(max), key_(std::move(key)) {}

  // Moves what may run together from `backlog`, then `fresh`, into `batch`; the rest stays in `backlog`, in order.
  void Choose(OpBatch<Op, Done>& fresh, OpBatch<Op, Done>& backlog, OpBatch<Op, Done>& batch) {
    if (backlog.size() == 0 && fresh.size() <= max_ && key_ == nullptr) {
      batch.Swap(fresh);
      return;
    }
    keys_.clear();
    OpBatch<Op, Done> rest;
    for (OpBatch<Op, Done>* from : {&backlog, &fresh}) {
      for (std::size_t i = 0; i < from->size(); ++i) {
        const std::uint64_t key = key_ == nullptr ? 0 : key_(from->ops[i]);
        // A key that was put back stays in the set: what comes later of it is put back too.
        const bool chosen = (key == 0 || keys_.insert(key).second) && batch.size() < max_;
        (chosen ? batch : rest).Add(std::move(from->ops[i]), std::move(from->dones[i]));
      }
      from->Clear();
    }
    backlog.Swap(rest);
  }

 private:
  const std::size_t max_;
  const Key key_;
  absl::flat_hash_set<std::uint64_t> keys_;
};

}  // namespace switchyard::pg

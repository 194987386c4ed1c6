#include "services/identity/use_recorder.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace switchyard::identity {

void UseRecorder::Note(const TokenId& id, absl::Time now) {
  MutexLock lock(mutex_);
  if (const auto written = written_.find(id); written != written_.end() && now - written->second < interval_) return;
  const auto waiting = pending_.find(id);
  if (waiting != pending_.end()) {
    waiting->second = std::max(waiting->second, now);
  } else if (pending_.size() < kMaxPending) {
    pending_.emplace(id, now);
  }
}

absl::StatusOr<int> UseRecorder::Tick() {
  std::vector<std::pair<TokenId, absl::Time>> uses;
  {
    MutexLock lock(mutex_);
    uses.assign(pending_.begin(), pending_.end());
    pending_.clear();
    const absl::Time now = clock_.Now();
    absl::erase_if(written_, [&](const auto& entry) { return now - entry.second >= interval_; });
  }
  if (uses.empty()) return 0;
  // One order for all writers, so that two never wait for each other.
  std::sort(uses.begin(), uses.end());
  const absl::Status status = store_.Touch(uses);
  MutexLock lock(mutex_);
  for (const auto& [id, time] : uses) {
    if (status.ok()) {
      written_[id] = time;
    } else if (pending_.size() < kMaxPending) {
      absl::Time& waiting = pending_.try_emplace(id, time).first->second;
      waiting = std::max(waiting, time);
    }
  }
  if (!status.ok()) return status;
  return static_cast<int>(uses.size());
}

std::size_t UseRecorder::pending() const {
  MutexLock lock(mutex_);
  return pending_.size();
}

}  // namespace switchyard::identity

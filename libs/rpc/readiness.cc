#include "libs/rpc/readiness.h"

#include <algorithm>
#include <utility>

namespace switchyard::rpc {

Readiness::Readiness(std::function<void(bool)> changed) : changed_(std::move(changed)) {}

void Readiness::Set(std::string_view condition, bool holds) {
  Update([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { conditions_.insert_or_assign(std::string(condition), holds); });
}

void Readiness::BeginServing() {
  Update([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { serving_ = true; });
}

void Readiness::BeginDraining() {
  Update([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { draining_ = true; });
}

bool Readiness::ready() const {
  MutexLock lock(mutex_);
  return ready_;
}

std::vector<std::string> Readiness::missing() const {
  std::vector<std::string> out;
  MutexLock lock(mutex_);
  for (const auto& [name, holds] : conditions_) {
    if (!holds) out.push_back(name);
  }
  return out;
}

void Readiness::Update(const std::function<void()>& change) {
  MutexLock telling(telling_);
  bool now = false;
  {
    MutexLock lock(mutex_);
    change();
    now = serving_ && !draining_ &&
          std::all_of(conditions_.begin(), conditions_.end(), [](const auto& entry) { return entry.second; });
    if (now == ready_) return;
    ready_ = now;
  }
  changed_(now);
}

}  // namespace switchyard::rpc

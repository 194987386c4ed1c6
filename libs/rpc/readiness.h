#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/mutex.h"

namespace switchyard::rpc {

// Whether a process should be sent calls: when all named conditions hold ("database", "migrations"), serving has begun
// and it does not drain. Thread-safe.
class Readiness {
 public:
  // `changed` is called at every flip, one call at a time.
  explicit Readiness(std::function<void(bool ready)> changed);

  // An unknown condition is added by its first call. Add all that must hold, as false, before serving begins.
  void Set(std::string_view condition, bool holds);
  void BeginServing();
  void BeginDraining();

  bool ready() const;
  // Conditions that do not hold, for logs.
  std::vector<std::string> missing() const;

 private:
  void Update(const std::function<void()>& change);

  const std::function<void(bool)> changed_;
  // Held while `changed_` runs, so that flips are told in their order.
  Mutex telling_;
  mutable Mutex mutex_;
  std::map<std::string, bool, std::less<>> conditions_ ABSL_GUARDED_BY(mutex_);
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::rpc

#include <algorithm>
#include <set>

#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// After all is over, as many long tasks as there are slots run at the same time: no fault cost a credit or a slot.
class FullCapacity final : public Invariant {
 public:
  FullCapacity() : Invariant("full-capacity") {}

  void OnChange(const View&, const Change& change) override {
    if (change.after->lane != task_queue::Lane::kUrgent) return;
    seen_ = true;
    if (change.after->state == task_queue::TaskState::kRunning) {
      running_.insert(change.after->id);
    } else {
      running_.erase(change.after->id);
    }
    most_ = std::max(most_, static_cast<int>(running_.size()));
  }
  void AtEnd(const View& view) override {
    if (seen_ && most_ < view.slots) {
      Breach("of ", view.slots, " slots only ", most_, " could be filled at the same time after the last fault");
    }
  }

 private:
  bool seen_ = false;
  int most_ = 0;
  std::set<task_queue::TaskId> running_;
};

}  // namespace

std::unique_ptr<Invariant> MakeFullCapacity() { return std::make_unique<FullCapacity>(); }

}  // namespace switchyard::sim

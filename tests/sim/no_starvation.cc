#include <algorithm>

#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// A task that some agent could do does not stand ready for longer than this, counted from when it could begin and the
// last fault was over. There is far more room than work.
constexpr absl::Duration kBound = absl::Seconds(60);

class NoStarvation final : public Invariant {
 public:
  NoStarvation() : Invariant("no-starvation") {}

  void OnChange(const View& view, const Change& change) override {
    const bool ready = change.after->stage() == task_queue::Stage::kReady && !view.may_wait(change.after->id);
    if (!ready) {
      since_.erase(change.after->id);
    } else {
      since_.emplace(change.after->id, view.now);
    }
  }
  void OnTime(const View& view) override {
    for (const auto& [id, since] : since_) {
      if (view.may_wait(id)) continue;
      if (view.now - std::max(since, view.calm) > kBound) {
        Breach(Describe(view.records->at(id)), " has been ready for ", absl::FormatDuration(view.now - since),
               ", more than ", absl::FormatDuration(kBound), " of them without any fault");
      }
    }
  }

 private:
  std::map<task_queue::TaskId, absl::Time> since_;
};

}  // namespace

std::unique_ptr<Invariant> MakeNoStarvation() { return std::make_unique<NoStarvation>(); }

}  // namespace switchyard::sim

#include <algorithm>
#include <set>
#include <tuple>

#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// An executor begins only what the ledger assigned to it, under that generation; and a task with effects is never at
// work twice at once. One that stood still cannot stop what it runs, but it may begin nothing on the word of yesterday.
class OneExecution final : public Invariant {
 public:
  OneExecution() : Invariant("one-execution") {}

  void OnChange(const View&, const Change& change) override {
    const task_queue::TaskRecord& after = *change.after;
    if (after.state == task_queue::TaskState::kAssigned) {
      assigned_.emplace(after.id, task_queue::ToInt(after.generation), after.agent);
    }
  }
  void OnBegin(const View& view, const Execution& execution) override {
    if (!assigned_.contains({execution.task, execution.generation, execution.agent})) {
      Breach(execution.executor, " runs ", execution.task.ToString(), "#", execution.generation,
             ", which was never assigned to it");
    }
    for (const auto& [other, since] : at_work_) {
      if (other.task != execution.task || !execution.effects) continue;
      if (view.stood_still(other.executor, since) || view.lied(other.executor, since)) continue;
      if (view.lied(execution.executor, since)) continue;
      Breach(execution.executor, " runs ", execution.task.ToString(), "#", execution.generation,
             ", which has effects, while ", other.executor, " still runs #", other.generation);
    }
    at_work_.emplace_back(execution, view.now);
  }
  void OnOver(const View&, const Execution& execution) override {
    const auto found = std::find_if(at_work_.begin(), at_work_.end(), [&](const auto& entry) {
      return entry.first.task == execution.task && entry.first.generation == execution.generation &&
             entry.first.executor == execution.executor;
    });
    if (found != at_work_.end()) at_work_.erase(found);
  }

 private:
  std::set<std::tuple<task_queue::TaskId, std::int64_t, std::string>> assigned_;
  std::vector<std::pair<Execution, absl::Time>> at_work_;
};

}  // namespace

std::unique_ptr<Invariant> MakeOneExecution() { return std::make_unique<OneExecution>(); }

}  // namespace switchyard::sim

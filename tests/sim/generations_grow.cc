#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// Assigning adds one to the generation and nothing else changes it; every write adds to the revision.
class GenerationsGrow final : public Invariant {
 public:
  GenerationsGrow() : Invariant("generations-grow") {}

  void OnChange(const View&, const Change& change) override {
    if (change.before == nullptr) return;
    const task_queue::TaskRecord& before = *change.before;
    const task_queue::TaskRecord& after = *change.after;
    const bool assigned =
        before.state == task_queue::TaskState::kQueued && after.state == task_queue::TaskState::kAssigned;
    const std::int64_t wanted = task_queue::ToInt(before.generation) + (assigned ? 1 : 0);
    if (task_queue::ToInt(after.generation) != wanted) {
      Breach(Describe(before), " became ", Describe(after), "; its generation should be ", wanted);
    }
    if (after.revision <= before.revision) {
      Breach("revision ", after.revision, " of ", Describe(after), " was written over revision ", before.revision,
             " of ", Describe(before));
    }
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeGenerationsGrow() { return std::make_unique<GenerationsGrow>(); }

}  // namespace switchyard::sim

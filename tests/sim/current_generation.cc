#include "switchyard/task_queue/v1/task.pb.h"
#include "tests/sim/invariant.h"
#include "tests/sim/script.h"

namespace switchyard::sim {
namespace {

// A result counts when it was made under the generation that is current, by the agent that owns it; and once: the
// result that stands was taken from the only owner that was accepted.
class CurrentGeneration final : public Invariant {
 public:
  CurrentGeneration() : Invariant("current-generation") {}

  void OnChange(const View&, const Change& change) override {
    const task_queue::TaskRecord& after = *change.after;
    if (change.before == nullptr || after.result.empty() || after.result == change.before->result) return;
    const task_queue::TaskRecord& before = *change.before;
    task_queue::v1::TaskResult result;
    result.ParseFromString(after.result);
    const std::string wanted = Signature(after.id.ToString(), task_queue::ToInt(before.generation), before.agent);
    if (result.summary() != wanted) {
      Breach("the result ", result.summary(), " was taken for ", Describe(before), ", whose owner would have signed ",
             wanted);
    }
    if (task_queue::IsFinal(before.state)) Breach("another result was taken for ", Describe(before));
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeCurrentGeneration() { return std::make_unique<CurrentGeneration>(); }

}  // namespace switchyard::sim

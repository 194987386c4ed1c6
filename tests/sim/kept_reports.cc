#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// What a hub acknowledges stands in the ledger, and what an executor wrote down and nobody acknowledged survives its
// crash.
class KeptReports final : public Invariant {
 public:
  KeptReports() : Invariant("kept-reports") {}

  void OnReportAcknowledged(const View& view, const Acknowledgement& told) override {
    const auto found = view.records->find(told.task);
    if (found == view.records->end()) return;
    const task_queue::TaskRecord& record = found->second;
    if (task_queue::ToInt(record.generation) != told.generation || record.agent != told.agent) return;
    const bool unknown =
        told.final ? record.stage() == task_queue::Stage::kRunning : record.state == task_queue::TaskState::kAssigned;
    if (!unknown) return;
    Breach("a hub acknowledged to ", told.executor, told.final ? " the end" : " the acceptance", " of #",
           told.generation, ", and the ledger holds ", Describe(record));
  }
  void OnForgotten(const View&, const Execution& execution) override {
    Breach(execution.executor, " restarted and has forgotten the end of ", execution.task.ToString(), "#",
           execution.generation, ", which nobody has acknowledged");
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeKeptReports() { return std::make_unique<KeptReports>(); }

}  // namespace switchyard::sim

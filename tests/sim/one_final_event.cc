#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// A life ends once: one FINISHED event, at its end, and nothing behind it. Ordinals have no gap.
class OneFinalEvent final : public Invariant {
 public:
  OneFinalEvent() : Invariant("one-final-event") {}

  void OnChange(const View&, const Change& change) override {
    const task_queue::TaskRecord& after = *change.after;
    if (change.before != nullptr && task_queue::IsFinal(change.before->state)) {
      return Breach("something happened after the end of ", Describe(*change.before), ": it is now ", Describe(after));
    }
    int finals = 0;
    int last = 0;
    for (const task_queue::TaskEvent& event : after.timeline) {
      if (finals > 0) return Breach("the timeline of ", Describe(after), " goes on behind its final event");
      if (event.kind == task_queue::EventKind::kFinished) ++finals;
      if (event.ordinal != last + 1 && after.omitted_events == 0) {
        return Breach("the timeline of ", Describe(after), " has event ", event.ordinal, " behind event ", last);
      }
      last = event.ordinal;
    }
    if (finals != (IsSettled(after) ? 1 : 0)) {
      Breach(Describe(after), " has ", finals, " final events");
    }
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeOneFinalEvent() { return std::make_unique<OneFinalEvent>(); }

}  // namespace switchyard::sim

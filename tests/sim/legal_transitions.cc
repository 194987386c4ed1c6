#include <set>
#include <utility>

#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// The picture of a task's life in docs/ARCHITECTURE.md, written down once more and on its own.
class LegalTransitions final : public Invariant {
 public:
  LegalTransitions() : Invariant("legal-transitions") {}

  void OnChange(const View&, const Change& change) override {
    using enum task_queue::TaskState;
    using State = task_queue::TaskState;
    static const std::set<std::pair<State, State>> kLegal = {
        {kQueued, kAssigned},      {kQueued, kCancelled},    {kQueued, kExpired},     {kQueued, kDeadLetter},
        {kAssigned, kRunning},     {kAssigned, kQueued},     {kAssigned, kVerifying}, {kAssigned, kSucceeded},
        {kAssigned, kDeadLetter},  {kAssigned, kCancelled},  {kAssigned, kExpired},   {kRunning, kQueued},
        {kRunning, kVerifying},    {kRunning, kSucceeded},   {kRunning, kDeadLetter}, {kRunning, kCancelled},
        {kRunning, kExpired},      {kVerifying, kSucceeded}, {kVerifying, kPartial},  {kVerifying, kQueued},
        {kVerifying, kDeadLetter}, {kVerifying, kCancelled}, {kVerifying, kExpired},
    };
    const State after = change.after->state;
    if (change.before == nullptr) {
      if (after != kQueued) Breach(Describe(*change.after), " began its life in another state than QUEUED");
      return;
    }
    const State before = change.before->state;
    if (before != after && !kLegal.contains({before, after})) {
      Breach(Describe(*change.before), " became ", Describe(*change.after));
    }
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeLegalTransitions() { return std::make_unique<LegalTransitions>(); }

}  // namespace switchyard::sim

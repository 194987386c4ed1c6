#include "tests/sim/mutants.h"

#include <list>

#include "tests/sim/forwarding_store.h"

namespace switchyard::sim {
namespace tq = task_queue;
namespace {

class MutantBatch final : public ForwardingBatch {
 public:
  MutantBatch(TaskBatch& batch, Mutant mutant) : ForwardingBatch(batch), mutant_(mutant) {}

  absl::StatusOr<std::vector<tq::MoveOutcome>> Apply(absl::Span<const tq::Move> moves, absl::Time now) override {
    std::vector<tq::Move> changed(moves.begin(), moves.end());
    // Stable: moves point into it.
    std::list<tq::TaskRecord> records;
    for (tq::Move& move : changed) {
      tq::TaskRecord& next = records.emplace_back(*move.next);
      move.next = &next;
      const absl::StatusOr<std::vector<std::optional<tq::TaskRecord>>> rows = batch_.Load({&next.id, 1});
      if (!rows.ok()) return rows.status();
      if (rows->front().has_value()) Change(*rows->front(), next, move, now);
    }
    return batch_.Apply(changed, now);
  }

 private:
  void Change(const tq::TaskRecord& row, tq::TaskRecord& next, tq::Move& move, absl::Time now) const {
    switch (mutant_) {
      case Mutant::kIgnoresCompare:
        move.from = row.stage();
        move.generation = row.generation;
        move.revision = row.revision;
        break;
      case Mutant::kBelievesEverybody:
        if (!move.shard_epoch.has_value()) move.session_epoch.reset();
        break;
      case Mutant::kFinalTwice:
        if (!tq::IsFinal(next.state) || next.timeline.empty()) break;
        next.timeline.push_back(next.timeline.back());
        ++next.timeline.back().ordinal;
        ++move.new_events;
        break;
      case Mutant::kPartialFromRunning:
        if (row.state == tq::TaskState::kRunning && next.state == tq::TaskState::kSucceeded) {
          next.state = tq::TaskState::kPartial;
        }
        break;
      case Mutant::kSameGeneration:
        if (next.state == tq::TaskState::kAssigned && row.state == tq::TaskState::kQueued &&
            tq::ToInt(row.generation) > 0) {
          next.generation = row.generation;
        }
        break;
      default:
        break;
    }
  }

  const Mutant mutant_;
};

class MutantStore final : public ForwardingStore {
 public:
  MutantStore(TaskStore& store, Mutant mutant) : ForwardingStore(store), mutant_(mutant) {}
  absl::Status RunBatch(absl::FunctionRef<absl::Status(tq::TaskBatch&)> work) override {
    return store_.RunBatch([&](tq::TaskBatch& batch) {
      MutantBatch mutated(batch, mutant_);
      return work(mutated);
    });
  }

 private:
  const Mutant mutant_;
};

}  // namespace

const std::vector<MutantInfo>& Mutants() {
  static const auto& mutants = *new std::vector<MutantInfo>{
      {Mutant::kLosesATask, "loses-a-task", "no-lost-task", "a replica that crashes takes its last new task with it"},
      {Mutant::kIgnoresCompare, "ignores-compare", "generations-grow", "the store writes whatever it is given"},
      {Mutant::kBelievesEverybody, "believes-everybody", "current-generation",
       "the ledger takes reports from anybody on any generation"},
      {Mutant::kFinalTwice, "final-twice", "one-final-event", "the end of a life is told twice"},
      {Mutant::kForgetsBackoff, "forgets-backoff", "attempts-and-backoff", "what failed is offered again at once"},
      {Mutant::kOneAttemptMore, "one-attempt-more", "attempts-and-backoff", "one more attempt than the policy grants"},
      {Mutant::kPartialFromRunning, "partial-from-running", "legal-transitions", "PARTIAL without a verdict"},
      {Mutant::kSameGeneration, "same-generation", "generations-grow",
       "assigning again does not add to the generation"},
      {Mutant::kStarvesAProject, "starves-a-project", "no-starvation", "schedulers do not see tasks of one project"},
      {Mutant::kForgetsLimits, "forgets-limits", "quiescence", "nobody looks at time limits that pass"},
      {Mutant::kLosesASlot, "loses-a-slot", "full-capacity", "an executor that restarted offers one slot less"},
      {Mutant::kAcksEarly, "acks-early", "kept-reports", "hubs acknowledge reports before the ledger has them"},
      {Mutant::kRedeliversOldGeneration, "redelivers-old-generation", "one-execution",
       "hubs send again what an agent lacks, under the generation before"},
      {Mutant::kForgetsAReport, "forgets-a-report", "kept-reports",
       "the journal of an executor loses the last end that it was given"},
      {Mutant::kOutlivesItsLease, "outlives-its-lease", "one-execution",
       "executors that hear nothing go on with work that has effects"},
  };
  return mutants;
}

Mutant FindMutant(std::string_view name) {
  for (const MutantInfo& info : Mutants()) {
    if (info.name == name) return info.mutant;
  }
  return Mutant::kNone;
}

std::unique_ptr<tq::TaskStore> MutateStore(Mutant mutant, tq::TaskStore& store) {
  switch (mutant) {
    case Mutant::kIgnoresCompare:
    case Mutant::kBelievesEverybody:
    case Mutant::kFinalTwice:
    case Mutant::kPartialFromRunning:
    case Mutant::kSameGeneration:
      return std::make_unique<MutantStore>(store, mutant);
    default:
      return nullptr;
  }
}

tq::Rules MutateRules(Mutant mutant, tq::Rules rules) {
  if (mutant == Mutant::kForgetsBackoff) rules.backoff.assign(rules.backoff.size(), absl::ZeroDuration());
  if (mutant == Mutant::kOneAttemptMore) rules.backoff.push_back(rules.backoff.back());
  return rules;
}

}  // namespace switchyard::sim

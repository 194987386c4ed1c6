// Seeded bugs: each puts something wrong at a seam, and some invariant must find it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "services/task_queue/rules.h"
#include "services/task_queue/task_store.h"

namespace switchyard::sim {

enum class Mutant {
  kNone,
  kLosesATask,
  kIgnoresCompare,
  kBelievesEverybody,
  kFinalTwice,
  kForgetsBackoff,
  kOneAttemptMore,
  kPartialFromRunning,
  kSameGeneration,
  kStarvesAProject,
  kForgetsLimits,
  kLosesASlot,
  kAcksEarly,
  kRedeliversOldGeneration,
  kForgetsAReport,
  kOutlivesItsLease,
};

struct MutantInfo {
  Mutant mutant;
  std::string_view name;
  // Which invariant must catch it.
  std::string_view caught_by;
  std::string_view what;
};
const std::vector<MutantInfo>& Mutants();
// kNone when there is none of that name.
Mutant FindMutant(std::string_view name);

// The store that replicas get; null when the mutant is elsewhere.
std::unique_ptr<task_queue::TaskStore> MutateStore(Mutant mutant, task_queue::TaskStore& store);
task_queue::Rules MutateRules(Mutant mutant, task_queue::Rules rules);

}  // namespace switchyard::sim

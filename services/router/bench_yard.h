#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "services/router/decide.h"

namespace switchyard::router {

// An installation of so many endpoints, most of them local, with four models each, and tasks of every kind: what
// benchmarks decide by. Thread-safe but for Renew.
class BenchYard {
 public:
  explicit BenchYard(int endpoints);

  // The task of that number; they repeat.
  DecideResult Decide(std::size_t number) const { return Ask(tasks_[number % tasks_.size()]); }
  // One that nothing serves.
  DecideResult DecideNone() const { return Ask(hopeless_); }
  // A new snapshot of the same.
  void Renew();

 private:
  DecideResult Ask(const TaskFacts& facts) const;

  Catalogue catalogue_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::string> offers_;
  Reach reach_;
  BudgetBook budgets_;
  std::vector<TaskFacts> tasks_;
  TaskFacts hopeless_;
};

}  // namespace switchyard::router

// Those outside: who submits, cancels, answers and judges. They never crash, and repeat what was not answered.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/ledger_choice.h"
#include "tests/sim/network.h"
#include "tests/sim/observer.h"
#include "tests/sim/script.h"

namespace switchyard::sim {

struct Wish {
  absl::Duration at;
  task_queue::v1::TaskSpec spec;
  // InfiniteDuration: never.
  absl::Duration cancel_after = absl::InfiniteDuration();
  bool may_wait_for_ever = false;
};

class Client final : public Process {
 public:
  // Borrows all. Told of each task that a replica acknowledged, maybe more than once.
  using Acknowledged = std::function<void(const task_queue::TaskId&, const std::string& request)>;
  Client(World& world, Network& network, int index, std::vector<LedgerProcess*> ledgers, ObservedStore& store,
         Acknowledged acknowledged);

  void Want(Wish wish);
  bool all_acknowledged() const { return tasks_.size() == wanted_; }
  const std::map<std::string, task_queue::TaskId>& tasks() const { return tasks_; }
  const std::set<task_queue::TaskId>& may_wait() const { return may_wait_; }

 private:
  void Boot() override {}
  void Die() override {}
  void Submit(const std::string& request, const Wish& wish);
  // Until it is answered with anything but silence.
  void Repeat(const task_queue::Command& command, int tries);
  void See(const Change& change);

  Network& network_;
  LedgerChoice ledger_;
  SimRng rng_;
  const Acknowledged acknowledged_;
  std::size_t wanted_ = 0;
  std::map<std::string, task_queue::TaskId> tasks_;
  std::set<task_queue::TaskId> may_wait_;
};

}  // namespace switchyard::sim

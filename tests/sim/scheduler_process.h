// A scheduler: the production class over wires of the simulation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/scheduler/route_source.h"
#include "services/scheduler/scheduler.h"
#include "services/scheduler/scheduler_meter.h"
#include "tests/sim/gate.h"
#include "tests/sim/ledger_process.h"
#include "tests/sim/network.h"

namespace switchyard::sim {

class HubProcess;

class SchedulerProcess final : public Process {
 public:
  struct Parts {
    std::vector<LedgerProcess*> ledgers;
    std::vector<HubProcess*> hubs;
    scheduler::SchedulerMeter* meter = nullptr;
    int shards = 0;
    // A mutant: tasks of this project never come in line; "" for none.
    std::string blind_for_project;
  };

  SchedulerProcess(World& world, Network& network, std::string name, int index, Parts parts);
  ~SchedulerProcess() override;

  Gate& gate() { return gate_; }
  // Null while it is down.
  scheduler::Scheduler* core() { return core_.get(); }

 private:
  class Wires;

  void Boot() override;
  void Die() override;

  Network& network_;
  const Parts parts_;
  Gate gate_;
  scheduler::StaticRouteSource routes_;
  std::unique_ptr<SimRng> rng_;
  // Owned by core_.
  Wires* wires_ = nullptr;
  std::unique_ptr<scheduler::Scheduler> core_;
};

}  // namespace switchyard::sim

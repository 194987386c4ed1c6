// A hub: the production core with ports that lead into the simulation.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/base/id.h"
#include "services/agent_hub/hub.h"
#include "switchyard/agent/v1/agent_dispatch.pb.h"
#include "switchyard/agent/v1/agent_hub.pb.h"
#include "tests/sim/gate.h"
#include "tests/sim/ledger_choice.h"
#include "tests/sim/network.h"

namespace switchyard::sim {

// What hubs keep of agents. Durable.
using AgentShelf = std::map<agent_hub::AgentId, agent_hub::AgentRecord>;

class HubProcess final : public Process {
 public:
  struct Parts {
    agent_hub::HubRules rules;
    std::vector<LedgerProcess*> ledgers;
    AgentShelf* agents = nullptr;
    IdSource* ids = nullptr;
    // A mutant: reports are acknowledged before the ledger has them.
    bool acks_early = false;
    // A mutant: what an agent lacks is sent again under the generation before.
    bool redelivers_old_generation = false;
  };
  using CapacitySink = std::function<void(agent::v1::WatchCapacityResponse)>;
  using MessageSink = std::function<void(agent::v1::HubMessage)>;

  HubProcess(World& world, Network& network, std::string name, int index, Parts parts);
  ~HubProcess() override;

  Gate& gate() { return gate_; }

  absl::StatusOr<agent::v1::DispatchResponse> Dispatch(agent::v1::DispatchRequest request);
  void Watch(std::shared_ptr<Wire> wire, CapacitySink sink);
  // Takes an agent's stream; what the agent says comes through Hear.
  void Connect(const agent_hub::AgentId& agent, std::shared_ptr<Wire> wire, MessageSink sink);
  void Hear(Wire* wire, agent::v1::AgentMessage message);

 private:
  class Ports;
  struct Core;

  void Boot() override;
  void Die() override;
  void OpenDirectives();
  void Flush();
  void SendNews(agent_hub::WatchId watch);
  void SaveHealths();
  template <class Response>
  void Ask(bool repeatable, std::function<absl::StatusOr<Response>(LedgerProcess&)> serve,
           std::function<void(absl::StatusOr<Response>)> done, int tries = 0);

  Network& network_;
  const Parts parts_;
  Gate gate_;
  std::unique_ptr<Core> core_;
};

}  // namespace switchyard::sim

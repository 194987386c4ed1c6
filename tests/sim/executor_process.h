// An executor: the production core and its rule for reconnecting, with simulated back ends.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/agent_hub/agent_record.h"
#include "services/executor/executor_core.h"
#include "services/executor/in_memory_journal.h"
#include "services/executor/reconnect.h"
#include "switchyard/agent/v1/agent_hub.pb.h"
#include "tests/sim/gate.h"
#include "tests/sim/hub_process.h"
#include "tests/sim/invariant.h"
#include "tests/sim/network.h"
#include "tests/sim/script.h"

namespace switchyard::sim {

enum class Lie { kNone, kClaims, kOmits };

class ExecutorProcess final : public Process {
 public:
  struct Parts {
    std::vector<HubProcess*> hubs;
    agent_hub::AgentId agent;
    int slots = 1;
    std::vector<std::string> capabilities;
    // A mutant: after a restart it offers one slot less.
    bool loses_a_slot = false;
    // A mutant: its journal loses the last end that it was given.
    bool forgets_a_report = false;
    // A mutant: silence never makes it stop anything.
    bool outlives_its_lease = false;
    // Told of what happens.
    std::function<void(const Execution&)> began;
    std::function<void(const Execution&)> over;
    std::function<void(const Execution&)> forgot;
    std::function<void(const Acknowledgement&)> acknowledged;
  };

  ExecutorProcess(World& world, Network& network, std::string name, int index, Parts parts);
  ~ExecutorProcess() override;

  Gate& gate() { return gate_; }
  std::string agent_id() const { return parts_.agent.ToString(); }
  int slots() const { return parts_.slots; }
  // Its next message that names what it holds does not tell the truth.
  void LieNext(Lie lie) { lie_ = lie; }
  absl::Time lied() const { return lied_; }
  void SetDiskFull(bool full);
  // As SIGTERM does: hands back what runs, leaves, and comes back.
  void Leave(absl::Duration down_for);
  // Nothing runs here, and nothing that it has to say is unsaid.
  bool quiet() const { return core_ != nullptr && core_->held() == 0 && core_->unacknowledged() == 0; }
  std::string Describe() const;

  void Hear(Wire* wire, const agent::v1::HubMessage& message);

 private:
  class FaultyJournal;
  class Checker;
  struct Run {
    Script script;
    int number = 0;
    bool cancelled = false;
    bool asked = false;
    bool effects = false;
  };

  void Boot() override;
  void Die() override;
  void Step();
  void Dial();
  void Ended(const absl::Status& status);
  void Pump();
  void Say(agent::v1::AgentMessage message);
  void Welcome(const agent::v1::Welcome& message);
  void Begin(const executor::Assignment& assignment);
  void Finish(const executor::TaskKey& key, int number);
  void Cancel(const executor::TaskKey& key);
  void Kill(const executor::TaskKey& key);
  template <class Message>
  void Falsify(Message& message);
  Execution ExecutionOf(const executor::TaskKey& key, bool effects) const;
  void LookForForgotten();
  void Acknowledged(std::int64_t through, const std::vector<std::int64_t>& refused);

  Network& network_;
  const Parts parts_;
  Gate gate_;
  // Durable.
  executor::InMemoryJournal journal_;
  // The ends of work that are in there, for all that its user knows.
  std::map<std::int64_t, executor::TaskKey> owed_;

  std::unique_ptr<FaultyJournal> faulty_;
  std::unique_ptr<Checker> checker_;
  std::unique_ptr<SimRng> rng_;
  std::unique_ptr<executor::ExecutorCore> core_;
  std::unique_ptr<executor::Reconnect> reconnect_;
  std::shared_ptr<Wire> wire_;
  bool welcomed_ = false;
  absl::Duration retry_after_;
  bool permanent_ = false;
  absl::Status goodbye_;
  absl::Time dialled_;
  absl::Time dial_at_;
  std::size_t address_ = 0;
  std::map<executor::TaskKey, Run> runs_;
  int last_run_ = 0;
  std::map<std::int64_t, executor::TaskKey> confirms_;
  std::int64_t last_confirm_ = 0;
  struct Sent {
    executor::TaskKey key;
    bool final = false;
  };
  // Reports that no hub has acknowledged, by number.
  std::map<std::int64_t, Sent> sent_;
  Lie lie_ = Lie::kNone;
  absl::Time lied_ = absl::InfinitePast();
  // Durable: what a liar may claim.
  std::deque<executor::TaskKey> seen_;
};

}  // namespace switchyard::sim

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "tools/benchmarks/installation.h"
#include "tools/benchmarks/sim_agent.h"

namespace switchyard::bench {

// Many simulated executors, each with a stream and a connection of its own, and their heartbeats. One thread's, like
// its agents' connecting and cutting.
class AgentSwarm final {
 public:
  // Enrolls them; nothing is connected yet.
  static absl::StatusOr<std::unique_ptr<AgentSwarm>> Create(const Installation& installation, const std::string& prefix,
                                                            int count, const SimAgent::Settings& settings);
  ~AgentSwarm();

  // Who is told from now on; null: nobody. Borrowed. Once it returns the former one hears nothing more.
  void SetEvents(SimAgentEvents* events) { relay_.Set(events); }

  // Those from `first` on, `count` of them, all at once.
  absl::Status Connect(int first, int count, bool restarted);
  absl::Status Connect() { return Connect(0, size(), true); }
  // Until the hub has welcomed the first `count`; or, with `available`, until they may be given work. Those that are
  // lost meanwhile dial again after a while, as executors do.
  absl::Status Await(int count, bool available, absl::Duration patience);
  // All streams and connections end without a word.
  void Cut();

  // How often they did.
  int redialled() const { return redialled_; }
  int size() const { return static_cast<int>(agents_.size()); }
  SimAgent& agent(int at) { return *agents_[static_cast<std::size_t>(at)]; }
  const StreamTally& tally() const { return tally_; }

 private:
  // Passes events on to whoever is interested at the moment.
  class Relay final : public SimAgentEvents {
   public:
    void Set(SimAgentEvents* events);
    void OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) override;
    void OnSettled(SimAgent& agent, const SettledReport& report) override;
    void OnLost(SimAgent& agent, const absl::Status& status) override;

   private:
    template <class Tell>
    void Pass(Tell tell);

    std::atomic<SimAgentEvents*> to_{nullptr};
    // Events under way.
    std::atomic<int> busy_{0};
  };

  AgentSwarm();

  absl::Status Redial(int count);

  StreamTally tally_;
  Relay relay_;
  int redialled_ = 0;
  std::string first_loss_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  PeriodicTask beats_;
};

}  // namespace switchyard::bench

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tools/benchmarks/measure.h"
#include "tools/benchmarks/sim_agent.h"

namespace switchyard::bench {

// Whole lives through every service: single SubmitTask calls whose tasks simulated agents get over their streams and
// complete. A life is done when its agent has the acknowledgement of the final report, which follows the commit. In a
// closed loop its latency runs from the call of SubmitTask; in an open loop from the moment when that call was due.
class AgentLoad final : public Load, public SimAgentEvents {
 public:
  struct Settings {
    // SubmitTask calls at a time.
    int in_flight = 256;
    // Lives begun and not yet done; in a closed loop submission pauses beyond.
    int outstanding = 4096;
    // An open loop of so many lives a second; 0: closed.
    double rate = 0;
    // What is different from the usual task.
    std::function<void(v1::TaskSpec&)> adorn;
  };

  AgentLoad(Client& client, const Settings& settings);
  ~AgentLoad() override;
  absl::Status Start() override;
  // No more is submitted. Lives that do not end are an error.
  void Stop() override;
  // The same, and they may be left as they are.
  void Abandon();

  // From the submission, or when it was due, until the agent had the assignment in hand.
  LatencyHistogram& dispatch() { return dispatch_; }
  // Most submissions of an open loop that were due and had to wait for a free call.
  std::int64_t most_late() const { return most_late_; }

  void OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) override;
  void OnSettled(SimAgent& agent, const SettledReport& report) override;
  void OnLost(SimAgent& agent, const absl::Status& status) override;

 private:
  struct Call;

  void Run();
  // Submits as long as a call is free and the loop permits; closed loops only.
  void Pump();
  void Submit(Call& call, std::int64_t stamp);
  void Answered(Call& call, const grpc::Status& status);
  void End(bool patient);

  Client& client_;
  const Settings settings_;
  LatencyHistogram dispatch_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::atomic<std::int64_t> most_late_{0};
  std::atomic<std::int64_t> lost_{0};
  std::thread pacer_;

  Mutex mutex_;
  CondVar changed_;
  bool submitting_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Call*> free_ ABSL_GUARDED_BY(mutex_);
  std::int64_t outstanding_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench

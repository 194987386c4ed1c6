// Tasks and agents for tests of the matching core.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "services/scheduler/matcher.h"

namespace switchyard::scheduler {

inline TaskId TaskNumber(int n) {
  std::array<std::uint8_t, 16> bytes = {};
  bytes[4] = static_cast<std::uint8_t>(n >> 16);
  bytes[5] = static_cast<std::uint8_t>(n >> 8);
  bytes[6] = static_cast<std::uint8_t>(n);
  bytes[15] = static_cast<std::uint8_t>(n % kShards);
  return TaskId(Uuid(bytes));
}

struct TestTask {
  int number = 0;
  int lane = 2;
  bool retried = false;
  std::string project = "default";
  Requirements needs = {};
  std::uint64_t repository = 0;
  int continues = 0;
  std::int64_t generation = 0;
};

struct TestAgent {
  std::string id;
  std::int64_t credits = 1;
  std::vector<std::string> capabilities = {};
  std::vector<std::string> features = {};
  bool available = true;
  std::int64_t epoch = 1;
  int hub = 0;
};

// A matcher that holds all shards, with what tests do to it.
class MatcherBench {
 public:
  explicit MatcherBench(const LineLimits& limits = {}) : matcher_(limits, lanes::kDefaultWeights) {
    std::array<bool, kShards> all;
    all.fill(true);
    matcher_.line().SetShards(all);
  }

  bool Add(const TestTask& task) {
    const ReadyTask ready = {.id = TaskNumber(task.number),
                             .generation = task.generation,
                             .shard = task.number % kShards,
                             .lane = task.lane,
                             .retried = task.retried,
                             .project = task.project,
                             .requirements = &task.needs,
                             .repository = task.repository,
                             .continues = task.continues == 0 ? TaskId() : TaskNumber(task.continues),
                             .ticket = nullptr};
    return matcher_.Add(ready, absl::UnixEpoch());
  }

  AgentRef Put(const TestAgent& agent) {
    AgentFacts facts;
    facts.id = facts.name = agent.id;
    facts.hub = agent.hub;
    facts.session_epoch = agent.epoch;
    facts.capabilities = agent.capabilities;
    facts.features = agent.features;
    facts.slots = static_cast<int>(agent.credits);
    facts.available = agent.available;
    const AgentRef ref = matcher_.fleet().Put(std::move(facts));
    matcher_.fleet().SetLimit(ref, agent.credits);
    return ref;
  }

  // Number of the task and name of the agent, in the order of the matches.
  std::vector<std::pair<int, std::string>> Run(int max = 1'000) {
    std::vector<std::pair<int, std::string>> out;
    last_ = matcher_.Run(max);
    for (const Match& match : last_) out.emplace_back(Number(match.task), match.agent_id);
    return out;
  }
  std::vector<int> RunTasks(int max = 1'000) {
    std::vector<int> out;
    for (const auto& [task, agent] : Run(max)) out.push_back(task);
    return out;
  }
  void SettleAll(Settled outcome) {
    for (const Match& match : last_) matcher_.Settle(match, outcome);
  }
  const std::vector<Match>& last() const { return last_; }

  static int Number(const TaskId& id) {
    const auto& bytes = id.uuid().bytes();
    return bytes[4] << 16 | bytes[5] << 8 | bytes[6];
  }

  Matcher& matcher() { return matcher_; }
  WaitingLine& line() { return matcher_.line(); }
  Fleet& fleet() { return matcher_.fleet(); }

 private:
  Matcher matcher_;
  std::vector<Match> last_;
};

}  // namespace switchyard::scheduler

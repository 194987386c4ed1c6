#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/lanes/weighted_lanes.h"
#include "services/scheduler/fleet.h"
#include "services/scheduler/waiting_line.h"

namespace switchyard::scheduler {

// One task for one agent. Its credit is taken and the task is out of line until Settle.
struct Match {
  TaskId task;
  std::int64_t generation = 0;
  int shard = 0;
  AgentRef agent;
  std::string agent_id;
  int hub = 0;
  std::int64_t session_epoch = 0;
  std::shared_ptr<const RouteTicket> ticket;
  // Something is reserved under the next generation.
  bool reserved = false;
  // Since the task was known here.
  absl::Time since;
};

enum class Settled : std::int8_t {
  // The agent owns it.
  kAssigned,
  // It is not what it was: the credit returns, the task is forgotten.
  kGone,
  // Nothing happened, or nothing is known: the credit returns, the task is back in its place.
  kBack,
  // As kBack, and the agent's session is over.
  kSessionOver,
};

// Decides which task goes to which agent: tasks and agents in, matches out. Holds no lock, asks nobody, takes no time.
// Not thread-safe.
//
// Order: lanes by weight (docs/lanes.md); in a lane fresh work before what was tried, the project served least, the
// oldest task that a free agent fits. Agent: the one that had the task this one continues, one that worked on its
// repository, one of a host where its model is loaded, the least busy. One that rejected or lost the task gets it only
// while no other available agent fits.
class Matcher {
 public:
  Matcher(const LineLimits& limits, const lanes::Weights& weights) : line_(limits, fleet_), lanes_(weights) {}

  Fleet& fleet() { return fleet_; }
  const Fleet& fleet() const { return fleet_; }
  WaitingLine& line() { return line_; }
  const WaitingLine& line() const { return line_; }

  // Takes in what can be assigned; what was assigned here under this generation is old news.
  bool Add(const ReadyTask& task, absl::Time now);
  // At most `max`, best first, and of these at most `max_reservations` that are to be reserved first. Whatever is left
  // has no free agent that fits.
  std::vector<Match> Run(int max, int max_reservations = 1 << 30);
  void Settle(const Match& match, Settled outcome);

  // The agent that this task was last assigned to by this process, among the last tens of thousands.
  std::optional<AgentRef> LastAgentOf(const TaskId& task) const;

 private:
  struct Given {
    std::int64_t generation = 0;
    AgentRef agent;
  };
  static constexpr std::size_t kRemembered = 65'536;
  static constexpr std::size_t kRepositories = 16'384;
  static constexpr std::size_t kAgentsPerRepository = 4;

  const Given* Remembered(const TaskId& task) const;
  void Remember(const Match& match, std::uint64_t repository);

  Fleet fleet_;
  WaitingLine line_;
  lanes::WeightedLanes lanes_;
  // By class: the run in which it was found that nobody can take more of it.
  std::vector<std::uint64_t> exhausted_;
  std::uint64_t run_ = 0;
  // Two halves, so that the oldest are forgotten.
  std::array<absl::flat_hash_map<TaskId, Given>, 2> given_;
  // Newest first.
  absl::flat_hash_map<std::uint64_t, std::vector<AgentRef>> repositories_;
};

}  // namespace switchyard::scheduler

// What a seed is about: who takes part, what is wished for, and by which rules.
#pragma once

#include <cstdint>
#include <vector>

#include "services/agent_hub/hub_rules.h"
#include "services/task_queue/rules.h"
#include "tests/sim/client.h"
#include "tests/sim/faults.h"

namespace switchyard::sim {

struct Scenario {
  Cast cast;
  std::vector<int> slots;
  // Shards that a scheduler takes at most; 0: all.
  int shards = 0;
  std::vector<Wish> wishes;
  std::vector<Fault> faults;
  // All faults are over so long after the start.
  absl::Duration calm = absl::Seconds(45);
};

Scenario MakeScenario(std::uint64_t seed);

// The defaults of production, on a shorter scale, so that a seed takes a minute or two of virtual time.
task_queue::Rules SimRules();
agent_hub::HubRules SimHubRules();

// The project that a mutant starves.
inline constexpr char kStarvedProject[] = "project-1";

}  // namespace switchyard::sim

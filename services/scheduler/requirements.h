#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/id.h"

namespace switchyard::scheduler {

using TaskId = Id<struct TaskIdTag>;

// What an agent must have to be given a task. Each list is sorted and names nothing twice.
struct Requirements {
  std::vector<std::string> capabilities;
  // Of the agents' protocol.
  std::vector<std::string> features;
  // Agents that rejected or lost it: only while no other fits.
  std::vector<std::string> avoid;
  // Agents that refused it for good.
  std::vector<std::string> refuse = {};

  friend bool operator==(const Requirements&, const Requirements&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Requirements& r) {
    return H::combine(std::move(h), r.capabilities, r.features, r.avoid, r.refuse);
  }
};

// Tasks of one class are served by the same agents.
enum class ClassIndex : std::uint32_t {};

// Names an agent for as long as it is announced; afterwards it names nothing, and never another agent.
struct AgentRef {
  std::uint32_t index = 0;
  std::uint32_t serial = 0;

  friend bool operator==(const AgentRef&, const AgentRef&) = default;
};

// Why an agent cannot take a task now.
enum class RuledOut : std::int8_t {
  kNot = 1,
  kMissingCapability = 2,
  kMissingFeature = 3,
  kUnavailable = 4,
  kBusy = 5,
  kAvoided = 6,
  kRefused = 7,
};

}  // namespace switchyard::scheduler

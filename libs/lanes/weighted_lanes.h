// Who goes next when several lanes have work: in shares by weight, and none starves. docs/lanes.md states the rule.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace switchyard::lanes {

// From the most urgent, 0, to the least.
inline constexpr int kLanes = 4;
using Weights = std::array<std::uint32_t, kLanes>;
// Urgent, high, normal, low.
inline constexpr Weights kDefaultWeights = {8, 4, 2, 1};
inline constexpr std::uint32_t kMaxWeight = 1000;

// How many tasks of a lane wait: those never assigned before, and those that come back.
struct Waiting {
  std::uint64_t fresh = 0;
  std::uint64_t retried = 0;
};
using Backlog = std::array<Waiting, kLanes>;

struct Pick {
  int lane = 0;
  // Fresh work of a lane always goes first; among equals the oldest.
  bool retried = false;

  friend bool operator==(const Pick&, const Pick&) = default;
};

// At most this many picks, its own included, until a lane that waits without pause has been picked `nth` times,
// whatever the others do. Of a fresh task at place `nth` of its lane this is the longest wait.
std::uint64_t LongestWait(const Weights& weights, int lane, std::uint64_t nth = 1);

// Stride scheduling: each pick moves a lane on by 1 / weight in virtual time, and the lane that is furthest behind goes
// next, the more urgent one of equals. A lane that was empty comes back where the others are: idling saves up nothing.
// Holds no tasks, takes no time, cannot fail. Not thread-safe.
class WeightedLanes {
 public:
  // Weights outside of 1 to kMaxWeight are taken as the nearest within.
  explicit WeightedLanes(const Weights& weights = kDefaultWeights);

  // The next to be served, and charges its lane for it; absent when nothing waits.
  std::optional<Pick> Next(const Backlog& backlog);
  // The same without charging.
  std::optional<Pick> Peek(const Backlog& backlog) const;
  // Charges a lane for one task: after a Peek, or when a task was served out of turn, as for an agent that suits no
  // other.
  void Charge(int lane);

 private:
  std::array<std::uint64_t, kLanes> strides_;
  // How far each lane is ahead of virtual time; never more than what it was charged for and has not paid back.
  std::array<std::uint64_t, kLanes> ahead_ = {};
};

}  // namespace switchyard::lanes

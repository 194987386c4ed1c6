#include "libs/lanes/weighted_lanes.h"

#include <algorithm>
#include <numeric>

namespace switchyard::lanes {
namespace {

std::uint64_t InRange(std::uint32_t weight) { return std::clamp<std::uint32_t>(weight, 1, kMaxWeight); }

bool Waits(const Waiting& waiting) { return waiting.fresh > 0 || waiting.retried > 0; }

}  // namespace

std::uint64_t LongestWait(const Weights& weights, int lane, std::uint64_t nth) {
  std::uint64_t picks = nth;
  const std::uint64_t own = InRange(weights[lane]);
  for (int other = 0; other < kLanes; ++other) {
    if (other != lane) picks += nth * InRange(weights[other]) / own + 1;
  }
  return picks;
}

WeightedLanes::WeightedLanes(const Weights& weights) {
  // The unit of virtual time makes every stride whole, so that shares are exact.
  std::uint64_t unit = 1;
  for (const std::uint32_t weight : weights) unit = std::lcm(unit, InRange(weight));
  for (int lane = 0; lane < kLanes; ++lane) strides_[lane] = unit / InRange(weights[lane]);
}

std::optional<Pick> WeightedLanes::Peek(const Backlog& backlog) const {
  int best = -1;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (Waits(backlog[lane]) && (best < 0 || ahead_[lane] < ahead_[best])) best = lane;
  }
  if (best < 0) return std::nullopt;
  return Pick{.lane = best, .retried = backlog[best].fresh == 0};
}

std::optional<Pick> WeightedLanes::Next(const Backlog& backlog) {
  const std::optional<Pick> pick = Peek(backlog);
  if (!pick.has_value()) return std::nullopt;
  // Virtual time is now that of the lane that goes.
  const std::uint64_t passed = ahead_[pick->lane];
  for (std::uint64_t& ahead : ahead_) ahead -= std::min(ahead, passed);
  Charge(pick->lane);
  return pick;
}

void WeightedLanes::Charge(int lane) { ahead_[lane] += strides_[lane]; }

}  // namespace switchyard::lanes

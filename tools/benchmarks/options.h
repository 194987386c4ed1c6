#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace switchyard::bench {

struct Options {
  std::string scenario;
  // Of each measured stretch, without the warm-up; 0: the scenario's own.
  double seconds = 0;
  double warmup = 2;
  bool json = false;
  // Whose: "service", "hub", "scheduler", "identity", "postgres" or "client"; empty: none.
  std::string profile;
  int connections = 2;
  // 0: the scenario's own.
  int in_flight = 0;
  int backlog = 1'000'000;
  int watchers = 1'000;
  // Simulated executors; 0: the scenario's own.
  int agents = 0;
  // Agents say Accept before Complete.
  bool accepts = true;
  bool help = false;

  double SecondsOr(double usual) const { return seconds > 0 ? seconds : usual; }
};

// INVALID_ARGUMENT names what is wrong.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace switchyard::bench

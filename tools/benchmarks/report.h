#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace switchyard::bench {

struct Target {
  std::string name;
  double wanted = 0;
  double measured = 0;
  // Whether `measured` shall be at most, instead of at least, `wanted`.
  bool at_most = false;

  bool met() const { return at_most ? measured <= wanted : measured >= wanted; }
};

// What a scenario found.
struct Report {
  std::string scenario;
  std::optional<double> rate_per_s, p50_ms, p99_ms, sql_floor_per_s, ratio;
  // In order of the output.
  std::vector<std::pair<std::string, double>> cpu_us_per_task;
  // What a task life costs on the streams of agents; empty where no agents are.
  std::vector<std::pair<std::string, double>> coordination;
  std::vector<Target> targets;
  // Beside the figures that all scenarios have.
  std::vector<std::pair<std::string, double>> details;
  // Anything but 0 fails the scenario.
  double errors = 0;
  std::string first_error;

  bool met() const;
};

// One line of JSON.
std::string ToJson(const Report& report);
// For people, several lines.
std::string ToText(const Report& report);

}  // namespace switchyard::bench

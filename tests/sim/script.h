// What a simulated task does, written into its command: how long it runs, and how each of its attempts ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::sim {

struct Script {
  absl::Duration run = absl::Milliseconds(100);
  // By generation; the last one repeats. k: succeeds, f: fails, p: fails for good, a: the agent's fault, b: asks a
  // question first.
  std::string outcomes = "k";

  char outcome(std::int64_t generation) const {
    const auto index = static_cast<std::size_t>(std::max<std::int64_t>(generation - 1, 0));
    return outcomes[std::min(index, outcomes.size() - 1)];
  }
};

inline void Write(const Script& script, task_queue::v1::TaskSpec& spec) {
  spec.mutable_command()->add_argv("sim");
  spec.mutable_command()->add_argv(std::to_string(absl::ToInt64Milliseconds(script.run)));
  spec.mutable_command()->add_argv(script.outcomes);
}

inline Script Read(const task_queue::v1::TaskSpec& spec) {
  Script script;
  if (spec.command().argv_size() != 3) return script;
  script.run = absl::Milliseconds(std::stoll(spec.command().argv(1)));
  script.outcomes = spec.command().argv(2);
  return script;
}

// The summary of a result: who made it, under which generation.
inline std::string Signature(const std::string& task, std::int64_t generation, const std::string& agent) {
  return task + "#" + std::to_string(generation) + "@" + agent;
}

}  // namespace switchyard::sim

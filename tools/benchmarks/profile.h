#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tools/benchmarks/child_process.h"

namespace switchyard::bench {

// Samples processes with perf, where it is installed, until Finish(). Not thread-safe.
class Profile {
 public:
  Profile(const std::vector<pid_t>& pids, const std::string& file);
  // The symbols that took the most, as text for people.
  std::string Finish();

 private:
  const std::string file_;
  std::unique_ptr<ChildProcess> perf_;
};

}  // namespace switchyard::bench

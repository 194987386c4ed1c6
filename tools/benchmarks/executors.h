#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/testing/temp_dir.h"
#include "tools/benchmarks/child_process.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/enrolled_agents.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {

// Real executors, each a process of its own that has joined the installation. They end with the object. Not
// thread-safe.
class Executors {
 public:
  struct Settings {
    // Of their names.
    std::string prefix;
    int count = 1;
    int slots = 8;
    // More of the configuration file, whole lines of YAML.
    std::string config;
    // The file of that name in the data folder; empty: none.
    std::string allowlist;
  };
  // Available for work when it returns.
  static absl::StatusOr<std::unique_ptr<Executors>> Start(const Installation& installation, Client& client,
                                                          const Settings& settings);
  ~Executors();

  // Processor time, with that of the programs that they ran and that have ended.
  absl::Duration Spent() const;

 private:
  Executors() = default;
  absl::Status StartOne(const Installation& installation, const Settings& settings, const AgentIdentity& identity);
  absl::Status AwaitAvailable(const Installation& installation, Client& client,
                              const std::vector<AgentIdentity>& identities);

  testing::TempDir files_;
  std::vector<std::unique_ptr<ChildProcess>> processes_;
};

}  // namespace switchyard::bench

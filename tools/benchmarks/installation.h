#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/pg/connect_options.h"
#include "libs/pg/connection.h"
#include "libs/testing/temp_dir.h"
#include "libs/testing/throwaway_postgres.h"
#include "tools/benchmarks/child_process.h"
#include "tools/benchmarks/metrics_scrape.h"

namespace switchyard::bench {

// What each process has spent so far. `service` is the task queue, or the one process with all services; `executors`
// are real ones, which whoever started them adds.
struct Spent {
  absl::Duration client, service, hub, scheduler, postgres, identity, verification, executors, machine;

  Spent operator-(const Spent& earlier) const;
};

struct Setup {
  // The agent hub and the scheduler too.
  bool agents = false;
  // The model registry and the router too; with agents, as processes of their own.
  bool models = false;
  // The verification service too; with agents, as a process of its own.
  bool verification = false;
  // Every service in one process.
  bool all_in_one = false;
  // Flags of whatever process runs that service.
  std::vector<std::string> task_queue_flags, hub_flags;
};

// A whole installation of its own, as it would be in use: a Postgres cluster with fsync, the services as processes,
// tokens checked, no port or file shared with anybody. Gone with the object. Not thread-safe.
class Installation {
 public:
  // Runs the binaries that stand beside this one.
  static absl::StatusOr<std::unique_ptr<Installation>> Create(const Setup& setup = {});
  ~Installation();

  // "host:port" of the task queue; of the hub.
  const std::string& target() const { return task_queue_.target; }
  const std::string& hub_target() const { return setup_.all_in_one ? task_queue_.target : hub_.target; }
  const std::string& registry_target() const { return registry_.target; }
  const std::string& router_target() const { return router_.target; }
  // Of all scopes that a load needs.
  const std::string& token() const { return token_; }
  const pg::ConnectOptions& database() const { return database_; }
  // Of "service", "hub", "scheduler", "identity", "postgres" or "client".
  std::vector<pid_t> ProcessesOf(const std::string& whom) const;

  // The task queue, and the scheduler and the hub before it.
  absl::Status StopServices();
  // Returns once it is ready.
  absl::Status StartTaskQueue();

  // Of the task queue and the hub.
  absl::StatusOr<MetricValues> Scrape() const;
  Spent SpentSoFar() const;
  // Resident memory of the process that runs the hub.
  std::int64_t HubBytes() const;
  absl::StatusOr<std::unique_ptr<pg::Session>> Connect() const;
  std::string File(std::string_view name) const { return files_.File(name); }

 private:
  struct Service {
    std::string name;
    std::string target;
    int metrics_port = 0;
    std::unique_ptr<ChildProcess> process;
  };

  explicit Installation(const Setup& setup) : setup_(setup) {}
  absl::Status Initialise();
  absl::Status StartModels();
  absl::Status StartVerification();
  absl::Status IssueToken(const std::string& name, const std::string& scopes);
  std::vector<std::string> DatabaseFlags() const;
  // What a service calls the others with: the token of that name.
  std::vector<std::string> NeighbourFlags(const std::string& token = "services") const;
  // `command` is the binary's name and what follows before flags.
  absl::Status Start(Service& service, std::vector<std::string> command, const std::vector<std::string>& flags);
  absl::Status Stop(Service& service);
  absl::Status AwaitReady(Service& service, const std::vector<std::string>& command);

  const Setup setup_;
  testing::TempDir files_;
  std::string binaries_;
  std::unique_ptr<testing::ThrowawayPostgres> postgres_;
  pid_t postmaster_ = 0;
  pg::ConnectOptions database_;
  Service identity_, task_queue_, registry_, router_, hub_, scheduler_, verification_;
  std::string token_;
};

}  // namespace switchyard::bench

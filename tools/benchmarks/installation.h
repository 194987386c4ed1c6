#pragma once

#include <memory>
#include <string>
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

// What each process has spent so far.
struct Spent {
  absl::Duration client, service, postgres, identity, machine;

  Spent operator-(const Spent& earlier) const;
};

// A whole installation of its own, as it would be in use: a Postgres cluster with fsync, the identity service and the
// task queue as processes, tokens checked, no port or file shared with anybody. Gone with the object. Not thread-safe.
class Installation {
 public:
  // Runs the binaries that stand beside this one.
  static absl::StatusOr<std::unique_ptr<Installation>> Create();
  ~Installation();

  // "host:port".
  const std::string& target() const { return target_; }
  // Of all scopes that the load needs.
  const std::string& token() const { return token_; }
  const pg::ConnectOptions& database() const { return database_; }
  // Of "service", "postgres" or "client".
  std::vector<pid_t> ProcessesOf(const std::string& whom) const;

  absl::Status StopTaskQueue();
  // Returns once it is ready.
  absl::Status StartTaskQueue();

  absl::StatusOr<MetricValues> Scrape() const { return ScrapeMetrics(metrics_port_); }
  Spent SpentSoFar() const;
  absl::StatusOr<std::unique_ptr<pg::Session>> Connect() const;
  std::string File(std::string_view name) const { return files_.File(name); }

 private:
  Installation() = default;
  absl::Status Initialise();
  absl::Status IssueToken(const std::string& name, const std::string& scopes);
  absl::Status AwaitReady(ChildProcess& process, const std::string& binary, const std::string& listen);

  testing::TempDir files_;
  std::string binaries_;
  std::unique_ptr<testing::ThrowawayPostgres> postgres_;
  pid_t postmaster_ = 0;
  pg::ConnectOptions database_;
  std::unique_ptr<ChildProcess> identity_;
  std::unique_ptr<ChildProcess> task_queue_;
  std::string identity_target_;
  std::string target_;
  int metrics_port_ = 0;
  std::string token_;
};

}  // namespace switchyard::bench

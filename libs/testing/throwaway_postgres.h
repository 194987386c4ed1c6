#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/pg/connect_options.h"

namespace switchyard::testing {

// A Postgres cluster of its own, in a short folder under /tmp, reachable by Unix socket only. Ends with the object, and
// also when the process is killed. As root it runs as `postgres` or `nobody`. Not thread-safe, except NewDatabase().
class ThrowawayPostgres final {
 public:
  struct Options {
    // Keeps fsync and full page writes on; for benches.
    bool durable = false;
    // More settings of postgresql.conf.
    std::vector<std::pair<std::string, std::string>> settings;
  };

  // Takes about a second: make one for a test binary, and a database for a test.
  static absl::StatusOr<std::unique_ptr<ThrowawayPostgres>> Create(const Options& options);
  ~ThrowawayPostgres();
  ThrowawayPostgres(const ThrowawayPostgres&) = delete;
  ThrowawayPostgres& operator=(const ThrowawayPostgres&) = delete;

  // A new database, a copy of `like`. Stops the process when it cannot be made: no test can go on without.
  pg::ConnectOptions NewDatabase(std::string_view like = "template1");
  // To an existing one.
  pg::ConnectOptions Connect(std::string_view database) const;

  // As a crash: no checkpoint, connections cut (`-m immediate`). Returns once the server is gone.
  void StopImmediately();
  // On the same data; returns once it accepts connections.
  absl::Status Start();
  absl::Status Restart();
  // Stops answering, with its sockets open: every process of the cluster gets SIGSTOP. Undone by Resume().
  void Pause();
  void Resume();

  const std::string& folder() const { return folder_; }

 private:
  explicit ThrowawayPostgres(const Options& options) : options_(options) {}
  absl::Status Initialise();
  std::vector<std::string> AsServerUser(std::vector<std::string> argv) const;
  absl::Status AwaitReady();
  void SignalAll(int signal);
  void Keep(std::vector<std::string> argv);

  const Options options_;
  std::string folder_;
  std::string binaries_;
  // Empty unless this process is root.
  std::string user_;
  std::atomic<pid_t> pid_{-1};
  std::atomic<int> next_database_{1};
  // The server is told of its parent's death by the kernel, and parent means the thread that started it: this one lives
  // as long as the server.
  std::thread keeper_;
  Mutex mutex_;
  CondVar changed_;
  bool spawned_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

// One for the process, made when first asked for and ended at exit. Tests that stop the server make their own.
ThrowawayPostgres& SharedPostgres();

}  // namespace switchyard::testing

// What a running executor tells other processes of its host about itself: in data_dir/status, rewritten every second.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/executor/agent_loop.h"

namespace switchyard::executor {

struct RunningAgent {
  // Since it was written.
  absl::Duration age;
  bool connected = false;
  std::string address;
  std::string agent_name;
  std::string last_error;
  std::string refusing;
  std::int64_t running = 0;
  std::int64_t unacknowledged = 0;
  absl::Duration clock_skew;
};

// Made of the loop's status; writes at most once a second unless the connection changes. Not thread-safe.
class StatusFile {
 public:
  explicit StatusFile(const std::string& data_dir) : path_(data_dir + "/status") {}
  void Write(const AgentStatus& status);

 private:
  const std::string path_;
  std::int64_t written_ = 0;
  bool connected_ = false;
};

// NOT_FOUND, reason NOT_RUNNING, when no process uses the folder.
absl::StatusOr<RunningAgent> ReadStatus(const std::string& data_dir);

// OK while it runs and looks after itself; with `ready`, only while it is connected and takes work.
absl::Status CheckRunning(const std::string& data_dir, bool ready);

}  // namespace switchyard::executor

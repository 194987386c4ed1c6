#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"

namespace switchyard::bench {

// Marks an instruction, so that the endpoint that gets it can be asked about it.
std::string StampedInstruction(std::int64_t stamp);

// A simulated Ollama in this process, with one loaded model and a fixed answer that comes at once after a delay. Every
// answer's server says that it is simulated. Thread-safe; a thread of its own serves all connections.
class ModelEndpoint {
 public:
  struct Settings {
    std::string model = "bench:7b";
    // Drawn anew for each request.
    absl::Duration least_delay = absl::ZeroDuration();
    absl::Duration most_delay = absl::ZeroDuration();
  };
  // One request for an answer, by SteadyNanos().
  struct Served {
    // Before any of its bytes was read.
    std::int64_t begun = 0;
    // After the last byte of the answer was handed to the kernel; 0: not yet.
    std::int64_t ended = 0;
  };

  static absl::StatusOr<std::unique_ptr<ModelEndpoint>> Start(const Settings& settings);
  ~ModelEndpoint();

  std::string url() const;
  // Waits for the end of the answer to the instruction with this stamp.
  std::optional<Served> AwaitServed(std::int64_t stamp, absl::Duration patience);
  std::int64_t answered() const;
  // Requests for an answer at once.
  int most_in_flight() const;
  // Sum over all requests for an answer of the time that they were there.
  absl::Duration busy() const;
  // From now on; what is under way counts from now.
  void ResetCounts();

 private:
  struct Connection {
    int socket = -1;
    std::string received;
    std::int64_t begun = 0;
    std::int64_t stamp = 0;
    // When an answer is to be sent; 0: none is awaited.
    std::int64_t due = 0;
  };

  explicit ModelEndpoint(const Settings& settings) : settings_(settings) {}
  void Serve();
  // False when the connection is over.
  bool Read(Connection& connection);
  bool Take(Connection& connection);
  bool Answer(Connection& connection);
  bool Send(Connection& connection, std::string_view body);
  void CountTo(std::int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Settings settings_;
  const std::unique_ptr<Rng> rng_ = MakeSystemRng();
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  mutable Mutex mutex_;
  CondVar changed_;
  absl::flat_hash_map<std::int64_t, Served> served_ ABSL_GUARDED_BY(mutex_);
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int most_in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t busy_nanos_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t counted_to_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench

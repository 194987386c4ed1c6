#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "services/executor/backend.h"
#include "services/executor/executor_core.h"
#include "services/executor/hub_stream.h"
#include "services/executor/log_buffer.h"
#include "services/executor/reconnect.h"
#include "services/executor/resources.h"
#include "switchyard/agent/v1/agent_hub.pb.h"

namespace switchyard::executor {

struct AgentLoopOptions {
  int slots = 1;
  std::string software_version;
  std::string host_name;
  std::vector<std::string> capabilities;
  // Those that come and go, looked for with each test of the back ends; may block.
  std::function<std::vector<std::string>()> find_capabilities;
  std::map<std::string, std::string> labels;
  // What its back ends bring, besides what every executor speaks.
  std::vector<std::string> features = {"kind.command"};
  // How long running work may go on once it drains; then it is handed back.
  absl::Duration drain_timeout = absl::Seconds(30);
  // What back ends give work that is cancelled.
  absl::Duration kill_grace = absl::Seconds(5);
  // After drain_timeout, for the last reports to be acknowledged.
  absl::Duration farewell = absl::Seconds(5);
  absl::Duration welcome_timeout = absl::Seconds(15);
  // Between two looks at the host, and between two tests of the back ends.
  absl::Duration resources_every = absl::Seconds(30);
  absl::Duration self_test_every = absl::Minutes(5);
  std::size_t log_buffer_bytes = 4u << 20;
  // Refuse new work while less is free in this folder, the journal's. Empty: not looked at.
  std::string data_dir;
  std::uint64_t min_free_disk = 0;
};

// How it stands, for people and for health checks.
struct AgentStatus {
  bool connected = false;
  // Of the hub of the open or last stream.
  std::string address;
  std::string agent_name;
  std::string agent_id;
  std::string hub_id;
  // How the last stream, or try, ended.
  std::string last_error;
  std::size_t running = 0;
  std::size_t unacknowledged = 0;
  std::size_t log_buffer_bytes = 0;
  std::int64_t log_dropped_bytes = 0;
  std::string refusing;
  bool draining = false;
  // Our clock minus the hub's.
  absl::Duration clock_skew;
  agent::v1::ProbeState probe_state = agent::v1::PROBE_STATE_UNSPECIFIED;
  std::string probe_message;
  std::string hub_state;
};

enum class LoopExit { kDrained, kRefused };

// Everything between the hub, the journal and the back ends, on one thread: whatever happens becomes an event for it.
// Thread-safe.
class AgentLoop {
 public:
  struct Deps {
    const Clock& clock;
    Rng& rng;
    Journal& journal;
    HubDialer& dialer;
    // At least one.
    std::vector<Backend*> backends;
    // Null in tests.
    ResourceProbe* resources;
    // Runs what blocks: tests of back ends, looks at the host.
    Executor& slow;
  };

  AgentLoop(AgentLoopOptions options, Deps deps);
  // Joins: Stop was called, or Wait has returned.
  ~AgentLoop();

  // What the journal says when it cannot be read.
  absl::Status Start();
  // Takes no new work and ends once all is done or handed back.
  void Drain();
  // Ends at once: work that runs dies with its back end, the journal remembers ends.
  void Stop();
  // Until it has ended. With kRefused, `advice` says what to do.
  LoopExit Wait(std::string* advice = nullptr);
  bool WaitFor(absl::Duration timeout);

  AgentStatus status() const;
  // Called at changes and about every second, on the loop's thread; must be quick. Before Start.
  void SetObserver(std::function<void(const AgentStatus&)> observer);
  // The clock was moved: for tests.
  void Wake();

 private:
  class Sink;
  class Stream;
  class Checker;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::executor

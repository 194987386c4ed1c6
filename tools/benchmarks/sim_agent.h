#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "switchyard/agent/v1/agent_hub.grpc.pb.h"
#include "tools/benchmarks/enrolled_agents.h"

namespace switchyard::bench {

namespace av1 = agent::v1;

class SimAgent;

// A report of an agent that the hub has acknowledged.
struct SettledReport {
  enum class Kind { kAccept, kComplete, kReleased };
  Kind kind = Kind::kAccept;
  std::string task_id;
  std::int64_t generation = 0;
  // As ParseStamp read it from the specification; 0: none.
  std::int64_t stamp = 0;
  // It changed nothing; why. Empty: it counts.
  std::string refusal;
};

// What becomes of agents. Called on gRPC's threads, and not twice at a time for one agent; must not wait.
class SimAgentEvents {
 public:
  virtual ~SimAgentEvents() = default;
  // `nanos`: when it was read, by SteadyNanos().
  virtual void OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) {}
  virtual void OnSettled(SimAgent& agent, const SettledReport& report) {}
  // A stream ended that nobody here ended.
  virtual void OnLost(SimAgent& agent, const absl::Status& status) {}
};

// What went over the streams of agents, as they saw it.
struct StreamTally {
  std::atomic<std::int64_t> messages_in{0}, messages_out{0}, bytes_in{0}, bytes_out{0};
};

// An executor without work: it speaks the whole contract over a stream on a connection of its own, and what it is given
// is done at once, or kept. Thread-safe, except that Connect, Drop and Forget are one thread's.
class SimAgent final {
 public:
  struct Settings {
    int slots = 256;
    // Says Accept; without it, Complete alone, as the contract allows for what is done on the spot.
    bool accepts = true;
    // Otherwise what it accepted stays with it until Complete() or Release().
    bool completes = true;
    std::vector<std::string> capabilities;
  };

  // Borrows events and tally.
  SimAgent(std::string target, AgentIdentity identity, const Settings& settings, SimAgentEvents& events,
           StreamTally& tally);
  ~SimAgent();
  SimAgent(const SimAgent&) = delete;
  SimAgent& operator=(const SimAgent&) = delete;

  // Dials and says Hello: with what it holds, or as a new process that holds nothing.
  absl::Status Connect(bool restarted);
  // Ends the stream without a word, as a machine that loses its power. Returns at once; Forget waits.
  void Cut();
  // Returns once the stream is over and its connection closed.
  void Forget();

  // By hand, for agents that do not complete.
  void Complete(const std::string& task_id);
  void Release(const std::string& task_id);
  // From the next heartbeat on, which this sends.
  void SetDraining(bool draining);
  // Off: nothing more is taken from the stream, so the hub's messages stay where they are.
  void SetReading(bool reading);
  // A heartbeat, if one is due by then.
  void Beat(std::int64_t nanos);

  const AgentIdentity& identity() const { return identity_; }
  bool welcomed() const { return welcomed_.load(std::memory_order_acquire); }
  // Its probe has passed and the hub said so; stays once it was so.
  bool available() const { return available_.load(std::memory_order_acquire); }
  // As Welcome said it.
  absl::Duration grace() const;
  // Its stream ended, and nobody here ended it: why. Connect() again, as an executor would.
  std::optional<absl::Status> lost() const;

 private:
  class Stream;
  struct Held {
    std::int64_t generation = 0;
    std::int64_t stamp = 0;
    av1::HeldState state = av1::HELD_STATE_ASSIGNED;
  };
  struct Unacknowledged {
    std::int64_t number = 0;
    SettledReport report;
  };

  // For the stream; `message` is the stream's own and may be taken from.
  void Take(Stream& stream, av1::HubMessage& message, std::int64_t nanos);
  // The last that the stream calls.
  void Over(const absl::Status& status);
  // What is to be said next; false: nothing.
  bool Compose(av1::AgentMessage& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(SettledReport::Kind kind, const std::string& task_id, std::int64_t generation, std::int64_t stamp)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAssignments(const av1::Assign& assign) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerProbe(const av1::Assignment& probe) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<SettledReport> TakeAck(const av1::Ack& ack) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillHeld(google::protobuf::RepeatedPtrField<av1::HeldTask>* held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Flush();

  const std::string target_;
  const AgentIdentity identity_;
  const Settings settings_;
  SimAgentEvents& events_;
  StreamTally& tally_;
  std::atomic<bool> welcomed_{false}, available_{false};
  std::atomic<std::int64_t> next_beat_{0};
  // Only Connect and Forget.
  std::shared_ptr<grpc::Channel> channel_;

  mutable Mutex mutex_;
  CondVar changed_;
  // Shared with whoever flushes it. Dropped by Forget only: gRPC must not drop the last hold on a channel.
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool restarted_ ABSL_GUARDED_BY(mutex_) = false;
  bool hello_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool beat_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::int64_t> pong_due_ ABSL_GUARDED_BY(mutex_);
  int max_reports_ ABSL_GUARDED_BY(mutex_) = 500;
  std::int64_t interval_nanos_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration grace_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  std::int64_t last_report_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t last_assignment_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t beats_ ABSL_GUARDED_BY(mutex_) = 0;
  // By number, until acknowledged; the first `sent_` of them were said in this session.
  std::deque<Unacknowledged> reports_ ABSL_GUARDED_BY(mutex_);
  std::size_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  // On a probe: without numbers.
  std::vector<av1::Report> probe_reports_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Held> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::bench

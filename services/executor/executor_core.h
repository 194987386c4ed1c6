#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "services/executor/confirmation.h"
#include "services/executor/held_work.h"
#include "services/executor/journal.h"

namespace switchyard::executor {

struct CoreLimits {
  int slots = 1;
  // Held tasks, the finished ones that no hub has acknowledged included.
  std::size_t max_held = 2'000;
  // Between two tries to write a journal that failed.
  absl::Duration journal_retry = absl::Seconds(1);
  // Between two questions whether work is still ours, while the ledger cannot be asked.
  absl::Duration confirm_retry = absl::Seconds(1);
  // What back ends give work between asking it to end and ending it. Work with effects is asked so long before the
  // lease ends, as far as heartbeats leave time for it.
  absl::Duration kill_grace = absl::ZeroDuration();
};

// Whether the back ends would take the work. The reason of a refusal goes to the hub.
class WorkChecker {
 public:
  virtual ~WorkChecker() = default;
  // Raises beyond_workspace where it would do more than the task says.
  virtual absl::Status Check(Assignment& assignment) = 0;
};

struct HelloFacts {
  std::vector<HeldTask> held;
  // No hub has welcomed this process yet.
  bool restarted = false;
  bool draining = false;
  int slots = 0;
};

struct HeartbeatFacts {
  std::int64_t number = 0;
  std::vector<HeldTask> held;
  std::int64_t last_assignment = 0;
  int slots = 0;
  bool draining = false;
  std::string refusing;
};

struct Welcomed {
  absl::Duration heartbeat_interval = absl::Seconds(10);
  absl::Duration heartbeat_offset;
  absl::Duration grace = absl::Seconds(60);
  std::vector<TaskKey> drop;
};

struct Answered {
  TaskKey key;
  std::string text;
};

// For the back ends, in this order.
struct Actions {
  std::vector<TaskKey> cancel;
  // Cancelled before, and out of time.
  std::vector<TaskKey> kill;
  std::vector<Assignment> start;
  std::vector<Assignment> probe;
  std::vector<Answered> answers;
  // Nothing more is said about these: their output may go.
  std::vector<TaskKey> forgotten;
};

// Decides what an executor does: what it takes, says, keeps, stops. It neither talks nor waits; whoever drives it calls
// On…() for what happened, then Commit(), does what that returns, and sends what Take…() hand out. Nothing is promised
// to a hub before the journal has it, and no task runs twice at once. Every end of work is kept until a hub has
// acknowledged it; while the journal cannot be written, ends live in memory and new work is refused. Not thread-safe.
class ExecutorCore {
 public:
  // Borrows all for its lifetime.
  ExecutorCore(Journal& journal, WorkChecker& checker, const Clock& clock, CoreLimits limits);
  ~ExecutorCore();

  // Once, first: takes over what the journal holds. Work that had been started is gone with its process and is not held
  // any more; work that had not starts now.
  absl::Status Open();

  // From the hub. Calls of OnWelcome and OnStreamEnded alternate.
  HelloFacts Hello() const;
  // Of a stream that begins: larger than all before it, across restarts too, as far as the journal was not lost.
  std::int64_t NextConnection() { return next_number_++; }
  // The hub refused a stream for its number: the agent has had one with this number.
  void OnStaleConnection(std::int64_t latest) { next_number_ = std::max(next_number_, latest + 1); }
  void OnWelcome(const Welcomed& welcome);
  void OnStreamEnded();
  // Any message.
  void OnHeard();
  void OnAssign(std::vector<Assignment> assignments);
  void OnAck(std::int64_t through, const std::vector<std::int64_t>& refused);
  void OnReconcile(const std::vector<TaskKey>& drop);
  void OnCancel(const TaskKey& key, std::string_view reason, bool withdrawn);
  void OnAnswer(const TaskKey& key, std::string text);
  void OnConfirmation(const TaskKey& key, Confirmation confirmation);

  // From the back ends. `end` is a kComplete or kFail without a number; `cancelled` says that the work ended because of
  // a cancel. Unknown keys are ignored.
  void OnPhase(const TaskKey& key, int phase);
  // Whether its checks are what runs now.
  void OnVerifying(const TaskKey& key, bool verifying);
  void OnBlocked(const TaskKey& key, std::string_view reason, std::string_view question);
  void OnFinished(const TaskKey& key, Report end, bool cancelled);

  // From the host. "" ends a refusal; anything else is told to the hub, and new work is rejected with DISK_FULL.
  void SetDiskFull(std::string_view why);
  // No new work from now on.
  void Drain();
  // Stops and hands back all that still runs.
  void ReleaseAll(std::string_view reason);

  // What is due by the clock; call it at NextWake() or any time before.
  void Tick();
  absl::Time NextWake() const;

  Actions Commit();

  // For the open session, in order; nothing without one. What was taken is not handed out again in this session.
  std::vector<Report> TakeReports(std::size_t most);
  bool has_reports() const;
  std::optional<HeartbeatFacts> TakeHeartbeat();
  std::vector<TaskKey> TakeConfirms();

  // Draining, nothing runs and every end was acknowledged.
  bool drained() const;
  std::size_t running() const { return running_.size(); }
  std::size_t held() const { return tasks_.size(); }
  std::size_t unacknowledged() const { return reports_.size(); }
  // Why new work is refused; "" when it is not.
  std::string refusing() const;
  bool connected() const { return session_; }

 private:
  enum class Stage { kWaiting, kConfirming, kStarting, kRunning, kBlocked, kDone };
  // What a cancelled task says at its end.
  enum class Ending { kNone, kReleased, kLeaseEnded };
  struct Task {
    Assignment assignment;
    Stage stage = Stage::kWaiting;
    Ending ending = Ending::kNone;
    std::string ending_reason;
    // Good for the Commit that follows, and for the session.
    bool confirmed = false;
    absl::Time confirm_at = absl::InfinitePast();
    bool asked = false;
    // The answer that comes is to be asked for again.
    bool outdated = false;
    // The journal knows it, as it stands.
    bool saved = false;
    bool saved_started = false;
    bool verifying = false;
  };
  struct Kept {
    Report report;
    bool saved = false;
  };

  void Take(Assignment assignment);
  struct Objection {
    // "" when there is none.
    std::string reason;
    std::string message;
    // Whenever the task comes.
    bool permanent = false;
    // Its endpoint was called before: a report tells of it.
    bool used = false;
  };
  Objection ObjectionTo(Assignment& assignment);
  void Refuse(const Assignment& assignment, const Objection& objection);
  Report& Say(const TaskKey& key, ReportKind kind);
  void Stop(Task& task, Ending ending, std::string_view reason);
  // Ends a task that never ran, or whose run is over.
  void End(Task& task, Report end);
  void Forget(const TaskKey& key);
  void StartWaiting();
  void ForgetConfirmations();
  // Nothing with effects may begin any more.
  bool LeaseOver() const { return lease_over_ || clock_.Now() >= stop_at(); }
  bool Save();
  void GiveBackUnsaved(std::string_view reason);
  int busy() const;
  std::vector<HeldTask> Held() const;
  absl::Time lease_end() const { return heard_ + grace_; }
  // When work with effects is asked to end, so that it is gone by the end of the lease.
  absl::Time stop_at() const;

  Journal& journal_;
  WorkChecker& checker_;
  const Clock& clock_;
  const CoreLimits limits_;

  std::map<TaskKey, Task> tasks_;
  std::map<std::int64_t, Kept> reports_;
  // On probes; without numbers.
  std::deque<Report> loose_;
  std::set<TaskKey> probes_;
  // Handed to a back end and not finished, also when nobody wants it any more.
  std::set<TaskKey> running_;
  // Lately finished and acknowledged, or dropped: an assignment that comes late does not run again.
  std::deque<TaskKey> past_;
  std::vector<TaskKey> forget_;
  std::vector<std::int64_t> acknowledged_;
  Actions actions_;
  std::int64_t next_number_ = 1;
  std::int64_t sent_through_ = 0;
  // Reports up to here may be sent.
  std::int64_t sendable_through_ = 0;

  bool session_ = false;
  bool welcomed_ever_ = false;
  bool draining_ = false;
  bool lease_over_ = true;
  // Work with effects was asked to end.
  bool stopping_ = false;
  std::string disk_full_;
  std::string journal_fault_;
  std::string journal_reason_;
  absl::Time journal_at_ = absl::InfinitePast();
  absl::Time heard_ = absl::InfinitePast();
  absl::Duration grace_ = absl::ZeroDuration();
  absl::Duration interval_ = absl::Seconds(10);
  absl::Time heartbeat_at_ = absl::InfiniteFuture();
  std::int64_t heartbeats_ = 0;
  std::int64_t last_assignment_ = 0;
};

}  // namespace switchyard::executor

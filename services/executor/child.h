#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/executor/cgroup.h"
#include "services/executor/output_keeper.h"
#include "services/executor/process_table.h"
#include "services/executor/runner.h"
#include "services/executor/shim_protocol.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {

// What of a child can become readable.
enum class ChildEvent : std::uint8_t { kExit, kOutput, kError, kControl, kStatus, kInit };

// One process tree under supervision: its descriptors, its clock and what was seen of it. Its owner polls the
// descriptors and calls Handle and Tick. Not thread-safe; all on the thread that launched it.
class Child {
 public:
  Child(RunSpec spec, RunObserver& observer, absl::Duration give_up_after);

  // Before Launch: the group it shall run in.
  void SetCgroup(std::unique_ptr<TaskCgroup> cgroup) { cgroup_ = std::move(cgroup); }
  // Starts the program. Afterwards `descriptor` tells what to poll.
  absl::Status Launch(absl::Time now);
  int descriptor(ChildEvent event) const;

  void Handle(ChildEvent event, absl::Time now);
  // What time brings: the end of its limits, of its patience, the flush of its output. When to call again.
  absl::Time Tick(absl::Time now);
  // Measures of the watchdog.
  void Observe(const ProcessTable& table, absl::Time now);
  void ObserveFolder(const FolderUsage& usage, absl::Time now);

  // Ends the tree; the first cause counts. With no grace, SIGKILL at once.
  void End(Outcome outcome, std::string reason, std::string message, absl::Duration grace, absl::Time now);

  bool gone(absl::Time now) const;
  // Once, when gone.
  Evidence Finish(absl::Time now);

  // Processes that are not the task's: bubblewrap, its init, the shim.
  std::uint32_t own_processes() const { return spec_.sandboxed ? 3 : 1; }
  const RunSpec& spec() const { return spec_; }
  RunObserver& observer() { return observer_; }

 private:
  UniqueFd& Slot(ChildEvent event);
  void ReadOutput(ChildEvent event, absl::Time now);
  void ReadControl(absl::Time now);
  void ReadStatus();
  void ReadExit(absl::Time now);
  void Order(char order);
  void KillHard();
  void Judge(Evidence& evidence) const;

  const RunSpec spec_;
  RunObserver& observer_;
  const absl::Duration give_up_after_;
  OutputKeeper keeper_;

  std::unique_ptr<TaskCgroup> cgroup_;
  pid_t pid_ = -1;
  UniqueFd exit_, output_, error_, control_, status_, init_;
  std::string status_text_;
  absl::Time launched_;
  absl::Time started_;

  std::optional<ShimReport> failed_;
  std::optional<ShimReport> ended_;
  bool running_ = false;
  bool exited_ = false;
  int wait_status_ = 0;
  // When to stop waiting for what follows the exit.
  absl::Time drained_by_ = absl::InfiniteFuture();

  struct Verdict {
    Outcome outcome;
    std::string reason;
    std::string message;
  };
  std::optional<Verdict> verdict_;
  absl::Time kill_at_ = absl::InfiniteFuture();
  absl::Time hard_kill_at_ = absl::InfiniteFuture();
  absl::Time give_up_at_ = absl::InfiniteFuture();

  std::uint64_t peak_memory_ = 0;
  std::uint32_t peak_processes_ = 0;
  std::uint64_t disk_ = 0;
};

}  // namespace switchyard::executor

#include "services/executor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "services/executor/limits.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {
namespace {

constexpr absl::Duration kDrainTime = absl::Seconds(5);
// Between asking the shim to kill, which still tells what was used, and killing it too.
constexpr absl::Duration kShimTime = absl::Seconds(1);
// How often a group whose processes were killed is looked at.
constexpr absl::Duration kCgroupTime = absl::Milliseconds(5);
constexpr std::size_t kMaxStatus = 4096;

absl::Status SystemFailure(std::string_view what) {
  return MakeError(absl::StatusCode::kInternal, "SPAWN_FAILED",
                   absl::StrCat("cannot start a process: ", std::string(what), ": ", strerror(errno)));
}

struct Pair {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pair> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return SystemFailure("pipe");
  Pair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return pair;
}

// A file in memory that the program can only read.
absl::StatusOr<UniqueFd> InputFile(const std::string& data) {
  if (data.empty()) {
    UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null.valid()) return SystemFailure("/dev/null");
    return null;
  }
  const UniqueFd file(memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return SystemFailure("memfd_create");
  for (std::size_t done = 0; done < data.size();) {
    const ssize_t size = write(file.get(), data.data() + done, data.size() - done);
    if (size < 0 && errno != EINTR) return SystemFailure("write");
    if (size > 0) done += static_cast<std::size_t>(size);
  }
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  UniqueFd reader(open(absl::StrCat("/proc/self/fd/", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader.valid()) return SystemFailure("open");
  return reader;
}

bool IsReadable(int fd) {
  pollfd one = {fd, POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

std::string SignalText(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? absl::StrCat("SIG", name) : absl::StrCat("signal ", signal);
}

bool IsParent(pid_t parent, pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t after = text.rfind(')');
  char state = 0;
  int found = 0;
  return after != std::string::npos && sscanf(text.c_str() + after + 1, " %c %d", &state, &found) == 2 &&
         found == parent;
}

}  // namespace

Child::Child(RunSpec spec, RunObserver& observer, absl::Duration give_up_after)
    : spec_(std::move(spec)),
      observer_(observer),
      give_up_after_(give_up_after),
      keeper_(spec_.limits.log_bytes, [this](LogChunk chunk) { observer_.OnLog(std::move(chunk)); }) {}

absl::Status Child::Launch(absl::Time now) {
  launched_ = started_ = now;
  SY_ASSIGN_OR_RETURN(const UniqueFd input, InputFile(spec_.stdin_data));
  SY_ASSIGN_OR_RETURN(Pair output, MakePipe());
  SY_ASSIGN_OR_RETURN(Pair error, MakePipe());
  SY_ASSIGN_OR_RETURN(Pair status, MakePipe());
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return SystemFailure("socketpair");
  control_.Reset(sockets[0]);
  const UniqueFd shim_end(sockets[1]);
  SpawnPlan plan{.argv = spec_.argv,
                 .environment = spec_.environment,
                 .directory = spec_.directory,
                 .user = spec_.user,
                 .descriptors = {input.get(), output.write.get(), error.write.get(), shim_end.get()}};
  static_assert(kShimSocket == 3 && kSandboxStatus == 4);
  if (cgroup_ != nullptr) plan.cgroup_procs = cgroup_->procs();
  if (spec_.sandboxed) plan.descriptors.push_back(status.write.get());
  SY_ASSIGN_OR_RETURN(Spawned spawned, Spawn(plan));
  pid_ = spawned.pid;
  exit_ = std::move(spawned.pidfd);
  output_ = std::move(output.read);
  error_ = std::move(error.read);
  if (spec_.sandboxed) status_ = std::move(status.read);
  return absl::OkStatus();
}

UniqueFd& Child::Slot(ChildEvent event) {
  switch (event) {
    case ChildEvent::kExit:
      return exit_;
    case ChildEvent::kOutput:
      return output_;
    case ChildEvent::kError:
      return error_;
    case ChildEvent::kControl:
      return control_;
    case ChildEvent::kStatus:
      return status_;
    case ChildEvent::kInit:
      return init_;
  }
  return exit_;
}

int Child::descriptor(ChildEvent event) const { return const_cast<Child*>(this)->Slot(event).get(); }

void Child::Handle(ChildEvent event, absl::Time now) {
  switch (event) {
    case ChildEvent::kOutput:
    case ChildEvent::kError:
      return ReadOutput(event, now);
    case ChildEvent::kControl:
      return ReadControl(now);
    case ChildEvent::kStatus:
      return ReadStatus();
    case ChildEvent::kExit:
      return ReadExit(now);
    case ChildEvent::kInit:
      return init_.Reset();
  }
}

void Child::ReadOutput(ChildEvent event, absl::Time now) {
  UniqueFd& fd = Slot(event);
  char buffer[65536];
  const ssize_t size = fd.valid() ? read(fd.get(), buffer, sizeof(buffer)) : 0;
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return fd.Reset();
  keeper_.Append(event == ChildEvent::kOutput ? LogStream::kOutput : LogStream::kError,
                 std::string_view(buffer, static_cast<std::size_t>(size)), now);
  if (keeper_.written() > spec_.limits.output_bytes) {
    End(Outcome::kLimitExceeded, "OUTPUT_LIMIT",
        absl::StrCat("wrote more than ", spec_.limits.output_bytes, " bytes of output"), absl::ZeroDuration(), now);
  }
}

void Child::ReadControl(absl::Time now) {
  while (control_.valid()) {
    ShimReport report;
    const ssize_t size = recv(control_.get(), &report, sizeof(report), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return control_.Reset();
    if (size != static_cast<ssize_t>(sizeof(report)) || report.magic != kShimMagic) continue;
    if (report.kind == ShimReportKind::kStarted && !running_) {
      running_ = true;
      started_ = now;
      observer_.OnStarted();
    } else if (report.kind == ShimReportKind::kFailed) {
      failed_ = report;
    } else if (report.kind == ShimReportKind::kEnded) {
      ended_ = report;
    }
  }
}

void Child::ReadStatus() {
  char buffer[1024];
  const ssize_t size = status_.valid() ? read(status_.get(), buffer, sizeof(buffer)) : 0;
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return status_.Reset();
  status_text_.append(buffer, static_cast<std::size_t>(size));
  const std::size_t at = status_text_.find("\"child-pid\":");
  int pid = 0;
  if (at != std::string::npos && status_text_.find_first_of(",}", at) != std::string::npos && !init_.valid() &&
      sscanf(status_text_.c_str() + at + 12, " %d", &pid) == 1 && pid > 1) {
    init_.Reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (init_.valid() && !IsParent(pid_, pid)) init_.Reset();
    status_text_.clear();
  }
  if (status_text_.size() > kMaxStatus) status_.Reset();
}

void Child::ReadExit(absl::Time now) {
  if (exited_) return;
  // What it said before it went.
  while (status_.valid() && IsReadable(status_.get())) ReadStatus();
  ReadControl(now);
  const pid_t pid = waitpid(pid_, &wait_status_, WNOHANG);
  if (pid == 0 || (pid < 0 && errno == EINTR)) return;
  exited_ = true;
  exit_.Reset();
  drained_by_ = now + kDrainTime;
  if (init_.valid()) syscall(SYS_pidfd_send_signal, init_.get(), SIGKILL, nullptr, 0);
  if (cgroup_ == nullptr) return;
  if (cgroup_->RanOutOfMemory() && !verdict_.has_value()) {
    verdict_ = Verdict{Outcome::kLimitExceeded, "MEMORY_LIMIT",
                       absl::StrCat("used more than ", spec_.limits.memory_bytes, " bytes of memory")};
  }
  peak_memory_ = std::max(peak_memory_, cgroup_->PeakMemory());
  cgroup_->Kill();
}

void Child::Order(char order) {
  if (control_.valid()) send(control_.get(), &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Child::KillHard() {
  if (init_.valid()) syscall(SYS_pidfd_send_signal, init_.get(), SIGKILL, nullptr, 0);
  if (cgroup_ != nullptr) cgroup_->Kill();
  // Not waited for yet, so its number is still its own.
  if (!exited_) {
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
  }
}

void Child::End(Outcome outcome, std::string reason, std::string message, absl::Duration grace, absl::Time now) {
  if (exited_) return;
  if (!verdict_.has_value()) {
    verdict_ = Verdict{outcome, std::move(reason), std::move(message)};
    if (grace > absl::ZeroDuration()) Order(kShimTerminate);
  }
  kill_at_ = std::min(kill_at_, now + grace);
  if (kill_at_ <= now) Tick(now);
}

absl::Time Child::Tick(absl::Time now) {
  if (!exited_) {
    if (!verdict_.has_value() && now >= launched_ + spec_.limits.time) {
      End(Outcome::kTimedOut, "RUN_TIMEOUT", absl::StrCat("still ran after ", absl::FormatDuration(spec_.limits.time)),
          spec_.limits.kill_grace, now);
    }
    if (now >= kill_at_) {
      kill_at_ = absl::InfiniteFuture();
      if (hard_kill_at_ == absl::InfiniteFuture()) {
        Order(kShimKill);
        // Before the shim runs there is nothing to ask for.
        hard_kill_at_ = running_ ? now + kShimTime : now;
        give_up_at_ = now + kShimTime + give_up_after_;
      }
    }
    if (now >= hard_kill_at_) {
      KillHard();
      hard_kill_at_ = now + kShimTime;
    }
  }
  const absl::Time flush = keeper_.Flush(now);
  if (exited_) return std::min({flush, drained_by_, cgroup_ == nullptr ? absl::InfiniteFuture() : now + kCgroupTime});
  absl::Time next = std::min({flush, kill_at_, hard_kill_at_, give_up_at_});
  if (!verdict_.has_value()) next = std::min(next, launched_ + spec_.limits.time);
  return next;
}

void Child::Observe(const ProcessTable& table, absl::Time now) {
  if (exited_) return;
  const ProcessTable::Usage usage = table.Below(pid_);
  const std::uint32_t threads = usage.threads > own_processes() ? usage.threads - own_processes() : 0;
  peak_processes_ = std::max(peak_processes_, threads);
  std::uint64_t memory = usage.rss_bytes;
  if (memory > spec_.limits.memory_bytes) memory = ProportionalBytes(usage.pids, memory);
  peak_memory_ = std::max(peak_memory_, memory);
  if (memory > spec_.limits.memory_bytes) {
    End(Outcome::kLimitExceeded, "MEMORY_LIMIT",
        absl::StrCat("used ", memory, " bytes of memory, allowed are ", spec_.limits.memory_bytes),
        absl::ZeroDuration(), now);
  } else if (threads > spec_.limits.processes) {
    End(Outcome::kLimitExceeded, "PROCESS_LIMIT",
        absl::StrCat("had ", threads, " processes and threads, allowed are ", spec_.limits.processes),
        absl::ZeroDuration(), now);
  }
}

void Child::ObserveFolder(const FolderUsage& usage, absl::Time now) {
  disk_ = std::max(disk_, usage.bytes);
  if (usage.bytes > spec_.limits.disk_bytes) {
    End(Outcome::kLimitExceeded, "DISK_LIMIT",
        absl::StrCat("its working directory holds more than ", spec_.limits.disk_bytes, " bytes"), absl::ZeroDuration(),
        now);
  } else if (usage.more) {
    End(Outcome::kLimitExceeded, "DISK_LIMIT", absl::StrCat("its working directory holds ", usage.entries, " files"),
        absl::ZeroDuration(), now);
  }
}

bool Child::gone(absl::Time now) const {
  if (!exited_) return now >= give_up_at_;
  const bool quiet = !output_.valid() && !error_.valid() && !init_.valid();
  return (quiet && (cgroup_ == nullptr || !cgroup_->Populated())) || now >= drained_by_;
}

Evidence Child::Finish(absl::Time now) {
  ReadControl(now);
  keeper_.Finish(now);
  Evidence evidence;
  evidence.started = started_;
  evidence.ended = now;
  evidence.output = keeper_.Summary();
  evidence.output_bytes = keeper_.written();
  evidence.dropped_bytes = keeper_.dropped();
  evidence.peak_memory_bytes = peak_memory_;
  evidence.peak_processes = peak_processes_;
  evidence.disk_bytes = disk_;
  evidence.limits = DescribeLimits(spec_.limits, spec_.sandboxed, cgroup_ != nullptr && cgroup_->memory(),
                                   cgroup_ != nullptr && cgroup_->processes());
  Judge(evidence);
  return evidence;
}

void Child::Judge(Evidence& evidence) const {
  const auto say = [&evidence](Outcome outcome, std::string_view reason, std::string message, bool fault = false) {
    evidence.outcome = outcome;
    evidence.reason = std::string(reason);
    evidence.message = std::string(text::TruncateUtf8(message, 4096));
    evidence.executor_fault = fault;
  };
  if (ended_.has_value()) {
    evidence.user_time = absl::Microseconds(ended_->user_micros);
    evidence.system_time = absl::Microseconds(ended_->system_micros);
    evidence.max_rss_bytes = ended_->max_rss_bytes;
  } else if (cgroup_ != nullptr) {
    evidence.user_time = cgroup_->CpuTime();
  }
  const int status = ended_.has_value() ? ended_->value : wait_status_;
  if (exited_ && (ended_.has_value() || running_)) {
    evidence.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    evidence.exit_code = WIFSIGNALED(status) ? 128 + evidence.signal : WEXITSTATUS(status);
    // Bubblewrap says so of its child.
    if (!ended_.has_value() && evidence.exit_code > 128 && evidence.exit_code < 128 + NSIG) {
      evidence.signal = evidence.exit_code - 128;
    }
  }
  if (verdict_.has_value()) {
    say(verdict_->outcome, verdict_->reason, verdict_->message);
    if (!exited_) absl::StrAppend(&evidence.message, "; its processes could not be ended");
    return;
  }
  if (failed_.has_value()) {
    const bool own_fault = failed_->stage == ShimStage::kDirectory || failed_->value == E2BIG;
    return say(own_fault ? Outcome::kFailed : Outcome::kNotStarted, "EXEC_FAILED",
               absl::StrCat(failed_->stage == ShimStage::kDirectory ? "cannot enter its folder: "
                                                                    : "cannot execute the program: ",
                            strerror(failed_->value)),
               !own_fault);
  }
  if (!running_) {
    std::string why(absl::StripAsciiWhitespace(evidence.output));
    if (why.empty()) why = absl::StrCat("wait status ", wait_status_);
    return say(Outcome::kNotStarted, spec_.sandboxed ? "SANDBOX_UNAVAILABLE" : "SPAWN_FAILED",
               absl::StrCat("the program was not reached: ", why), true);
  }
  if (evidence.signal != 0) return say(Outcome::kFailed, "SIGNAL", "ended by " + SignalText(evidence.signal));
  if (!ended_.has_value()) return say(Outcome::kFailed, "SIGNAL", "ended without saying how");
  if (evidence.exit_code != 0) {
    return say(Outcome::kFailed, "EXIT_STATUS", absl::StrCat("exit status ", evidence.exit_code));
  }
  say(Outcome::kSucceeded, "", "");
}

}  // namespace switchyard::executor

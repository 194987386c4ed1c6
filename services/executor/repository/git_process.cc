#include "services/executor/repository/git_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::repository {
namespace {

constexpr std::size_t kMaxError = 4096;
constexpr absl::Duration kGrace = absl::Seconds(2);
// How soon `stop` is seen.
constexpr int kLookMillis = 50;
constexpr int kLooksPerWatch = 20;

absl::Status GitFailed(std::string_view what) { return MakeError(absl::StatusCode::kInternal, "GIT_FAILED", what); }

absl::Status SystemFailure(const char* what) {
  return GitFailed(absl::StrCat("cannot run git: ", what, ": ", strerror(errno)));
}

// What the program can only read; it has no name in any folder.
absl::StatusOr<UniqueFd> Memory(const std::string& data) {
  const UniqueFd file(memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING));
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

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return SystemFailure("pipe");
  Pipe made{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return made;
}

// Becomes readable once after `span`.
absl::Status SetTimer(const UniqueFd& timer, absl::Duration span) {
  const std::int64_t nanos = std::max<std::int64_t>(1, absl::ToInt64Nanoseconds(span));
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
  when.it_value.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  if (timerfd_settime(timer.get(), 0, &when, nullptr) != 0) return SystemFailure("timerfd");
  return absl::OkStatus();
}

class Running {
 public:
  Running(const GitCall& call, const std::atomic<bool>& stop) : call_(call), stop_(stop) {}
  ~Running() { End(); }

  absl::Status Start(const std::string& program);
  absl::StatusOr<GitAnswer> Wait();

 private:
  // OK while there is more to come.
  void ReadAll(UniqueFd& from, bool error);
  void Take(std::string_view piece, bool error);
  absl::Status Look(int look) const;
  void Ask(absl::Status why);
  // Nothing of the group is left afterwards.
  void End();

  const GitCall& call_;
  const std::atomic<bool>& stop_;
  UniqueFd output_;
  UniqueFd error_;
  UniqueFd timer_;
  Spawned process_;
  GitAnswer answer_;
  // Why it is being ended.
  absl::Status ended_;
  bool killed_ = false;
  int wait_status_ = 0;
};

absl::Status Running::Start(const std::string& program) {
  SY_ASSIGN_OR_RETURN(const UniqueFd input, Memory(call_.input));
  UniqueFd secret;
  if (!call_.secret.empty()) {
    SY_ASSIGN_OR_RETURN(secret, Memory(call_.secret));
  }
  SY_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  SY_ASSIGN_OR_RETURN(Pipe error, MakePipe());
  timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_.valid()) return SystemFailure("timerfd");
  SY_RETURN_IF_ERROR(SetTimer(timer_, call_.time));
  SpawnPlan plan{.argv = {program},
                 .environment = call_.environment,
                 .directory = call_.directory,
                 .user = call_.user,
                 .descriptors = {input.get(), output.write.get(), error.write.get()}};
  plan.argv.insert(plan.argv.end(), call_.arguments.begin(), call_.arguments.end());
  if (secret.valid()) plan.descriptors.push_back(secret.get());
  absl::StatusOr<Spawned> spawned = Spawn(plan);
  if (!spawned.ok()) return GitFailed(absl::StrCat("cannot run ", program, ": ", spawned.status().message()));
  process_ = *std::move(spawned);
  output_ = std::move(output.read);
  error_ = std::move(error.read);
  return absl::OkStatus();
}

void Running::Take(std::string_view piece, bool error) {
  if (error) {
    answer_.error.append(piece);
    if (answer_.error.size() > kMaxError) answer_.error.erase(0, answer_.error.size() - kMaxError);
    return;
  }
  const std::size_t room = call_.max_output - std::min(call_.max_output, answer_.output.size());
  answer_.output.append(piece.substr(0, room));
  if (piece.size() <= room) return;
  answer_.cut = true;
  Ask(call_.cut ? absl::OkStatus() : GitFailed("git said more than is taken"));
}

void Running::ReadAll(UniqueFd& from, bool error) {
  char buffer[65536];
  while (from.valid()) {
    const ssize_t size = read(from.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return from.Reset();
    // What comes after the end was asked for is of no use.
    if (error || !answer_.cut) Take({buffer, static_cast<std::size_t>(size)}, error);
  }
}

absl::Status Running::Look(int look) const {
  if (stop_.load()) return absl::CancelledError("git was cancelled");
  if (call_.watch && look % kLooksPerWatch == 0) return call_.watch();
  return absl::OkStatus();
}

void Running::Ask(absl::Status why) {
  if (killed_) return;
  killed_ = true;
  ended_ = std::move(why);
  kill(-process_.pid, SIGTERM);
  static_cast<void>(SetTimer(timer_, kGrace));
}

void Running::End() {
  if (process_.pid < 0) return;
  // Before it is waited for, so that the number is still its own.
  kill(-process_.pid, SIGKILL);
  while (waitpid(process_.pid, &wait_status_, 0) < 0 && errno == EINTR) {
  }
  process_.pid = -1;
}

absl::StatusOr<GitAnswer> Running::Wait() {
  for (int look = 1;; ++look) {
    pollfd waits[4] = {{process_.pidfd.get(), POLLIN, 0},
                       {timer_.get(), POLLIN, 0},
                       {output_.get(), POLLIN, 0},
                       {error_.get(), POLLIN, 0}};
    if (poll(waits, 4, kLookMillis) < 0 && errno != EINTR) return SystemFailure("poll");
    ReadAll(output_, false);
    ReadAll(error_, true);
    if (waits[0].revents != 0) break;
    if (waits[1].revents != 0) {
      if (killed_) break;
      Ask(MakeError(absl::StatusCode::kDeadlineExceeded, "GIT_TIMEOUT",
                    absl::StrCat("git was not done after ", absl::FormatDuration(call_.time))));
    }
    if (!killed_) {
      if (absl::Status status = Look(look); !status.ok()) Ask(std::move(status));
    }
  }
  End();
  ReadAll(output_, false);
  ReadAll(error_, true);
  if (!ended_.ok()) return ended_;
  if (answer_.cut) {
    answer_.exit_code = 0;
    return std::move(answer_);
  }
  if (!WIFEXITED(wait_status_)) {
    return GitFailed(absl::StrCat("git was ended by signal ", WTERMSIG(wait_status_), ": ", answer_.error));
  }
  answer_.exit_code = WEXITSTATUS(wait_status_);
  return std::move(answer_);
}

}  // namespace

absl::StatusOr<GitAnswer> RunGit(const std::string& program, const GitCall& call, const std::atomic<bool>& stop) {
  if (stop.load()) return absl::CancelledError("git was cancelled");
  Running running(call, stop);
  SY_RETURN_IF_ERROR(running.Start(program));
  return running.Wait();
}

}  // namespace switchyard::executor::repository

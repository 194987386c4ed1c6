#include "services/executor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace switchyard::executor {
namespace {

constexpr int kFirstFree = 64;

struct Forked {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;
  const UserIds* user;
  const int* descriptors;
  int descriptor_count;
  int cgroup_procs;
  pid_t parent;
  // Closed when it executes.
  int failures;
};

// The address is the same in both processes.
struct ChildFailure {
  const char* what;
  int error;
};

// Only system calls: glibc's setuid would tell the other threads, which are not the child's.
bool BecomeUser(const UserIds& user) {
  return syscall(SYS_setgroups, 0, nullptr) == 0 && syscall(SYS_setresgid, user.gid, user.gid, user.gid) == 0 &&
         syscall(SYS_setresuid, user.uid, user.uid, user.uid) == 0;
}

void RunForked(const Forked& child) {
  const auto failed = [&child](const char* what) {
    const ChildFailure failure = {what, errno};
    [[maybe_unused]] const ssize_t written = write(child.failures, &failure, sizeof(failure));
  };
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    if (signal != SIGKILL && signal != SIGSTOP) sigaction(signal, &action, nullptr);
  }
  if (setsid() < 0) return failed("setsid");
  if (child.cgroup_procs >= 0 && write(child.cgroup_procs, "0", 1) != 1) return failed("control group");
  for (int fd = 0; fd < child.descriptor_count; ++fd) {
    if (child.descriptors[fd] >= 0 && dup2(child.descriptors[fd], fd) < 0) return failed("dup2");
  }
  for (int fd = 0; fd < child.descriptor_count; ++fd) {
    if (child.descriptors[fd] < 0) close(fd);
  }
  if (close_range(static_cast<unsigned>(child.descriptor_count), ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = child.descriptor_count; fd < 65536; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (child.user != nullptr && !BecomeUser(*child.user)) return failed("change of user");
  // After the change of user, which clears it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("prctl");
  // Whoever died before that is not told of.
  if (getppid() != child.parent) return failed("the executor is gone");
  if (chdir(child.directory) != 0) return failed("chdir");
  sigset_t none;
  sigemptyset(&none);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, NSIG / 8);
  execve(child.program, child.argv, child.environment);
  failed("execve");
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

absl::Status Failure(std::string_view what, int error) {
  return MakeError(absl::StatusCode::kInternal, "SPAWN_FAILED",
                   absl::StrCat("cannot start a process: ", std::string(what), ": ", strerror(error)));
}

}  // namespace

absl::StatusOr<Spawned> Spawn(const SpawnPlan& plan) {
  if (plan.argv.empty()) return Failure("argv", EINVAL);
  // Out of the way of the numbers that they shall have.
  std::vector<UniqueFd> moved;
  std::vector<int> descriptors;
  for (const int fd : plan.descriptors) {
    if (fd < 0) {
      descriptors.push_back(-1);
      continue;
    }
    moved.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree));
    if (!moved.back().valid()) return Failure("dup", errno);
    descriptors.push_back(moved.back().get());
  }
  const UniqueFd cgroup(plan.cgroup_procs < 0 ? -1 : fcntl(plan.cgroup_procs, F_DUPFD_CLOEXEC, kFirstFree));
  const std::vector<char*> argv = Pointers(plan.argv);
  const std::vector<char*> environment = Pointers(plan.environment);
  int failures[2];
  if (pipe2(failures, O_CLOEXEC) != 0) return Failure("pipe", errno);
  const UniqueFd failures_read(failures[0]);
  // Where the child's own descriptors do not reach.
  UniqueFd failures_write(fcntl(failures[1], F_DUPFD_CLOEXEC, kFirstFree));
  close(failures[1]);
  const Forked child{.program = plan.argv[0].c_str(),
                     .argv = argv.data(),
                     .environment = environment.data(),
                     .directory = plan.directory.c_str(),
                     .user = plan.user.has_value() ? &*plan.user : nullptr,
                     .descriptors = descriptors.data(),
                     .descriptor_count = static_cast<int>(descriptors.size()),
                     .cgroup_procs = cgroup.get(),
                     .parent = getpid(),
                     .failures = failures_write.get()};
  sigset_t all;
  sigset_t former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  const pid_t pid = vfork();
  if (pid == 0) {
    RunForked(child);
    _exit(127);
  }
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  if (pid < 0) return Failure("fork", fork_error);
  failures_write.Reset();
  ChildFailure failure;
  ssize_t size = 0;
  while ((size = read(failures_read.get(), &failure, sizeof(failure))) < 0 && errno == EINTR) {
  }
  if (size == static_cast<ssize_t>(sizeof(failure))) {
    waitpid(pid, nullptr, 0);
    return Failure(failure.what, failure.error);
  }
  Spawned spawned{.pid = pid, .pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
  if (!spawned.pidfd.valid()) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return Failure("pidfd_open", error);
  }
  return spawned;
}

absl::StatusOr<UserIds> FindTaskUser(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, "SANDBOX_UNAVAILABLE",
                     absl::StrCat("there is no user \"", name, "\" for tasks to run as: useradd --system ", name,
                                  ", or set sandbox.user"));
  }
  if (found->pw_uid == 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SANDBOX_UNAVAILABLE",
                     "sandbox.user is root: tasks never run as root");
  }
  return UserIds{.uid = found->pw_uid, .gid = found->pw_gid};
}

}  // namespace switchyard::executor

// yard-agent-shim: starts one program with its limits, says how it ended, and leaves nothing of it behind. Runs as the
// task's user, inside the sandbox where there is one. It holds no secrets, allocates little and links nothing of ours.
//   yard-agent-shim [--own-pids] [--directory=DIR] [--limit=RESOURCE:VALUE]... -- PROGRAM [ARGUMENT]...
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "services/executor/shim_protocol.h"
#include "services/executor/shim_tree.h"

namespace {

using switchyard::executor::kShimKill;
using switchyard::executor::kShimSocket;
using switchyard::executor::kShimTerminate;
using switchyard::executor::ShimReport;
using switchyard::executor::ShimReportKind;
using switchyard::executor::ShimStage;
using switchyard::executor::ShimTree;

constexpr int kMaxLimits = 16;

struct Limit {
  int resource;
  rlim_t value;
};

struct Arguments {
  bool own_pids = false;
  const char* directory = nullptr;
  Limit limits[kMaxLimits];
  int limit_count = 0;
  char** program = nullptr;
};

struct Failure {
  ShimStage stage;
  int error;
};

void Report(const ShimReport& report) {
  while (send(kShimSocket, &report, sizeof(report), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void Fail(ShimStage stage, int error) {
  ShimReport report;
  report.kind = ShimReportKind::kFailed;
  report.stage = stage;
  report.value = error;
  Report(report);
  _exit(127);
}

bool Parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    unsigned resource = 0;
    unsigned long long value = 0;
    if (strcmp(argv[i], "--") == 0) {
      out.program = argv + i + 1;
      return *out.program != nullptr;
    }
    if (strcmp(argv[i], "--own-pids") == 0) {
      out.own_pids = true;
    } else if (strncmp(argv[i], "--directory=", 12) == 0) {
      out.directory = argv[i] + 12;
    } else if (sscanf(argv[i], "--limit=%u:%llu", &resource, &value) == 2 && out.limit_count < kMaxLimits) {
      out.limits[out.limit_count++] = {static_cast<int>(resource), static_cast<rlim_t>(value)};
    } else {
      return false;
    }
  }
  return false;
}

// The kernel ends this task before the executor when memory is short. May be refused; nothing depends on it.
void OfferToOomKiller() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = write(fd, "1000", 4);
  close(fd);
}

[[noreturn]] void RunProgram(const Arguments& arguments, int failures) {
  Failure failure = {ShimStage::kPrepare, 0};
  const auto give_up = [&](ShimStage stage) {
    failure = {stage, errno};
    [[maybe_unused]] const ssize_t written = write(failures, &failure, sizeof(failure));
    _exit(127);
  };
  setpgid(0, 0);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (arguments.directory != nullptr && chdir(arguments.directory) != 0) give_up(ShimStage::kDirectory);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(ShimStage::kLimits);
  umask(022);
  for (int i = 0; i < arguments.limit_count; ++i) {
    rlimit former{};
    const Limit& limit = arguments.limits[i];
    if (getrlimit(static_cast<__rlimit_resource>(limit.resource), &former) != 0) give_up(ShimStage::kLimits);
    const rlim_t value = limit.value < former.rlim_max ? limit.value : former.rlim_max;
    const rlimit wanted = {value, value};
    if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &wanted) != 0) give_up(ShimStage::kLimits);
  }
  execv(arguments.program[0], arguments.program);
  give_up(ShimStage::kExec);
  _exit(127);
}

ShimTree g_tree;

// Signals every descendant but this process. With pids of our own, the kernel does it in one step.
void SignalDescendants(const Arguments& arguments, int signal) {
  if (arguments.own_pids) {
    kill(-1, signal);
    return;
  }
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  g_tree.Clear();
  while (const dirent* entry = readdir(proc)) {
    const pid_t pid = static_cast<pid_t>(atoi(entry->d_name));
    if (pid <= 0) continue;
    char path[64];
    // The name, which has no more than 64 bytes, stands before what is wanted.
    char text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0) continue;
    text[size] = '\0';
    const char* after = strrchr(text, ')');
    char state = 0;
    int parent = 0;
    if (after == nullptr || sscanf(after + 1, " %c %d", &state, &parent) != 2) continue;
    if (!g_tree.Add(pid, parent)) break;
  }
  closedir(proc);
  g_tree.ForEachBelow(getpid(), [signal](pid_t pid) { kill(pid, signal); });
}

// Collects what has ended. True when no child is left.
bool Reap(pid_t program, bool& ended, int& status) {
  for (;;) {
    int one = 0;
    const pid_t pid = waitpid(-1, &one, WNOHANG);
    if (pid == program) {
      ended = true;
      status = one;
    }
    if (pid > 0 || (pid < 0 && errno == EINTR)) continue;
    return pid < 0 && errno == ECHILD;
  }
}

int Watch(const Arguments& arguments, pid_t program, int children) {
  bool ended = false;
  bool socket_open = true;
  bool killing = false;
  int status = 0;
  for (;;) {
    const bool empty = Reap(program, ended, status);
    if (ended && empty) break;
    // Orphans come to us as their parents die, so this is repeated until none is left.
    if (ended || killing) SignalDescendants(arguments, SIGKILL);
    pollfd fds[2] = {{children, POLLIN, 0}, {socket_open ? kShimSocket : -1, POLLIN, 0}};
    if (poll(fds, 2, ended || killing ? 5 : -1) < 0 && errno != EINTR) break;
    if ((fds[0].revents & POLLIN) != 0) {
      signalfd_siginfo info;
      while (read(children, &info, sizeof(info)) > 0) {
      }
    }
    if (fds[1].revents != 0) {
      char order = 0;
      const ssize_t size = recv(kShimSocket, &order, 1, MSG_DONTWAIT);
      if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
        socket_open = false;
        killing = true;
      } else if (size == 1 && order == kShimTerminate && !ended) {
        SignalDescendants(arguments, SIGTERM);
        SignalDescendants(arguments, SIGCONT);
      } else if (size == 1 && order == kShimKill) {
        killing = true;
      }
    }
  }
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto micros = [](const timeval& t) {
    return static_cast<uint64_t>(t.tv_sec) * 1000000 + static_cast<uint64_t>(t.tv_usec);
  };
  ShimReport report;
  report.kind = ShimReportKind::kEnded;
  report.value = status;
  report.user_micros = micros(usage.ru_utime);
  report.system_micros = micros(usage.ru_stime);
  report.max_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  Report(report);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) {
    fputs("yard-agent-shim is started by yard-agent, not by hand\n", stderr);
    return 2;
  }
  fcntl(kShimSocket, F_SETFD, FD_CLOEXEC);
  close_range(kShimSocket + 1, ~0U, 0);
  OfferToOomKiller();
  // What runs here has our user: without this it could open our socket through /proc.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  // The end of our socket tells of the executor's death, and then there is something left to do.
  prctl(PR_SET_PDEATHSIG, 0);
  for (const int ignored : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) signal(ignored, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  int failures[2];
  if (children < 0 || pipe2(failures, O_CLOEXEC) != 0) Fail(ShimStage::kPrepare, errno);
  // Before the program, which could end us before we said so.
  Report(ShimReport{});
  const pid_t program = fork();
  if (program < 0) Fail(ShimStage::kFork, errno);
  if (program == 0) RunProgram(arguments, failures[1]);
  close(failures[1]);
  Failure failure;
  ssize_t size = 0;
  while ((size = read(failures[0], &failure, sizeof(failure))) < 0 && errno == EINTR) {
  }
  close(failures[0]);
  if (size == static_cast<ssize_t>(sizeof(failure))) Fail(failure.stage, failure.error);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3 && null >= 0; ++fd) dup2(null, fd);
  return Watch(arguments, program, children);
}

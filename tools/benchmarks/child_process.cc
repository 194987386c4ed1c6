#include "tools/benchmarks/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"

namespace switchyard::bench {

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& argv,
                                                                  const std::string& log) {
  std::vector<std::string> whole = {"setpriv", "--pdeathsig", "KILL", "--"};
  whole.insert(whole.end(), argv.begin(), argv.end());
  std::vector<char*> arguments;
  for (std::string& argument : whole) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0], &files, nullptr, arguments.data(), environment);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return absl::InternalError(absl::StrCat("cannot start ", argv[0]));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() { Stop(); }

bool ChildProcess::Reap(bool block) {
  if (reaped_) return true;
  int status = 0;
  pid_t found = 0;
  do {
    found = waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (found < 0 && errno == EINTR);
  if (found == 0) return false;
  reaped_ = true;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return true;
}

bool ChildProcess::running() { return !Reap(false); }

int ChildProcess::Wait() {
  Reap(true);
  return exit_;
}

void ChildProcess::Stop(absl::Duration patience) {
  if (Reap(false)) return;
  kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + patience;
  while (!Reap(false)) {
    if (absl::Now() > deadline) {
      kill(pid_, SIGKILL);
      Reap(true);
      return;
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::Status RunToEnd(const std::vector<std::string>& argv, const std::string& log) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<ChildProcess> child, ChildProcess::Start(argv, log));
  if (const int code = child->Wait(); code != 0) {
    return absl::InternalError(absl::StrCat(absl::StrJoin(argv, " "), " ended with ", code, ":\n", ReadWhole(log)));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::bench

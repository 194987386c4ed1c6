#include "libs/testing/throwaway_postgres.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/pg/connection.h"
#include "libs/testing/throwaway_postgres_sql/statements.h"

namespace switchyard::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "/tmp/sypg.";
constexpr std::int64_t kStartNanos = 60'000'000'000;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<std::string> FindBinaries() {
  glob_t found;
  std::string best;
  int best_version = 0;
  if (glob("/usr/lib/postgresql/*/bin/postgres", 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      const fs::path folder = fs::path(found.gl_pathv[i]).parent_path();
      int version = 0;
      if (absl::SimpleAtoi(folder.parent_path().filename().string(), &version) && version > best_version) {
        best = folder.string();
        best_version = version;
      }
    }
    globfree(&found);
  }
  if (best.empty()) return absl::NotFoundError("no Postgres under /usr/lib/postgresql");
  return best;
}

// What a killed process left behind: its folder names the process that made it.
void RemoveLeftovers() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/tmp", ignored)) {
    const std::string path = entry.path().string();
    if (!absl::StartsWith(path, kPrefix)) continue;
    const std::vector<std::string> parts = absl::StrSplit(path, '.');
    pid_t owner = 0, server = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &owner) || kill(owner, 0) == 0 || errno != ESRCH) continue;
    const std::string lock = ReadAll(path + "/data/postmaster.pid");
    if (absl::SimpleAtoi(lock.substr(0, lock.find('\n')), &server) && kill(server, 0) == 0) continue;
    fs::remove_all(path, ignored);
  }
}

pid_t Spawn(const std::vector<std::string>& argv, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  // Signals of a terminal are for the test, which then ends the server itself.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  if (posix_spawnp(&pid, arguments[0], &files, &attributes, arguments.data(), environ) != 0) pid = -1;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

[[noreturn]] void Die(std::string_view what, const absl::Status& why) {
  std::fprintf(stderr, "throw-away Postgres: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               why.ToString().c_str());
  std::_Exit(1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ThrowawayPostgres>> ThrowawayPostgres::Create(const Options& options) {
  std::unique_ptr<ThrowawayPostgres> made(new ThrowawayPostgres(options));
  SY_RETURN_IF_ERROR(made->Initialise());
  SY_RETURN_IF_ERROR(made->Start());
  return made;
}

ThrowawayPostgres::~ThrowawayPostgres() {
  StopImmediately();
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

std::vector<std::string> ThrowawayPostgres::AsServerUser(std::vector<std::string> argv) const {
  std::vector<std::string> whole = {"setpriv", "--pdeathsig", "QUIT"};
  if (!user_.empty()) {
    const passwd* user = getpwnam(user_.c_str());
    whole.insert(whole.end(),
                 {absl::StrCat("--reuid=", user->pw_uid), absl::StrCat("--regid=", user->pw_gid), "--clear-groups"});
  }
  whole.push_back("--");
  whole.insert(whole.end(), argv.begin(), argv.end());
  return whole;
}

absl::Status ThrowawayPostgres::Initialise() {
  RemoveLeftovers();
  SY_ASSIGN_OR_RETURN(binaries_, FindBinaries());
  std::string folder = absl::StrCat(kPrefix, getpid(), ".XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return absl::InternalError("cannot make a folder under /tmp");
  folder_ = folder;
  if (geteuid() == 0) {
    user_ = getpwnam("postgres") != nullptr ? "postgres" : "nobody";
    const passwd* user = getpwnam(user_.c_str());
    if (user == nullptr) return absl::NotFoundError("neither user postgres nor nobody exists");
    if (chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) return absl::InternalError("cannot change owner");
  }
  const std::string log = folder_ + "/initdb.log";
  const pid_t pid = Spawn(AsServerUser({binaries_ + "/initdb", "-D", folder_ + "/data", "-U", "postgres", "-A", "trust",
                                        "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"}),
                          log);
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    return absl::InternalError(absl::StrCat("initdb failed: ", ReadAll(log)));
  }
  return absl::OkStatus();
}

absl::Status ThrowawayPostgres::Start() {
  if (pid_ > 0) return absl::OkStatus();
  std::vector<std::string> argv = {binaries_ + "/postgres", "-D", folder_ + "/data", "-k", folder_};
  const auto set = [&](std::string_view name, std::string_view value) {
    argv.push_back("-c");
    argv.push_back(absl::StrCat(ToAbsl(name), "=", ToAbsl(value)));
  };
  set("listen_addresses", "");
  set("max_connections", "200");
  set("shared_buffers", "128MB");
  if (!options_.durable) {
    set("fsync", "off");
    set("full_page_writes", "off");
  }
  for (const auto& [name, value] : options_.settings) set(name, value);
  if (keeper_.joinable()) keeper_.join();
  {
    MutexLock lock(mutex_);
    spawned_ = gone_ = false;
  }
  keeper_ = std::thread([this, argv = AsServerUser(std::move(argv))]() mutable { Keep(std::move(argv)); });
  {
    MutexLock lock(mutex_);
    while (!spawned_) changed_.Wait(mutex_);
  }
  return AwaitReady();
}

void ThrowawayPostgres::Keep(std::vector<std::string> argv) {
  pid_ = Spawn(argv, folder_ + "/log");
  {
    MutexLock lock(mutex_);
    spawned_ = true;
    changed_.NotifyAll();
  }
  int status = 0;
  if (pid_ > 0) {
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = -1;
  MutexLock lock(mutex_);
  gone_ = true;
  changed_.NotifyAll();
}

absl::Status ThrowawayPostgres::AwaitReady() {
  const std::int64_t deadline = DisciplinedClock::SteadyNanos() + kStartNanos;
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (gone_) return absl::InternalError(absl::StrCat("postgres ended: ", ReadAll(folder_ + "/log")));
    }
    const absl::Status status = pg::Session::Connect(Connect("postgres")).status();
    if (status.ok()) return status;
    if (DisciplinedClock::SteadyNanos() > deadline) return status;
    MutexLock lock(mutex_);
    if (!gone_) changed_.WaitFor(mutex_, absl::Milliseconds(10));
  }
}

void ThrowawayPostgres::StopImmediately() {
  if (const pid_t pid = pid_; pid > 0) {
    Resume();
    kill(pid, SIGQUIT);
    MutexLock lock(mutex_);
    while (!gone_) changed_.Wait(mutex_);
  }
  if (keeper_.joinable()) keeper_.join();
}

absl::Status ThrowawayPostgres::Restart() {
  StopImmediately();
  return Start();
}

void ThrowawayPostgres::SignalAll(int signal) {
  const pid_t pid = pid_;
  if (pid <= 0) return;
  kill(pid, signal);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    pid_t child = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &child)) continue;
    // "pid (name) state parent ...": the name may hold anything, so look behind its last bracket.
    const std::string stat = ReadAll(entry.path().string() + "/stat");
    const std::size_t bracket = stat.rfind(')');
    if (bracket == std::string::npos) continue;
    const std::vector<std::string> fields = absl::StrSplit(stat.substr(bracket + 1), ' ', absl::SkipEmpty());
    pid_t parent = 0;
    if (fields.size() > 1 && absl::SimpleAtoi(fields[1], &parent) && parent == pid) kill(child, signal);
  }
}

void ThrowawayPostgres::Pause() { SignalAll(SIGSTOP); }
void ThrowawayPostgres::Resume() { SignalAll(SIGCONT); }

pg::ConnectOptions ThrowawayPostgres::Connect(std::string_view database) const {
  pg::ConnectOptions options;
  options.host = folder_;
  options.database = std::string(database);
  options.user = "postgres";
  options.application_name = "test";
  return options;
}

pg::ConnectOptions ThrowawayPostgres::NewDatabase(std::string_view like) {
  const std::string name = absl::StrCat("test_", next_database_.fetch_add(1));
  absl::StatusOr<std::unique_ptr<pg::Session>> session = pg::Session::Connect(Connect("postgres"));
  if (!session.ok()) Die("connecting", session.status());
  const absl::Status made = (*session)->RunScript(absl::StrReplaceAll(
      ToAbsl(throwaway_postgres_sql::kCreateDatabase.sql), {{"{database}", name}, {"{template}", std::string(like)}}));
  if (!made.ok()) Die("creating a database", made);
  return Connect(name);
}

ThrowawayPostgres& SharedPostgres() {
  static const std::unique_ptr<ThrowawayPostgres> shared = [] {
    absl::StatusOr<std::unique_ptr<ThrowawayPostgres>> made = ThrowawayPostgres::Create({});
    if (!made.ok()) Die("starting", made.status());
    return *std::move(made);
  }();
  return *shared;
}

}  // namespace switchyard::testing

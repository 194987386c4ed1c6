#include "tools/benchmarks/installation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/processor_time.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(60);

// The services are told a port before they listen, so that it need not be read from a log.
int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  int port = 0;
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
      getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    port = ntohs(address.sin_port);
  }
  close(socket);
  return port;
}

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

Spent Spent::operator-(const Spent& earlier) const {
  return {client - earlier.client, service - earlier.service, postgres - earlier.postgres, identity - earlier.identity,
          machine - earlier.machine};
}

absl::StatusOr<std::unique_ptr<Installation>> Installation::Create() {
  std::unique_ptr<Installation> made(new Installation);
  SY_RETURN_IF_ERROR(made->Initialise());
  return made;
}

Installation::~Installation() {
  if (task_queue_ != nullptr) task_queue_->Stop();
  if (identity_ != nullptr) identity_->Stop();
}

absl::Status Installation::Initialise() {
  std::error_code error;
  binaries_ = std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  if (error) return absl::InternalError("cannot tell where this program stands");
  SY_ASSIGN_OR_RETURN(
      postgres_,
      testing::ThrowawayPostgres::Create(
          {.durable = true,
           .settings = {{"shared_buffers", "512MB"}, {"max_wal_size", "8GB"}, {"synchronous_commit", "on"}}}));
  const std::string lock = ReadWhole(postgres_->folder() + "/data/postmaster.pid");
  if (!absl::SimpleAtoi(lock.substr(0, lock.find('\n')), &postmaster_)) {
    return absl::InternalError("cannot tell the process of Postgres");
  }
  database_ = postgres_->NewDatabase();
  database_.application_name = "bench";
  SY_RETURN_IF_ERROR(RunToEnd({binaries_ + "/switchyard", "migrate", "--database.host=" + database_.host,
                               "--database.name=" + database_.database, "--database.user=" + database_.user},
                              File("migrate.log")));
  SY_RETURN_IF_ERROR(IssueToken("task-queue", "service"));
  SY_RETURN_IF_ERROR(IssueToken("bench", "submit,read,service"));
  token_ = ReadWhole(File("bench.token"));
  while (!token_.empty() && token_.back() == '\n') token_.pop_back();

  identity_target_ = Loopback(FreePort());
  const std::string binary = binaries_ + "/switchyard-identity";
  SY_ASSIGN_OR_RETURN(
      identity_, ChildProcess::Start({binary, "--server.listen=" + identity_target_, "--server.metrics_listen=",
                                      "--server.log_level=warning", "--database.host=" + database_.host,
                                      "--database.name=" + database_.database, "--database.user=" + database_.user},
                                     File("identity.log")));
  SY_RETURN_IF_ERROR(AwaitReady(*identity_, binary, identity_target_));
  return StartTaskQueue();
}

absl::Status Installation::IssueToken(const std::string& name, const std::string& scopes) {
  return RunToEnd({binaries_ + "/switchyard", "token", "issue", "--name=" + name, "--scopes=" + scopes,
                   "--out=" + File(name + ".token"), "--database.host=" + database_.host,
                   "--database.name=" + database_.database, "--database.user=" + database_.user},
                  File("token.log"));
}

absl::Status Installation::StartTaskQueue() {
  target_ = Loopback(FreePort());
  metrics_port_ = FreePort();
  const std::string binary = binaries_ + "/switchyard-task-queue";
  SY_ASSIGN_OR_RETURN(
      task_queue_, ChildProcess::Start(
                       {binary, "--server.listen=" + target_, "--server.metrics_listen=" + Loopback(metrics_port_),
                        "--server.log_level=warning", "--database.host=" + database_.host,
                        "--database.name=" + database_.database, "--database.user=" + database_.user,
                        "--auth.identity_address=" + identity_target_, "--auth.token=file:" + File("task-queue.token")},
                       File("task-queue.log")));
  return AwaitReady(*task_queue_, binary, target_);
}

absl::Status Installation::StopTaskQueue() {
  task_queue_->Stop();
  if (const int code = task_queue_->Wait(); code != 0) {
    return absl::InternalError(
        absl::StrCat("switchyard-task-queue ended with ", code, ":\n", ReadWhole(File("task-queue.log"))));
  }
  return absl::OkStatus();
}

absl::Status Installation::AwaitReady(ChildProcess& process, const std::string& binary, const std::string& listen) {
  const absl::Time deadline = absl::Now() + kStartPatience;
  const std::string name = std::filesystem::path(binary).filename().string();
  while (absl::Now() < deadline && process.running()) {
    if (RunToEnd({binary, "--healthcheck=ready", "--server.listen=" + listen}, File("healthcheck.log")).ok()) {
      return absl::OkStatus();
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  std::string log;
  for (const auto& entry : std::filesystem::directory_iterator(files_.path())) {
    if (entry.path().extension() == ".log") absl::StrAppend(&log, ReadWhole(entry.path().string()));
  }
  return absl::InternalError(absl::StrCat(name, " does not become ready:\n", log));
}

Spent Installation::SpentSoFar() const {
  return {.client = ProcessTime(getpid()),
          .service = task_queue_->pid() > 0 ? ProcessTime(task_queue_->pid()) : absl::ZeroDuration(),
          .postgres = FamilyTime(postmaster_),
          .identity = ProcessTime(identity_->pid()),
          .machine = MachineTime()};
}

std::vector<pid_t> Installation::ProcessesOf(const std::string& whom) const {
  if (whom == "client") return {getpid()};
  if (whom == "service") return {task_queue_->pid()};
  return FamilyOf(postmaster_);
}

absl::StatusOr<std::unique_ptr<pg::Session>> Installation::Connect() const {
  pg::ConnectOptions options = database_;
  options.force_generic_plan = true;
  options.statement_timeout = absl::Minutes(10);
  options.idle_in_transaction_timeout = absl::ZeroDuration();
  return pg::Session::Connect(options);
}

}  // namespace switchyard::bench

#include "tools/benchmarks/installation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/process_memory.h"
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

void Append(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

Spent Spent::operator-(const Spent& earlier) const {
  return {client - earlier.client,
          service - earlier.service,
          hub - earlier.hub,
          scheduler - earlier.scheduler,
          postgres - earlier.postgres,
          identity - earlier.identity,
          verification - earlier.verification,
          executors - earlier.executors,
          machine - earlier.machine};
}

absl::StatusOr<std::unique_ptr<Installation>> Installation::Create(const Setup& setup) {
  std::unique_ptr<Installation> made(new Installation(setup));
  SY_RETURN_IF_ERROR(made->Initialise());
  return made;
}

Installation::~Installation() {
  for (Service* service : {&verification_, &scheduler_, &hub_, &router_, &registry_, &task_queue_, &identity_}) {
    if (service->process != nullptr) service->process->Stop();
  }
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
  std::vector<std::string> migrate = {binaries_ + "/switchyard", "migrate"};
  Append(migrate, DatabaseFlags());
  SY_RETURN_IF_ERROR(RunToEnd(migrate, File("migrate.log")));
  SY_RETURN_IF_ERROR(IssueToken("services", "service"));
  SY_RETURN_IF_ERROR(IssueToken("bench", "submit,read,service,admin"));
  token_ = ReadWhole(File("bench.token"));
  while (!token_.empty() && token_.back() == '\n') token_.pop_back();

  if (setup_.all_in_one) return StartTaskQueue();
  SY_RETURN_IF_ERROR(Start(identity_, {"switchyard-identity"}, DatabaseFlags()));
  SY_RETURN_IF_ERROR(StartTaskQueue());
  if (!setup_.agents) return absl::OkStatus();
  if (setup_.models) SY_RETURN_IF_ERROR(StartModels());
  if (setup_.verification) SY_RETURN_IF_ERROR(StartVerification());
  std::vector<std::string> flags = DatabaseFlags();
  Append(flags, NeighbourFlags());
  flags.push_back("--task_queue.address=" + task_queue_.target);
  // Without an address there is none.
  flags.push_back("--router.address=" + router_.target);
  flags.push_back("--model_registry.address=" + registry_.target);
  Append(flags, setup_.hub_flags);
  SY_RETURN_IF_ERROR(Start(hub_, {"switchyard-agent-hub"}, flags));
  flags = NeighbourFlags();
  flags.push_back("--task_queue.address=" + task_queue_.target);
  flags.push_back("--hub_addresses=" + hub_.target);
  flags.push_back("--router.address=" + router_.target);
  return Start(scheduler_, {"switchyard-scheduler"}, flags);
}

absl::Status Installation::StartModels() {
  std::vector<std::string> flags = DatabaseFlags();
  Append(flags, NeighbourFlags());
  SY_RETURN_IF_ERROR(Start(registry_, {"switchyard-model-registry"}, flags));
  flags.push_back("--model_registry.address=" + registry_.target);
  flags.push_back("--task_queue.address=" + task_queue_.target);
  return Start(router_, {"switchyard-router"}, flags);
}

absl::Status Installation::StartVerification() {
  // It submits tasks too.
  SY_RETURN_IF_ERROR(IssueToken("verification", "service,submit"));
  std::vector<std::string> flags = DatabaseFlags();
  Append(flags, NeighbourFlags("verification"));
  flags.push_back("--task_queue.address=" + task_queue_.target);
  return Start(verification_, {"switchyard-verification"}, flags);
}

std::vector<std::string> Installation::DatabaseFlags() const {
  return {"--database.host=" + database_.host, "--database.name=" + database_.database,
          "--database.user=" + database_.user};
}

std::vector<std::string> Installation::NeighbourFlags(const std::string& token) const {
  return {"--auth.identity_address=" + identity_.target, "--auth.token=file:" + File(token + ".token")};
}

absl::Status Installation::IssueToken(const std::string& name, const std::string& scopes) {
  std::vector<std::string> command = {
      binaries_ + "/switchyard",       "token", "issue", "--name=" + name, "--scopes=" + scopes,
      "--out=" + File(name + ".token")};
  Append(command, DatabaseFlags());
  return RunToEnd(command, File("token.log"));
}

absl::Status Installation::StartTaskQueue() {
  std::vector<std::string> flags = DatabaseFlags();
  Append(flags, setup_.task_queue_flags);
  if (setup_.all_in_one) {
    Append(flags, setup_.hub_flags);
    return Start(task_queue_, {"switchyard", "run"}, flags);
  }
  Append(flags, NeighbourFlags());
  return Start(task_queue_, {"switchyard-task-queue"}, flags);
}

absl::Status Installation::Start(Service& service, std::vector<std::string> command,
                                 const std::vector<std::string>& flags) {
  service.name = command.front();
  service.target = Loopback(FreePort());
  service.metrics_port = FreePort();
  command.front() = binaries_ + "/" + service.name;
  std::vector<std::string> whole = command;
  Append(whole, {"--server.listen=" + service.target, "--server.metrics_listen=" + Loopback(service.metrics_port),
                 "--server.log_level=warning"});
  Append(whole, flags);
  SY_ASSIGN_OR_RETURN(service.process, ChildProcess::Start(whole, File(service.name + ".log")));
  return AwaitReady(service, command);
}

absl::Status Installation::AwaitReady(Service& service, const std::vector<std::string>& command) {
  const absl::Time deadline = absl::Now() + kStartPatience;
  std::vector<std::string> check = command;
  Append(check, {"--healthcheck=ready", "--server.listen=" + service.target});
  while (absl::Now() < deadline && service.process->running()) {
    if (RunToEnd(check, File("healthcheck.log")).ok()) return absl::OkStatus();
    absl::SleepFor(absl::Milliseconds(50));
  }
  std::string log;
  for (const auto& entry : std::filesystem::directory_iterator(files_.path())) {
    if (entry.path().extension() == ".log") absl::StrAppend(&log, ReadWhole(entry.path().string()));
  }
  return absl::InternalError(absl::StrCat(service.name, " does not become ready:\n", log));
}

absl::Status Installation::Stop(Service& service) {
  if (service.process == nullptr) return absl::OkStatus();
  service.process->Stop();
  if (const int code = service.process->Wait(); code != 0) {
    return absl::InternalError(
        absl::StrCat(service.name, " ended with ", code, ":\n", ReadWhole(File(service.name + ".log"))));
  }
  return absl::OkStatus();
}

absl::Status Installation::StopServices() {
  SY_RETURN_IF_ERROR(Stop(verification_));
  SY_RETURN_IF_ERROR(Stop(scheduler_));
  SY_RETURN_IF_ERROR(Stop(hub_));
  SY_RETURN_IF_ERROR(Stop(router_));
  SY_RETURN_IF_ERROR(Stop(registry_));
  return Stop(task_queue_);
}

Spent Installation::SpentSoFar() const {
  const auto of = [](const Service& service) {
    return service.process == nullptr ? absl::ZeroDuration() : ProcessTime(service.process->pid());
  };
  return {.client = ProcessTime(getpid()),
          .service = of(task_queue_),
          .hub = of(hub_),
          .scheduler = of(scheduler_),
          .postgres = FamilyTime(postmaster_),
          .identity = of(identity_),
          .verification = of(verification_),
          .executors = absl::ZeroDuration(),
          .machine = MachineTime()};
}

std::int64_t Installation::HubBytes() const {
  const Service& service = setup_.all_in_one ? task_queue_ : hub_;
  return service.process == nullptr ? 0 : ResidentBytes(service.process->pid());
}

absl::StatusOr<MetricValues> Installation::Scrape() const {
  SY_ASSIGN_OR_RETURN(MetricValues values, ScrapeMetrics(task_queue_.metrics_port));
  if (hub_.process == nullptr) return values;
  SY_ASSIGN_OR_RETURN(MetricValues hub, ScrapeMetrics(hub_.metrics_port));
  // What both have is the task queue's.
  values.merge(hub);
  return values;
}

std::vector<pid_t> Installation::ProcessesOf(const std::string& whom) const {
  if (whom == "client") return {getpid()};
  if (whom == "postgres") return FamilyOf(postmaster_);
  const Service& service = whom == "hub"         ? hub_
                           : whom == "scheduler" ? scheduler_
                           : whom == "identity"  ? identity_
                                                 : task_queue_;
  // With everything in one process that one is meant.
  return {(service.process == nullptr ? task_queue_ : service).process->pid()};
}

absl::StatusOr<std::unique_ptr<pg::Session>> Installation::Connect() const {
  pg::ConnectOptions options = database_;
  options.force_generic_plan = true;
  options.statement_timeout = absl::Minutes(10);
  options.idle_in_transaction_timeout = absl::ZeroDuration();
  return pg::Session::Connect(options);
}

}  // namespace switchyard::bench

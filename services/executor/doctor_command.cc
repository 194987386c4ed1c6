#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/app/command_line.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/lifecycle.h"
#include "services/executor/address_probe.h"
#include "services/executor/commands.h"
#include "services/executor/delivery/delivery_config.h"
#include "services/executor/external/external_config.h"
#include "services/executor/files.h"
#include "services/executor/local_exec.h"
#include "services/executor/local_exec_config.h"
#include "services/executor/models/models_config.h"
#include "services/executor/repository/repository_config.h"
#include "services/executor/sqlite_journal.h"
#include "services/executor/status_file.h"

namespace switchyard::executor {
namespace {

const app::Program kDoctorProgram = {
    .name = "yard-agent doctor",
    .summary = "says what is wrong with this executor, and how to mend it.",
    .help =
        "Looks at the configuration, the folder and its disk, the journal, the enrolment "
        "and its token, every address of\n"
        "the hub with its certificate, the clock, the running service, the sandbox, the "
        "allowlist, models, repositories and forges. Changes nothing.\n"
        "Ends with 0 when all is well. Run it as the user that the service runs as.",
    .service = "yard-agent",
    .sections = {"hub", "sandbox", "backends", "journal", "workspace"}};

constexpr absl::Duration kSkewThatMatters = absl::Seconds(30);

class Findings {
 public:
  void Ok(std::string_view what, std::string_view found) { Line("ok  ", what, found); }
  void Note(std::string_view what, std::string_view found) { Line("note", what, found); }
  void Wrong(std::string_view what, std::string_view found, std::string_view mend) {
    Line("FAIL", what, found);
    if (!mend.empty()) std::printf("                 mend it: %.*s\n", static_cast<int>(mend.size()), mend.data());
    ++faults_;
  }
  int faults() const { return faults_; }

 private:
  static void Line(const char* mark, std::string_view what, std::string_view found) {
    std::printf("%s  %-10.*s %.*s\n", mark, static_cast<int>(what.size()), what.data(), static_cast<int>(found.size()),
                found.data());
  }
  int faults_ = 0;
};

bool LookAtFolder(const config::v1::ExecutorConfig& config, Findings& report) {
  const std::string& dir = config.data_dir();
  struct stat info {};
  if (stat(dir.c_str(), &info) != 0) {
    report.Wrong("folder", absl::StrCat(dir, " does not exist"), "yard-agent enroll STRING makes it");
    return false;
  }
  if (access(dir.c_str(), W_OK | X_OK) != 0) {
    report.Wrong("folder", absl::StrCat(dir, " belongs to user ", info.st_uid, " and cannot be used by ", geteuid()),
                 absl::StrCat("run this as that user, or: chown -R ", geteuid(), " ", dir));
    return false;
  }
  if ((info.st_mode & 0022) != 0) {
    report.Wrong("folder", absl::StrCat("others may write to ", dir), absl::StrCat("chmod go-w ", dir));
  } else {
    report.Ok("folder", dir);
  }
  struct statvfs disk {};
  if (statvfs(dir.c_str(), &disk) == 0) {
    const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::string room = absl::StrCat(free >> 20, " MiB are free");
    if (free < config.journal().min_free()) {
      report.Wrong("disk", absl::StrCat(room, ", less than journal.min_free: new work is refused"),
                   absl::StrCat("free space on the disk of ", dir));
    } else {
      report.Ok("disk", room);
    }
  }
  return true;
}

void LookAtJournal(const config::v1::ExecutorConfig& config, Findings& report) {
  const std::string path = JournalFile(config);
  if (access(path.c_str(), F_OK) != 0) return report.Note("journal", "there is none yet; the first run makes it");
  const absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = SqliteJournal::Open(path);
  absl::Status status = journal.status();
  if (status.ok()) status = (*journal)->Check();
  if (!status.ok()) {
    return report.Wrong("journal", Describe(status),
                        absl::StrCat("stop the service and move ", path,
                                     "* away: undelivered results are lost, and their tasks run again"));
  }
  const absl::StatusOr<JournalCounts> counts = (*journal)->Count();
  report.Ok("journal", counts.ok() ? absl::StrCat(counts->work, " tasks, ", counts->reports, " undelivered ends")
                                   : std::string("readable"));
}

std::string MendAddress(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "ADDRESS_UNRESOLVED") return "check the name and this machine's DNS, or set hub.addresses";
  if (reason == "ADDRESS_UNREACHABLE") return "check that the hub runs there and that no firewall is in between";
  if (reason != "TLS_FAILED") return "check hub.addresses and the files of the hub section";
  const absl::string_view text = status.message();
  if (absl::StrContains(text, "not yet valid") || absl::StrContains(text, "expired")) {
    return "set this machine's clock, or renew the hub's certificate";
  }
  if (absl::StrContains(text, "mismatch"))
    return "its certificate names another host: set hub.server_name, or make one that names this";
  if (absl::StrContains(text, "self") || absl::StrContains(text, "issuer")) {
    return "it is signed by another authority than hub.ca_file: enrol again, or correct that file";
  }
  return "check that the hub serves TLS on this port";
}

void LookAtHub(const config::v1::ExecutorConfig& config, Findings& report) {
  const absl::StatusOr<HubAccess> hub = FindHub(config);
  if (!hub.ok()) return report.Wrong("enrolment", Describe(hub.status()), "");
  report.Ok("enrolment", hub->name.empty() ? "by configuration" : absl::StrCat("as ", hub->name));
  bool reachable = false;
  for (const std::string& address : hub->addresses) {
    const absl::Status status = ProbeAddress(address, hub->tls, absl::Seconds(5));
    reachable = reachable || status.ok();
    if (status.ok()) {
      report.Ok("address", absl::StrCat(address, hub->tls.enabled() ? " over TLS" : " without TLS"));
    } else {
      report.Wrong("address", absl::StrCat(address, ": ", status.message()), MendAddress(status));
    }
  }
  struct stat info {};
  if (stat(hub->token_file.c_str(), &info) != 0) {
    return report.Wrong("token", absl::StrCat("there is none in ", hub->token_file), "yard-agent enroll STRING");
  }
  if ((info.st_mode & 0077) != 0) {
    report.Wrong("token", absl::StrCat("others may read ", hub->token_file),
                 absl::StrCat("chmod 600 ", hub->token_file));
  }
  if (!reachable) return report.Note("token", "not tried: no address answers");
  std::string name;
  const absl::Status token = CheckToken(config, &name);
  if (token.ok()) {
    report.Ok("token", absl::StrCat("the hub knows it as ", name));
  } else if (token.code() == absl::StatusCode::kUnauthenticated ||
             token.code() == absl::StatusCode::kPermissionDenied) {
    report.Wrong("token", absl::StrCat("the hub refuses it: ", token.message()),
                 "enrol again: `yard agent enroll NAME` there, yard-agent enroll STRING here");
  } else {
    report.Wrong("token", absl::StrCat("could not be tried: ", token.message()), "look at the hub's log");
  }
}

void LookAtService(const config::v1::ExecutorConfig& config, Findings& report) {
  const absl::StatusOr<RunningAgent> agent = ReadStatus(config.data_dir());
  if (!agent.ok()) return report.Note("service", "it does not run; start it: systemctl enable --now yard-agent");
  if (agent->age > absl::Seconds(30)) {
    return report.Wrong("service", absl::StrCat("it has been stuck for ", absl::FormatDuration(agent->age)),
                        "systemctl restart yard-agent");
  }
  if (agent->connected) {
    report.Ok("service", absl::StrCat("connected to ", agent->address, ", ", agent->running, " tasks run"));
  } else {
    report.Wrong("service", absl::StrCat("it runs and is not connected: ", agent->last_error), "see above");
  }
  if (!agent->refusing.empty())
    report.Wrong("service", absl::StrCat("it refuses new work: ", agent->refusing), "see above");
  if (agent->address.empty() || agent->agent_name.empty()) return;
  const absl::Duration skew = absl::AbsDuration(agent->clock_skew);
  if (skew > kSkewThatMatters) {
    report.Wrong("clock", absl::StrCat("differs from the hub's by ", absl::FormatDuration(skew)),
                 "keep it by NTP: timedatectl set-ntp true, then restart the service");
  } else {
    report.Ok("clock",
              absl::StrCat("within ", absl::FormatDuration(absl::Trunc(skew, absl::Milliseconds(1))), " of the hub's"));
  }
}

void LookAtBackends(const config::v1::ExecutorConfig& config, Findings& report) {
  if (IsLocked(config.data_dir())) {
    // Making a back end empties the folder that running tasks work in.
    return report.Note("sandbox",
                       "the running service tests it: see `yard agent show NAME`, or stop it and run this again");
  }
  const DisciplinedClock clock;
  BoundedExecutor slow("slow", 1, 100);
  slow.Start();
  Runner runner(clock, slow, {});
  if (const absl::Status status = runner.Start(); !status.ok()) return report.Wrong("sandbox", Describe(status), "");
  const absl::StatusOr<std::unique_ptr<Programs>> programs = MakePrograms(config, runner);
  if (!programs.ok()) {
    report.Wrong("allowlist", Describe(programs.status()), "correct the file, then: systemctl reload yard-agent");
  } else {
    checks::Checker checker(**programs, nullptr, clock, slow, CheckLimitsOf(config.limits()));
    LocalExec backend(**programs, checker, slow);
    for (const ProbeResult& result : backend.SelfTest()) {
      if (result.ok) {
        report.Ok(result.name, result.detail);
      } else {
        report.Wrong(result.name, result.detail, "");
      }
    }
  }
  runner.Stop();
  slow.Stop();
}

void LookAtAgents(const config::v1::ExecutorConfig& config, Findings& report) {
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  InlineExecutor slow;
  Runner runner(clock, slow, {});
  Programs programs({.host = absl::UnavailableError("nothing is run"),
                     .hidden = {config.data_dir()},
                     .work_folder = "",
                     .limits = LimitsOf(config.limits())},
                    runner);
  const absl::StatusOr<models::CredentialPolicy> credentials = models::MakeCredentials(config.backends().models());
  // The models' own lines say what is wrong with these.
  if (!credentials.ok()) return;
  const absl::StatusOr<std::unique_ptr<external::ExternalBackend>> backend = external::MakeExternalBackend(
      config, {.programs = programs, .credentials = *credentials, .clock = clock, .rng = *rng});
  if (!backend.ok()) {
    return report.Wrong("agents", Describe(backend.status()), "correct the file, then: systemctl reload yard-agent");
  }
  if (*backend == nullptr) return report.Note("agents", "none are configured");
  for (const external::ExternalBackend::Entry& entry : (*backend)->Probe()) {
    if (entry.status.ok()) {
      report.Ok("agents", absl::StrCat(entry.name, ": ", entry.program));
    } else {
      report.Wrong("agents", absl::StrCat(entry.name, ": ", Describe(entry.status)),
                   "install it, correct its entry, or take it out of the file of agents");
    }
  }
}

void LookAtModels(const config::v1::ExecutorConfig& config, Findings& report) {
  if (!config.backends().models().enabled()) return report.Note("models", "switched off");
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  http::HttpClient http(clock, models::ClientOptions(config));
  const absl::StatusOr<std::unique_ptr<models::ModelsBackend>> backend =
      models::MakeModelsBackend(config, http, clock, *rng);
  if (!backend.ok()) {
    return report.Wrong("models", Describe(backend.status()), "correct backends.models.credentials");
  }
  const std::vector<models::CredentialPolicy::Entry> entries = (*backend)->credentials().Probe();
  if (entries.empty()) report.Ok("models", "no credentials: endpoints that need none");
  for (const models::CredentialPolicy::Entry& entry : entries) {
    if (entry.status.ok()) {
      report.Ok("models", absl::StrCat(entry.reference, " can be read"));
    } else {
      report.Wrong("models", Describe(entry.status),
                   "set it for the service (systemctl edit yard-agent), or take the line out of "
                   "backends.models.credentials");
    }
  }
}

void LookAtRepositories(const config::v1::ExecutorConfig& config, Findings& report) {
  const config::v1::WorkspaceConfig& workspace = config.workspace();
  if (workspace.repositories().empty()) return report.Note("repositories", "none is listed: no task works in one");
  if (const absl::StatusOr<repository::RepositoryPolicy> policy = repository::MakePolicy(workspace); !policy.ok()) {
    report.Wrong("repositories", Describe(policy.status()), "correct the section workspace");
  } else {
    report.Ok("repositories", absl::StrJoin(workspace.repositories(), ", "));
  }
  if (access(workspace.git().c_str(), X_OK) != 0) {
    report.Wrong("git", absl::StrCat(workspace.git(), " is not there"), "install git, or correct workspace.git");
  } else {
    report.Ok("git", workspace.git());
  }
  const DisciplinedClock clock;
  http::HttpClient http(clock, models::ClientOptions(config));
  const absl::StatusOr<std::unique_ptr<forge::ForgeDirectory>> forges = delivery::MakeForges(workspace, http, clock);
  if (!forges.ok()) return report.Wrong("forges", Describe(forges.status()), "correct workspace.forges");
  for (const ProbeResult& result : delivery::ProbeForges(**forges)) {
    if (result.ok) {
      report.Ok("forge", result.detail);
    } else {
      report.Wrong("forge", result.detail, "set its token for the service, or correct workspace.forges");
    }
  }
}

}  // namespace

int Doctor(const Arguments& arguments) {
  // SIGPIPE and the like must not end it half way.
  rpc::StopSignals signals;
  config::v1::ExecutorConfig config;
  const app::ParseResult parsed = app::ParseCommandLine(kDoctorProgram, arguments, config);
  if (parsed.exit.has_value()) return *parsed.exit;
  ConfigureLog(kDoctorProgram.service, LogLevel::kError);
  rpc::RouteGrpcLog();
  Findings report;
  const bool folder = LookAtFolder(config, report);
  if (folder) LookAtJournal(config, report);
  LookAtHub(config, report);
  if (folder) LookAtService(config, report);
  if (folder) LookAtBackends(config, report);
  LookAtModels(config, report);
  LookAtRepositories(config, report);
  if (folder) LookAtAgents(config, report);
  if (report.faults() == 0) {
    std::printf("all is well\n");
    return app::kExitOk;
  }
  std::printf("%d %s\n", report.faults(), report.faults() == 1 ? "fault" : "faults");
  return app::kExitError;
}

}  // namespace switchyard::executor

#include "services/executor/programs.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/limits.h"
#include "services/executor/self_test.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMaxStdin = 1 << 20;

// The path as the kernel resolves it; as it is when it does not exist.
std::string Resolved(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  std::string out = real == nullptr ? path : real;
  free(real);
  return out;
}

bool Inside(std::string_view path, std::string_view folder) {
  return folder == "/" ||
         (path.substr(0, folder.size()) == folder && (path.size() == folder.size() || path[folder.size()] == '/'));
}

absl::Status CheckProgram(const Rule& rule) {
  const std::string real = Resolved(rule.program);
  struct stat info {};
  if (stat(real.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || (info.st_mode & 0111) == 0) {
    return MakeError(absl::StatusCode::kUnavailable, "PROGRAM_MISSING",
                     absl::StrCat("rule ", rule.name, ": there is no program ", rule.program, " on this host"));
  }
  if (IsShell(real)) {
    return MakeError(absl::StatusCode::kPermissionDenied, "NOT_ALLOWED",
                     absl::StrCat("rule ", rule.name, ": ", rule.program, " is a link to ", real, ", a shell"));
  }
  return absl::OkStatus();
}

// What the allowlist looks at.
Work AskedFor(const ProgramRequest& request) {
  Work work;
  work.argv = request.argv;
  work.environment = request.environment;
  work.working_directory = request.directory;
  work.stdin_data = request.stdin_data;
  work.network = request.network;
  return work;
}

// Adds to the evidence what only the one who started the program knows. Owns itself until OnEnded.
class Teller final : public RunObserver {
 public:
  Teller(const ProgramRequest& request, Confinement confinement, RunObserver& observer)
      : task_id_(request.task_id),
        generation_(request.generation),
        confinement_(std::move(confinement)),
        observer_(observer) {}

  void OnStarted() override { observer_.OnStarted(); }
  void OnLog(LogChunk chunk) override { observer_.OnLog(std::move(chunk)); }
  void OnEnded(Evidence evidence) override {
    const std::unique_ptr<Teller> self(this);
    evidence.task_id = task_id_;
    evidence.generation = generation_;
    evidence.rule = confinement_.rule;
    evidence.sandbox = confinement_.sandbox;
    evidence.network = confinement_.network;
    evidence.uid = confinement_.uid;
    observer_.OnEnded(std::move(evidence));
  }

 private:
  const std::string task_id_;
  const std::int64_t generation_;
  const Confinement confinement_;
  RunObserver& observer_;
};

}  // namespace

absl::Status CheckTaskId(std::string_view id) {
  bool good = !id.empty() && id.size() <= 64;
  for (const char c : id) {
    good = good && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_');
  }
  if (good) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "the task's id is none");
}

Programs::Programs(Options options, Runner& runner)
    : options_(std::move(options)),
      runner_(runner),
      allowlist_(std::make_shared<const Allowlist>()),
      sandbox_(options_.host.status()) {}

absl::Status Programs::CheckHidden(const Rule& rule) const {
  std::vector<std::string> shown = {"/usr", rule.program};
  shown.insert(shown.end(), rule.read_only.begin(), rule.read_only.end());
  shown.insert(shown.end(), rule.writable.begin(), rule.writable.end());
  for (const std::string& path : shown) {
    for (const std::string& hidden : options_.hidden) {
      const std::string real = Resolved(path);
      const std::string secret = Resolved(hidden);
      if (!Inside(secret, real) && !Inside(real, secret)) continue;
      return MakeError(absl::StatusCode::kInvalidArgument, "ALLOWLIST_UNSAFE",
                       absl::StrCat("rule ", rule.name, ": ", path, " would show tasks ", hidden));
    }
  }
  return absl::OkStatus();
}

absl::Status Programs::SetAllowlist(Allowlist allowlist) {
  for (const Rule& rule : allowlist.rules()) SY_RETURN_IF_ERROR(CheckHidden(rule));
  MutexLock lock(mutex_);
  allowlist_ = std::make_shared<const Allowlist>(std::move(allowlist));
  return absl::OkStatus();
}

std::shared_ptr<const Allowlist> Programs::allowlist() const {
  MutexLock lock(mutex_);
  return allowlist_;
}

void Programs::SetSandbox(absl::Status status) {
  MutexLock lock(mutex_);
  sandbox_ = std::move(status);
}

absl::Status Programs::sandbox() const {
  MutexLock lock(mutex_);
  return sandbox_;
}

ProbeResult Programs::TestSandbox() {
  ProbeResult result{.name = "sandbox", .ok = false, .detail = ""};
  if (options_.host.ok()) {
    result = ProbeSandbox(*options_.host, options_.work_folder, ++serial_, runner_);
  } else {
    result.detail = std::string(options_.host.status().message());
  }
  SetSandbox(result.ok ? absl::OkStatus()
                       : MakeError(absl::StatusCode::kUnavailable, "SANDBOX_UNAVAILABLE", result.detail));
  return result;
}

absl::StatusOr<std::string> Programs::MakeFolder(const std::string& task_id, std::int64_t generation,
                                                 const std::string& inner) {
  SY_RETURN_IF_ERROR(CheckTaskId(task_id));
  if (!options_.host.ok()) return options_.host.status();
  const std::string name = absl::StrCat(task_id, ".", generation, ".", ++serial_);
  return MakeWorkspace(options_.work_folder, name, options_.host->user, inner);
}

absl::Status Programs::Confine(const ProgramRequest& request, Decision& decision) const {
  const Rule& rule = *decision.rule;
  SY_RETURN_IF_ERROR(CheckProgram(rule));
  absl::Status sandbox;
  {
    MutexLock lock(mutex_);
    sandbox = sandbox_;
  }
  decision.sandboxed = sandbox.ok();
  if (!sandbox.ok() && !rule.sandbox_optional) return sandbox;
  // Without a host not even the user is known.
  if (!options_.host.ok()) return options_.host.status();
  if (request.inside_only && decision.beyond()) {
    return MakeError(absl::StatusCode::kUnavailable, "REACHES_BEYOND",
                     absl::StrCat("rule ", rule.name, " now grants more than the task's own folder, ",
                                  "which it did not when the task was accepted"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Programs::Decision> Programs::Decide(const ProgramRequest& request) const {
  SY_RETURN_IF_ERROR(CheckTaskId(request.task_id));
  if (request.stdin_data.size() > kMaxStdin) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "its input is too long");
  }
  Decision decision{.list = allowlist()};
  SY_ASSIGN_OR_RETURN(decision.rule, decision.list->Find(AskedFor(request)));
  SY_RETURN_IF_ERROR(Confine(request, decision));
  return decision;
}

absl::Status Programs::Check(const ProgramRequest& request) const { return Decide(request).status(); }

bool Programs::ReachesBeyond(const ProgramRequest& request) const {
  const absl::StatusOr<Decision> decision = Decide(request);
  return decision.ok() && decision->beyond();
}

absl::StatusOr<StartedProgram> Programs::Start(const ProgramRequest& request, RunObserver& observer) {
  SY_ASSIGN_OR_RETURN(const Decision decision, Decide(request));
  return Launch(decision, request, observer);
}

absl::StatusOr<StartedProgram> Programs::StartByRule(const Rule& rule, const ProgramRequest& request,
                                                     RunObserver& observer) {
  SY_RETURN_IF_ERROR(CheckTaskId(request.task_id));
  if (request.argv.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "the work names no program");
  }
  Decision decision{.list = nullptr, .rule = &rule};
  SY_RETURN_IF_ERROR(Confine(request, decision));
  return Launch(decision, request, observer);
}

absl::Status Programs::CheckRule(const Rule& rule) const {
  SY_RETURN_IF_ERROR(CheckHidden(rule));
  return CheckProgram(rule);
}

absl::StatusOr<StartedProgram> Programs::Launch(const Decision& decision, const ProgramRequest& request,
                                                RunObserver& observer) {
  const Rule& rule = *decision.rule;
  const SandboxHost& host = *options_.host;
  const bool sandboxed = decision.sandboxed;
  const Limits limits = Merge(options_.limits, rule.limits, request.time);
  SandboxRequest sandbox{.argv = request.argv,
                         .workspace = request.folder,
                         .directory = request.directory,
                         .read_only = rule.read_only,
                         .writable = rule.writable,
                         .network = request.network && rule.network,
                         .shim_arguments = KernelLimits(limits, sandboxed)};
  sandbox.argv[0] = rule.program;
  StartedProgram started{.id = 0,
                         .confinement = {.rule = rule.name,
                                         .sandbox = sandboxed ? "bubblewrap" : "none",
                                         // Without a sandbox nothing takes the network away.
                                         .network = sandbox.network || !sandboxed,
                                         .uid = host.task_uid()}};
  RunSpec spec{.argv = sandboxed ? SandboxCommand(host, sandbox) : PlainCommand(host, sandbox),
               .environment = CleanEnvironment(rule.set_environment, request.environment, sandboxed, request.folder),
               .directory = sandboxed ? "/" : request.folder,
               .user = host.user,
               .sandboxed = sandboxed,
               .stdin_data = request.stdin_data,
               .limits = limits,
               .folder = request.folder};
  auto teller = std::make_unique<Teller>(request, started.confinement, observer);
  SY_ASSIGN_OR_RETURN(started.id, runner_.Run(std::move(spec), *teller));
  // It belongs to the run now, which may be over already.
  [[maybe_unused]] Teller* const released = teller.release();
  return started;
}

}  // namespace switchyard::executor

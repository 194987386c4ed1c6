#include "services/executor/local_exec.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/limits.h"
#include "services/executor/self_test.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMaxStdin = 1 << 20;

bool IsTaskId(std::string_view id) {
  if (id.empty() || id.size() > 64) return false;
  for (const char c : id) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
    if (!plain) return false;
  }
  return true;
}

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

class Handle final : public BackendRun {
 public:
  Handle(Runner& runner, RunId id) : runner_(runner), id_(id) {}
  void Cancel() override { runner_.Cancel(id_); }
  void Kill() override { runner_.Kill(id_); }

 private:
  Runner& runner_;
  const RunId id_;
};

}  // namespace

// Owns itself from a successful Run until OnEnded.
class LocalExec::Active final : public RunObserver {
 public:
  Active(Evidence known, std::string workspace, Executor& slow, BackendSink& sink)
      : known_(std::move(known)), workspace_(std::move(workspace)), slow_(slow), sink_(sink) {}

  void OnStarted() override { sink_.OnPhase(WorkPhase::kExecuting); }
  void OnLog(LogChunk chunk) override { sink_.OnLog(std::move(chunk)); }
  void OnEnded(Evidence evidence) override {
    const std::unique_ptr<Active> self(this);
    evidence.task_id = std::move(known_.task_id);
    evidence.generation = known_.generation;
    evidence.rule = std::move(known_.rule);
    evidence.sandbox = std::move(known_.sandbox);
    evidence.network = known_.network;
    evidence.uid = known_.uid;
    // When the queue is full it stays until the next start of the executor.
    if (!slow_.Run([path = workspace_] { RemoveTree(path); }).ok()) {
      LogWarning("a working directory was left behind", {{"path", workspace_}});
    }
    sink_.OnFinished(std::move(evidence));
  }

 private:
  Evidence known_;
  const std::string workspace_;
  Executor& slow_;
  BackendSink& sink_;
};

LocalExec::LocalExec(Options options, Runner& runner, Executor& slow)
    : options_(std::move(options)),
      runner_(runner),
      slow_(slow),
      allowlist_(std::make_shared<const Allowlist>()),
      sandbox_(options_.host.status()) {}

absl::Status LocalExec::SetAllowlist(Allowlist allowlist) {
  for (const Rule& rule : allowlist.rules()) {
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
  }
  MutexLock lock(mutex_);
  allowlist_ = std::make_shared<const Allowlist>(std::move(allowlist));
  return absl::OkStatus();
}

absl::StatusOr<LocalExec::Decision> LocalExec::Decide(const Work& work) const {
  if (!IsTaskId(work.task_id)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "the task's id is none");
  }
  if (work.stdin_data.size() > kMaxStdin) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "its input is too long");
  }
  Decision decision;
  absl::Status sandbox;
  {
    MutexLock lock(mutex_);
    decision.list = allowlist_;
    sandbox = sandbox_;
  }
  SY_ASSIGN_OR_RETURN(decision.rule, decision.list->Find(work));
  SY_RETURN_IF_ERROR(CheckProgram(*decision.rule));
  decision.sandboxed = sandbox.ok();
  if (!sandbox.ok() && !decision.rule->sandbox_optional) return sandbox;
  // Without a host not even the user is known.
  if (!options_.host.ok()) return options_.host.status();
  if (work.inside_only && decision.beyond()) {
    return MakeError(absl::StatusCode::kUnavailable, "REACHES_BEYOND",
                     absl::StrCat("rule ", decision.rule->name, " now grants more than the task's own folder, ",
                                  "which it did not when the task was accepted"));
  }
  return decision;
}

absl::Status LocalExec::Check(const Work& work) const { return Decide(work).status(); }

bool LocalExec::ReachesBeyond(const Work& work) const {
  const absl::StatusOr<Decision> decision = Decide(work);
  return decision.ok() && decision->beyond();
}

absl::StatusOr<std::unique_ptr<BackendRun>> LocalExec::Start(const Work& work, BackendSink& sink) {
  SY_ASSIGN_OR_RETURN(const Decision decision, Decide(work));
  const Rule& rule = *decision.rule;
  const SandboxHost& host = *options_.host;
  const Limits limits = Merge(options_.limits, rule.limits, work.limits.time);
  const std::string name = absl::StrCat(work.task_id, ".", work.generation, ".", ++serial_);
  SY_ASSIGN_OR_RETURN(const std::string workspace,
                      MakeWorkspace(options_.work_folder, name, host.user, work.working_directory));
  SandboxRequest request{.argv = work.argv,
                         .workspace = workspace,
                         .directory = work.working_directory,
                         .read_only = rule.read_only,
                         .writable = rule.writable,
                         .network = work.network && rule.network,
                         .shim_arguments = KernelLimits(limits, decision.sandboxed)};
  request.argv[0] = rule.program;
  RunSpec spec{.argv = decision.sandboxed ? SandboxCommand(host, request) : PlainCommand(host, request),
               .environment = CleanEnvironment(rule.set_environment, work.environment, decision.sandboxed, workspace),
               .directory = decision.sandboxed ? "/" : workspace,
               .user = host.user,
               .sandboxed = decision.sandboxed,
               .stdin_data = work.stdin_data,
               .limits = limits,
               .folder = workspace};
  Evidence known;
  known.task_id = work.task_id;
  known.generation = work.generation;
  known.rule = rule.name;
  known.sandbox = decision.sandboxed ? "bubblewrap" : "none";
  // Without a sandbox nothing takes the network away.
  known.network = request.network || !decision.sandboxed;
  known.uid = host.task_uid();
  auto active = std::make_unique<Active>(std::move(known), workspace, slow_, sink);
  const absl::StatusOr<RunId> id = runner_.Run(std::move(spec), *active);
  if (!id.ok()) {
    RemoveTree(workspace);
    return id.status();
  }
  // It belongs to the run now, which may be over already.
  [[maybe_unused]] Active* const released = active.release();
  return std::make_unique<Handle>(runner_, *id);
}

std::vector<ProbeResult> LocalExec::SelfTest() {
  ProbeResult sandbox{.name = "sandbox", .ok = false, .detail = ""};
  if (options_.host.ok()) {
    sandbox = ProbeSandbox(*options_.host, options_.work_folder, ++serial_, runner_);
  } else {
    sandbox.detail = std::string(options_.host.status().message());
  }
  std::shared_ptr<const Allowlist> list;
  {
    MutexLock lock(mutex_);
    sandbox_ = sandbox.ok ? absl::OkStatus()
                          : MakeError(absl::StatusCode::kUnavailable, "SANDBOX_UNAVAILABLE", sandbox.detail);
    list = allowlist_;
  }
  ProbeResult rules{.name = "local_exec", .ok = true, .detail = ""};
  bool needs_sandbox = false;
  for (const Rule& rule : list->rules()) {
    needs_sandbox = needs_sandbox || !rule.sandbox_optional;
    if (const absl::Status status = CheckProgram(rule); !status.ok()) {
      rules.ok = false;
      absl::StrAppend(&rules.detail, rules.detail.empty() ? "" : "; ", std::string(status.message()));
    }
  }
  if (!sandbox.ok && needs_sandbox) {
    rules.ok = false;
    absl::StrAppend(&rules.detail, rules.detail.empty() ? "" : "; ", "its rules need the sandbox");
  }
  if (rules.ok) {
    rules.detail = list->rules().empty() ? "the allowlist is empty: it takes no work"
                                         : absl::StrCat(list->rules().size(), " rules");
  }
  return {std::move(sandbox), std::move(rules)};
}

}  // namespace switchyard::executor

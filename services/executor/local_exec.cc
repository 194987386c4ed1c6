#include "services/executor/local_exec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "services/executor/checks/report.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kNewsBytes = 1'000;

ProgramRequest ToProgram(const Work& work) {
  return {.task_id = work.task_id,
          .generation = work.generation,
          .argv = work.argv,
          .environment = work.environment,
          .folder = "",
          .directory = work.working_directory,
          .stdin_data = work.stdin_data,
          .network = work.network,
          .inside_only = work.inside_only,
          .time = work.limits.time};
}

checks::CheckRequest ToChecks(const Work& work, const std::string& folder) {
  return {.task_id = work.task_id,
          .generation = work.generation,
          .place = {.folder = folder, .changes = nullptr},
          .steps = work.checks,
          .time = work.checks_time,
          .network = work.network,
          .inside_only = work.inside_only};
}

std::string ToNews(const checks::Step& step, const checks::StepResult& result) {
  const std::string_view first = std::string_view(result.evidence).substr(0, result.evidence.find('\n'));
  return absl::StrCat(step.name.empty() ? std::string(checks::CheckName(step.check)) : step.name, ": ",
                      std::string(first.substr(0, kNewsBytes - 200)));
}

}  // namespace

// Shared by its handle, the program and the checks, whichever are under way.
class LocalExec::Active final : public RunObserver,
                                public checks::CheckObserver,
                                public std::enable_shared_from_this<Active> {
 public:
  Active(LocalExec& owner, const Work& work, std::string folder, BackendSink& sink)
      : owner_(owner),
        steps_(work.checks),
        request_(ToChecks(work, folder)),
        time_(work.limits.time),
        folder_(std::move(folder)),
        sink_(sink) {}

  // Stays until its end, once the program runs.
  absl::Status Start(ProgramRequest program) {
    {
      MutexLock lock(mutex_);
      self_ = shared_from_this();
    }
    absl::StatusOr<StartedProgram> started = owner_.programs_.Start(program, *this);
    MutexLock lock(mutex_);
    if (!started.ok()) {
      self_ = nullptr;
      return started.status();
    }
    program_ = started->id;
    return absl::OkStatus();
  }

  void End(bool kill) {
    RunId program = 0;
    checks::CheckRun* checking = nullptr;
    const std::shared_ptr<Active> self = shared_from_this();
    {
      MutexLock lock(mutex_);
      if (self_ == nullptr) return;
      cancelled_ = true;
      kill_ = kill_ || kill;
      program = program_;
      checking = checking_.get();
    }
    if (checking != nullptr) {
      kill ? checking->Kill() : checking->Cancel();
    } else if (kill) {
      owner_.programs_.Kill(program);
    } else {
      owner_.programs_.Cancel(program);
    }
  }

  // RunObserver.
  void OnStarted() override { sink_.OnPhase(WorkPhase::kExecuting); }
  // RunObserver's and CheckObserver's.
  void OnLog(LogChunk chunk) override {
    chunk.sequence = log_sequence_++;
    sink_.OnLog(std::move(chunk));
  }
  void OnEnded(Evidence evidence) override {
    if (evidence.outcome != Outcome::kSucceeded || steps_.empty()) return Finish(std::move(evidence));
    // What is left of the attempt's time is all that the checks can have.
    if (time_ > absl::ZeroDuration()) {
      const absl::Duration left = std::max(time_ - (evidence.ended - evidence.started), absl::Seconds(1));
      request_.time = request_.time > absl::ZeroDuration() ? std::min(request_.time, left) : left;
    }
    sink_.OnPhase(WorkPhase::kVerifying);
    evidence_ = std::move(evidence);
    checks::CheckRun* checking = nullptr;
    bool cancelled = false;
    bool kill = false;
    {
      MutexLock lock(mutex_);
      checking_ = owner_.checker_.Make(std::move(request_), *this);
      checking = checking_.get();
      cancelled = cancelled_;
      kill = kill_;
    }
    if (cancelled) kill ? checking->Kill() : checking->Cancel();
    checking->Start();
  }

  // CheckObserver.
  void OnStep(int step, const checks::StepResult& result) override {
    sink_.OnStep({.step = step,
                  .passed = result.status == checks::StepStatus::kPassed,
                  .message = ToNews(steps_[static_cast<std::size_t>(step)], result)});
  }
  void OnProgress(std::string message) override { sink_.OnProgress(std::move(message)); }
  void OnEnded(checks::CheckEnd end, std::vector<checks::StepResult> results) override {
    Evidence evidence = std::move(evidence_);
    evidence.checks = checks::SerialiseReport(steps_, results);
    if (end != checks::CheckEnd::kDone) {
      const bool stopped = end == checks::CheckEnd::kStopped;
      evidence.outcome = Outcome::kCancelled;
      evidence.reason = stopped ? "EXECUTOR_STOPPED" : "CANCELLED";
      evidence.message = stopped ? "the executor stopped while checks were made" : "cancelled while checks were made";
    }
    Finish(std::move(evidence));
  }

 private:
  void Finish(Evidence evidence) {
    std::shared_ptr<Active> self;
    {
      MutexLock lock(mutex_);
      self = std::move(self_);
      self_ = nullptr;
    }
    // When the queue is full it stays until the next start of the executor.
    if (!owner_.slow_.Run([path = folder_] { RemoveTree(path); }).ok()) {
      LogWarning("a working directory was left behind", {{"path", folder_}});
    }
    sink_.OnFinished(std::move(evidence));
  }

  LocalExec& owner_;
  const std::vector<checks::Step> steps_;
  checks::CheckRequest request_;
  const absl::Duration time_;
  const std::string folder_;
  BackendSink& sink_;
  // Of the one thread that calls at a time.
  Evidence evidence_;
  std::uint64_t log_sequence_ = 0;
  Mutex mutex_;
  // Keeps this while the program or the checks are under way.
  std::shared_ptr<Active> self_ ABSL_GUARDED_BY(mutex_);
  RunId program_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set once, kept to the end.
  std::unique_ptr<checks::CheckRun> checking_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool kill_ ABSL_GUARDED_BY(mutex_) = false;
};

LocalExec::LocalExec(Programs& programs, checks::Checker& checker, Executor& slow)
    : programs_(programs), checker_(checker), slow_(slow) {}

absl::Status LocalExec::Check(const Work& work) const {
  SY_RETURN_IF_ERROR(programs_.Check(ToProgram(work)));
  return checker_.Check(ToChecks(work, ""));
}

bool LocalExec::ReachesBeyond(const Work& work) const {
  return programs_.ReachesBeyond(ToProgram(work)) || checker_.ReachesBeyond(ToChecks(work, ""));
}

absl::StatusOr<std::unique_ptr<BackendRun>> LocalExec::Start(const Work& work, BackendSink& sink) {
  class Handle final : public BackendRun {
   public:
    explicit Handle(std::shared_ptr<Active> active) : active_(std::move(active)) {}
    void Cancel() override { active_->End(/*kill=*/false); }
    void Kill() override { active_->End(/*kill=*/true); }

   private:
    const std::shared_ptr<Active> active_;
  };

  SY_RETURN_IF_ERROR(Check(work));
  ProgramRequest program = ToProgram(work);
  SY_ASSIGN_OR_RETURN(program.folder, programs_.MakeFolder(work.task_id, work.generation, work.working_directory));
  const std::string folder = program.folder;
  auto active = std::make_shared<Active>(*this, work, folder, sink);
  if (const absl::Status status = active->Start(std::move(program)); !status.ok()) {
    RemoveTree(folder);
    return status;
  }
  return std::make_unique<Handle>(std::move(active));
}

std::vector<ProbeResult> LocalExec::SelfTest() {
  ProbeResult sandbox = programs_.TestSandbox();
  const std::shared_ptr<const Allowlist> list = programs_.allowlist();
  ProbeResult rules{.name = "local_exec", .ok = true, .detail = ""};
  bool needs_sandbox = false;
  for (const Rule& rule : list->rules()) {
    needs_sandbox = needs_sandbox || !rule.sandbox_optional;
    if (const absl::Status status = programs_.CheckRule(rule); !status.ok()) {
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

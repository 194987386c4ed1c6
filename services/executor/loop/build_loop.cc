#include "services/executor/loop/build_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::executor::loop {
namespace {

constexpr absl::Duration kTick = absl::Seconds(2);

class Handle final : public BackendRun {
 public:
  explicit Handle(std::shared_ptr<BuildRun> run) : run_(std::move(run)) {}
  void Cancel() override { run_->Cancel(); }
  void Kill() override { run_->Kill(); }
  void OnRouteAnswer(RouteAnswer answer) override { run_->OnRouteAnswer(std::move(answer)); }
  void OnConfirmation(Confirmation confirmation) override { run_->OnConfirmation(confirmation); }

 private:
  const std::shared_ptr<BuildRun> run_;
};

absl::Status Stopping() { return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the executor stops"); }

checks::CheckRequest RequestOf(const Work& work) {
  checks::CheckRequest request{.task_id = work.task_id, .generation = work.generation};
  request.steps = work.checks;
  request.network = work.network;
  request.inside_only = work.inside_only;
  return request;
}

}  // namespace

BuildLoop::BuildLoop(LoopSettings settings, LoopDeps deps, std::size_t slots)
    : settings_(std::move(settings)),
      deps_(deps),
      threads_("build_loop", std::clamp<std::size_t>(slots, 1, kMostThreads), 1'024) {}

BuildLoop::~BuildLoop() { Stop(); }

void BuildLoop::StartThreads() {
  threads_.Start();
  ticker_ = std::make_unique<PeriodicTask>(
      "build_loop", [this] { Tick(); }, [] { return kTick; });
  ticker_->Start();
}

void BuildLoop::Stop() {
  std::vector<std::shared_ptr<BuildRun>> runs;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    runs = runs_;
  }
  if (ticker_ != nullptr) ticker_->Stop();
  for (const std::shared_ptr<BuildRun>& run : runs) run->Stop();
  threads_.Stop();
}

void BuildLoop::Tick() {
  std::vector<std::shared_ptr<BuildRun>> runs;
  {
    MutexLock lock(mutex_);
    runs = runs_;
  }
  for (const std::shared_ptr<BuildRun>& run : runs) run->Tick();
}

std::size_t BuildLoop::running() const {
  MutexLock lock(mutex_);
  return runs_.size();
}

absl::Status BuildLoop::Check(const Work& work) const {
  SY_RETURN_IF_ERROR(deps_.models.Check(work));
  if (!work.repository.repository.empty()) {
    if (deps_.worktrees == nullptr) {
      return MakeError(absl::StatusCode::kPermissionDenied, "REPOSITORY_NOT_ALLOWED",
                       "this executor works in no repository");
    }
    SY_RETURN_IF_ERROR(deps_.worktrees->Check(work.task_id, work.repository));
    if (work.repository.pull_request && (deps_.forges == nullptr || deps_.forges->empty())) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "FORGE_NOT_CONFIGURED",
                       "this executor knows no forge for pull requests");
    }
  }
  SY_RETURN_IF_ERROR(deps_.checker.Check(RequestOf(work)));
  MutexLock lock(mutex_);
  return stopped_ ? Stopping() : absl::OkStatus();
}

bool BuildLoop::ReachesBeyond(const Work& work) const {
  return work.repository.push || work.repository.pull_request || deps_.checker.ReachesBeyond(RequestOf(work));
}

absl::StatusOr<std::unique_ptr<BackendRun>> BuildLoop::Start(const Work& work, BackendSink& sink) {
  SY_RETURN_IF_ERROR(Check(work));
  auto run = std::make_shared<BuildRun>(work, settings_, deps_, sink);
  {
    MutexLock lock(mutex_);
    if (stopped_) return Stopping();
    runs_.push_back(run);
  }
  const absl::Status queued = threads_.Run([this, run] {
    run->Run();
    MutexLock lock(mutex_);
    std::erase(runs_, run);
  });
  if (!queued.ok()) {
    MutexLock lock(mutex_);
    std::erase(runs_, run);
    return queued;
  }
  return std::make_unique<Handle>(std::move(run));
}

std::vector<ProbeResult> BuildLoop::SelfTest() {
  std::vector<ProbeResult> results;
  ProbeResult own{.name = "build_loop", .ok = true, .detail = "changes files until the checks pass"};
  if (deps_.worktrees == nullptr) {
    own.detail = "works in folders of its own; no repository is configured";
  } else {
    const absl::Status git = deps_.worktrees->Probe();
    results.push_back({.name = "git", .ok = git.ok(), .detail = git.ok() ? "works" : std::string(git.message())});
    own.ok = git.ok();
    if (!git.ok()) own.detail = "git does not work, and repositories are configured";
  }
  results.insert(results.begin(), std::move(own));
  return results;
}

}  // namespace switchyard::executor::loop

#include "services/executor/external/external_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"
#include "services/executor/models/model_run.h"
#include "services/executor/models/route_convert.h"

namespace switchyard::executor::external {
namespace {

absl::Status Refused(absl::StatusCode code, std::string_view reason, std::string_view message) {
  return MakeError(code, reason, message);
}

absl::Status Stopping() { return Refused(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the executor stops"); }

// What the agent works with when nobody routed the task.
models::Route OwnRoute(const AgentSpec& agent) {
  models::Route route;
  route.protocol = models::Protocol::kOpenAi;
  route.model = agent.model.name;
  route.aliases = agent.model.aliases;
  route.url = agent.model.url;
  route.credential = agent.model.credential;
  route.provider = agent.model.provider;
  route.local = agent.model.local;
  route.pricing.free = agent.model.local;
  return route;
}

}  // namespace

class ExternalBackend::Handle final : public BackendRun {
 public:
  explicit Handle(std::shared_ptr<ExternalRun> run) : run_(std::move(run)) {}
  void Cancel() override { run_->Cancel(); }
  void Kill() override { run_->Kill(); }
  void OnConfirmation(Confirmation confirmation) override { run_->OnConfirmation(confirmation); }

 private:
  const std::shared_ptr<ExternalRun> run_;
};

ExternalBackend::ExternalBackend(std::size_t slots, ExternalDeps deps)
    : deps_(deps),  // One that ends and the next that begins may overlap.
      threads_("external", slots, slots + 16),
      agents_(std::make_shared<const std::vector<AgentSpec>>()) {}

ExternalBackend::~ExternalBackend() { Stop(); }

void ExternalBackend::StartThreads() { threads_.Start(); }

void ExternalBackend::Stop() {
  std::vector<std::shared_ptr<ExternalRun>> runs;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    runs = runs_;
  }
  for (const std::shared_ptr<ExternalRun>& run : runs) run->Stop();
  threads_.Stop();
}

std::shared_ptr<const std::vector<AgentSpec>> ExternalBackend::agents() const {
  MutexLock lock(mutex_);
  return agents_;
}

absl::Status ExternalBackend::SetAgents(std::vector<AgentSpec> agents) {
  for (const AgentSpec& agent : agents) {
    const absl::Status status = deps_.programs.CheckRule(agent.rule);
    if (ReasonOf(status) != "ALLOWLIST_UNSAFE") continue;
    return Refused(absl::StatusCode::kInvalidArgument, "AGENTS_UNSAFE", ToStd(status.message()));
  }
  MutexLock lock(mutex_);
  agents_ = std::make_shared<const std::vector<AgentSpec>>(std::move(agents));
  return absl::OkStatus();
}

std::size_t ExternalBackend::running() const {
  MutexLock lock(mutex_);
  return runs_.size();
}

bool ExternalBackend::Beyond(const AgentSpec& agent) const {
  return agent.rule.network || !agent.rule.writable.empty() || !deps_.programs.sandbox().ok();
}

checks::CheckRequest ExternalBackend::ChecksOf(const Work& work) const {
  checks::CheckRequest request{.task_id = work.task_id, .generation = work.generation};
  request.steps = work.checks;
  request.time = work.checks_time;
  request.network = work.network;
  request.inside_only = work.inside_only;
  return request;
}

absl::StatusOr<ExternalBackend::Plan> ExternalBackend::MakePlan(const Work& work) const {
  SY_RETURN_IF_ERROR(CheckTaskId(work.task_id));
  if (work.external.instruction.empty()) {
    return Refused(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "there is no instruction");
  }
  const std::shared_ptr<const std::vector<AgentSpec>> all = agents();
  const auto found = std::find_if(all->begin(), all->end(),
                                  [&](const AgentSpec& agent) { return agent.name() == work.external.agent; });
  if (found == all->end()) {
    std::vector<std::string> names;
    for (const AgentSpec& agent : *all) names.push_back(agent.name());
    const std::string meant = text::DidYouMean(work.external.agent, names);
    return Refused(absl::StatusCode::kFailedPrecondition, "AGENT_UNKNOWN",
                   absl::StrCat("this executor has no agent ", work.external.agent,
                                meant.empty() ? "" : absl::StrCat("; did you mean ", meant, "?")));
  }
  Plan plan{.agent = *found, .route = {}};
  SY_RETURN_IF_ERROR(deps_.programs.CheckRule(plan.agent.rule));
  if (const absl::Status sandbox = deps_.programs.sandbox(); !sandbox.ok() && !plan.agent.rule.sandbox_optional) {
    return sandbox;
  }
  absl::StatusOr<models::Route> route = models::ToRoute(work.routing);
  if (route.ok()) {
    if (!plan.agent.routed) {
      return Refused(absl::StatusCode::kFailedPrecondition, "MODEL_NOT_TAKEN",
                     absl::StrCat("the agent ", plan.agent.name(), " takes no model from a route"));
    }
    plan.route = *std::move(route);
    const std::vector<std::string>& aliases = plan.agent.model.aliases;
    plan.route.aliases.insert(plan.route.aliases.end(), aliases.begin(), aliases.end());
  } else if (ReasonOf(route.status()) != "UNROUTED") {
    return route.status();
  } else if (plan.agent.model.name.empty() && Uses(plan.agent, "model")) {
    return Refused(
        absl::StatusCode::kFailedPrecondition, "UNROUTED",
        absl::StrCat("the agent ", plan.agent.name(), " needs a routed model: pin one, or give it a model of its own"));
  } else {
    plan.route = OwnRoute(plan.agent);
  }
  // As of any model: what must stay local, which agent reaches it, whose secret may go there.
  if (!plan.route.url.empty()) {
    absl::Status status = models::CheckRoute(plan.route, work, deps_.credentials);
    if (absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status)) {
      status = Refused(absl::StatusCode::kFailedPrecondition, ReasonOf(status), ToStd(status.message()));
    }
    SY_RETURN_IF_ERROR(status);
  } else if (work.prompt.local_only && !plan.route.local) {
    return Refused(absl::StatusCode::kFailedPrecondition, "NOT_LOCAL",
                   absl::StrCat("the work must stay local, and nobody says that ", plan.agent.name(), " does"));
  }
  if (work.inside_only && Beyond(plan.agent)) {
    return Refused(absl::StatusCode::kUnavailable, "REACHES_BEYOND",
                   absl::StrCat("the agent ", plan.agent.name(), " now reaches more than the task's own folder, ",
                                "which it did not when the task was accepted"));
  }
  if (!work.repository.repository.empty()) {
    if (deps_.worktrees == nullptr) {
      return Refused(absl::StatusCode::kPermissionDenied, "REPOSITORY_NOT_ALLOWED",
                     "this executor works in no repositories");
    }
    SY_RETURN_IF_ERROR(deps_.worktrees->Check(work.task_id, work.repository));
    if (work.repository.pull_request && deps_.forges == nullptr) {
      return Refused(absl::StatusCode::kFailedPrecondition, "FORGE_NOT_CONFIGURED", "this executor knows no forge");
    }
  }
  if (!work.checks.empty()) {
    if (deps_.checker == nullptr) {
      return Refused(absl::StatusCode::kInvalidArgument, "UNSUPPORTED", "this executor makes no checks");
    }
    SY_RETURN_IF_ERROR(deps_.checker->Check(ChecksOf(work)));
  }
  MutexLock lock(mutex_);
  if (stopped_) return Stopping();
  return plan;
}

absl::Status ExternalBackend::Check(const Work& work) const { return MakePlan(work).status(); }

bool ExternalBackend::ReachesBeyond(const Work& work) const {
  const absl::StatusOr<Plan> plan = MakePlan(work);
  if (!plan.ok()) return false;
  if (work.repository.push || work.repository.pull_request) return true;
  return Beyond(plan->agent) || (!work.checks.empty() && deps_.checker->ReachesBeyond(ChecksOf(work)));
}

absl::StatusOr<std::unique_ptr<BackendRun>> ExternalBackend::Start(const Work& work, BackendSink& sink) {
  SY_ASSIGN_OR_RETURN(Plan plan, MakePlan(work));
  // Shared by the thread that runs it and the handle.
  auto run = std::make_shared<ExternalRun>(work, std::move(plan.agent), std::move(plan.route), deps_, sink);
  MutexLock lock(mutex_);
  if (stopped_) return Stopping();
  SY_RETURN_IF_ERROR(threads_.Run([this, run] {
    run->Run();
    MutexLock ended(mutex_);
    runs_.erase(std::remove(runs_.begin(), runs_.end(), run), runs_.end());
  }));
  runs_.push_back(run);
  return std::make_unique<Handle>(std::move(run));
}

std::vector<ExternalBackend::Entry> ExternalBackend::Probe() const {
  std::vector<Entry> entries;
  const std::shared_ptr<const std::vector<AgentSpec>> all = agents();
  for (const AgentSpec& agent : *all) {
    Entry entry{.name = agent.name(), .program = agent.rule.program, .status = deps_.programs.CheckRule(agent.rule)};
    if (entry.status.ok() && !agent.model.url.empty()) {
      entry.status = deps_.credentials.SecretFor(agent.model.credential, agent.model.url).status();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::vector<std::string> ExternalBackend::Capabilities() const {
  std::vector<std::string> found;
  const std::shared_ptr<const std::vector<AgentSpec>> all = agents();
  for (const AgentSpec& agent : *all) {
    if (!deps_.programs.CheckRule(agent.rule).ok()) continue;
    found.push_back(absl::StrCat("external:", agent.name()));
    if (agent.routed) found.push_back(absl::StrCat("external-model:", agent.name()));
  }
  return found;
}

std::vector<ProbeResult> ExternalBackend::SelfTest() {
  ProbeResult result{.name = "external", .ok = true, .detail = ""};
  int there = 0;
  const std::vector<Entry> entries = Probe();
  for (const Entry& entry : entries) {
    if (entry.status.ok()) {
      ++there;
    } else {
      absl::StrAppend(&result.detail, "; ", std::string(entry.status.message()));
    }
  }
  const std::string sum = entries.empty() ? std::string("no agents are configured")
                                          : absl::StrCat(there, " of ", entries.size(), " agents can be run");
  result.detail = sum + result.detail;
  return {std::move(result)};
}

}  // namespace switchyard::executor::external

#include "services/executor/models/models_backend.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/models/route_convert.h"

namespace switchyard::executor::models {
namespace {

// Output waits at most this long and OutputKeeper's own time.
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kIdle = absl::Seconds(30);

class Handle final : public BackendRun {
 public:
  explicit Handle(std::shared_ptr<ModelRun> run) : run_(std::move(run)) {}
  void Cancel() override { run_->Cancel(); }
  void OnRouteAnswer(RouteAnswer answer) override { run_->OnRouteAnswer(answer); }

 private:
  const std::shared_ptr<ModelRun> run_;
};

absl::Status Stopping() { return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the executor stops"); }

}  // namespace

ModelsBackend::ModelsBackend(RunLimits limits, CredentialPolicy credentials, http::HttpTransport& transport,
                             const Clock& clock, Rng& rng, telemetry::Metrics* metrics)
    : limits_(limits),
      credentials_(std::move(credentials)),
      transport_(transport),
      clock_(clock),
      rng_(rng),
      calls_(metrics == nullptr ? nullptr
                                : &metrics->Counters("switchyard_executor_model_calls_total",
                                                     "Calls of models that ended.", {"outcome"})) {}

ModelsBackend::~ModelsBackend() { Stop(); }

void ModelsBackend::StartTicking() {
  ticker_ = std::make_unique<PeriodicTask>(
      "models", [this] { Tick(); }, [this] { return running() == 0 ? kIdle : kTick; });
  ticker_->Start();
}

void ModelsBackend::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  if (ticker_ != nullptr) ticker_->Stop();
  for (const std::shared_ptr<ModelRun>& run : Runs()) run->Stop();
}

std::vector<std::shared_ptr<ModelRun>> ModelsBackend::Runs() const {
  MutexLock lock(mutex_);
  return runs_;
}

void ModelsBackend::Tick() {
  for (const std::shared_ptr<ModelRun>& run : Runs()) run->Tick();
  MutexLock lock(mutex_);
  std::erase_if(runs_, [](const std::shared_ptr<ModelRun>& run) { return run->ended(); });
}

std::size_t ModelsBackend::running() const {
  MutexLock lock(mutex_);
  return runs_.size();
}

absl::Status ModelsBackend::Check(const Work& work) const {
  if (work.prompt.instruction.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_WORK", "there is no instruction");
  }
  SY_ASSIGN_OR_RETURN(const Route route, ToRoute(work.routing));
  absl::Status status = CheckRoute(route, work, credentials_);
  // The route is at fault, not the task: with another one it may come again.
  if (absl::IsInvalidArgument(status) || absl::IsPermissionDenied(status)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, switchyard::ReasonOf(status),
                     std::string_view(status.message().data(), status.message().size()));
  }
  SY_RETURN_IF_ERROR(status);
  MutexLock lock(mutex_);
  return stopped_ ? Stopping() : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BackendRun>> ModelsBackend::Start(const Work& work, BackendSink& sink) {
  return StartTurn(work, {}, sink);
}

absl::StatusOr<std::unique_ptr<BackendRun>> ModelsBackend::StartTurn(const Work& work, Conversation conversation,
                                                                     BackendSink& sink) {
  SY_RETURN_IF_ERROR(Check(work));
  SY_ASSIGN_OR_RETURN(Route route, ToRoute(work.routing));
  auto run = std::make_shared<ModelRun>(
      work, std::move(route), limits_,
      RunDeps{.transport = transport_, .clock = clock_, .rng = rng_, .credentials = credentials_, .calls = calls_},
      sink, std::move(conversation));
  {
    MutexLock lock(mutex_);
    if (stopped_) return Stopping();
    runs_.push_back(run);
  }
  run->Begin();
  if (ticker_ != nullptr) ticker_->Wake();
  return std::make_unique<Handle>(std::move(run));
}

std::vector<ProbeResult> ModelsBackend::SelfTest() {
  ProbeResult result{.name = "models", .ok = true, .detail = ""};
  int readable = 0;
  const std::vector<CredentialPolicy::Entry> entries = credentials_.Probe();
  for (const CredentialPolicy::Entry& entry : entries) {
    if (entry.status.ok()) {
      ++readable;
    } else {
      absl::StrAppend(&result.detail, "; ", std::string(entry.status.message()));
    }
  }
  const std::string sum = entries.empty() ? std::string("no credentials: endpoints that need none")
                                          : absl::StrCat(readable, " of ", entries.size(), " credentials can be read");
  result.detail = sum + result.detail;
  return {std::move(result)};
}

}  // namespace switchyard::executor::models

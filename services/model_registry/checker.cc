#include "services/model_registry/checker.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"

namespace switchyard::model_registry {
namespace {

// Of one Tick: a clock that stood still makes no burst.
constexpr int kMostAtOnce = 16;

}  // namespace

Checker::Checker(Registry& registry, EndpointProber& prober, const Clock& clock, CheckerRules rules,
                 absl::Duration cooldown, ClaimProbe claim)
    : registry_(registry),
      prober_(prober),
      clock_(clock),
      rules_(rules),
      cooldown_(cooldown),
      claim_(std::move(claim)) {}

void Checker::Tick() {
  const absl::Time now = clock_.Now();
  const int endpoints = std::max(1, registry_.checked_endpoints());
  const absl::Duration gap = std::min(rules_.stagger, rules_.interval / endpoints);
  for (int i = 0; i < kMostAtOnce; ++i) {
    {
      MutexLock lock(mutex_);
      if (now < next_) break;
    }
    std::optional<DueCheck> due = registry_.TakeDueCheck();
    if (!due.has_value()) break;
    {
      MutexLock lock(mutex_);
      next_ = std::max(next_, now - rules_.stagger) + gap;
    }
    Begin(*std::move(due));
  }
  while (const std::optional<DueKeepWarm> due = registry_.TakeDueKeepWarm()) {
    prober_.KeepWarm(due->endpoint.spec, due->model,
                     [this, endpoint = due->endpoint, model = due->model](const absl::Status& status) {
                       registry_.KeepWarmDone(endpoint, model, status);
                     });
  }
}

void Checker::Begin(DueCheck due) {
  const Generate generate =
      due.kind == CheckKind::kLists || !due.endpoint.spec.local ? Generate::kNever : Generate::kIfLoaded;
  if (due.kind != CheckKind::kProbe) return Run(due, generate, "", nullptr);
  const EndpointId id = due.endpoint.id;
  // A little less, so that the next probe of this replica finds the claim free.
  claim_(id, clock_.Now() + cooldown_ * 0.9, [this, due = std::move(due), generate](bool mine) {
    if (!mine) return registry_.SkipProbe(due.endpoint.id);
    Run(due, generate, "", nullptr);
  });
}

void Checker::Run(const DueCheck& due, Generate generate, const std::string& model,
                  std::function<void(CheckResult)> done) {
  const absl::Time began = clock_.Now();
  prober_.Check(
      {.spec = due.endpoint.spec, .generate = generate, .model = model},
      [this, endpoint = due.endpoint, kind = due.kind, began, done = std::move(done)](const CheckResult& result) {
        registry_.CheckDone(endpoint, kind, result, began);
        if (done != nullptr) done(result);
      });
}

absl::Status Checker::CheckNow(const EndpointId& endpoint, bool generate, const std::string& model,
                               std::function<void(CheckResult)> done) {
  SY_ASSIGN_OR_RETURN(const DueCheck due, registry_.TakeManualCheck(endpoint));
  Run(due, generate ? Generate::kAlways : Generate::kNever, model, std::move(done));
  return absl::OkStatus();
}

}  // namespace switchyard::model_registry

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/http/http_transport.h"
#include "libs/telemetry/metrics.h"
#include "services/executor/backend.h"
#include "services/executor/models/credential_policy.h"
#include "services/executor/models/model_call.h"
#include "services/executor/models/prompt.h"
#include "services/executor/models/route.h"
#include "services/executor/models/route_convert.h"
#include "services/executor/output_keeper.h"

namespace switchyard::executor::models {

struct RunLimits {
  // Of one attempt, where the task gives none of its own or a longer one.
  absl::Duration time = absl::Minutes(30);
  // Of output that is passed on as log.
  std::uint64_t log_bytes = std::uint64_t{8} << 20;
  AnswerBounds bounds;
  // For the answer to a question for another endpoint.
  absl::Duration grant_patience = absl::Seconds(60);
};

// What a run borrows; all of it outlives the run.
struct RunDeps {
  http::HttpTransport& transport;
  const Clock& clock;
  Rng& rng;
  const CredentialPolicy& credentials;
  // By outcome; may be null.
  telemetry::Family<telemetry::Counter>* calls = nullptr;
};

// Of work that goes on after the answer.
struct Conversation {
  // What was said before.
  std::vector<PromptTurn> turns;
  // Takes the answer as it came, unredacted, just before OnFinished: whole when that succeeds, otherwise what there is
  // of it. Within the run's lock: it must not call back. May be null.
  std::function<void(std::string answer)> take_answer;
};

// Whether this executor may and can call what the route names for this work. As Backend::Check.
absl::Status CheckRoute(const Route& route, const Work& work, const CredentialPolicy& credentials);

// One task at its model: calls the endpoint that it was routed to, waits or asks for another one as the outcome says,
// and tells the sink. It calls another endpoint only when one was granted. Thread-safe.
class ModelRun final : public CallEvents, public std::enable_shared_from_this<ModelRun> {
 public:
  ModelRun(Work work, Route route, RunLimits limits, RunDeps deps, BackendSink& sink, Conversation conversation = {});

  // Once. The end may come before it returns.
  void Begin();
  // At least every second; more often for output that is passed on in time.
  void Tick();
  void Cancel();
  // The executor ends.
  void Stop();
  void OnRouteAnswer(const RouteAnswer& answer);
  bool ended() const;

  void OnFirstToken() override;
  void OnPart(Part part, std::string_view text) override;
  void OnProgress(const CallProgress& progress) override;
  void OnDone(CallResult result) override;

 private:
  enum class Stage { kCalling, kWaiting, kAsking, kEnded };

  // Calls the endpoint of route_; without the lock, since the end may come at once.
  void Call();
  absl::StatusOr<CallSpec> MakeSpec() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnterPhase(WorkPhase phase) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Note(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What follows from the last result.
  void Follow(bool may_leave) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing else may be had: goes on as the outcome says, or waits again here where only patience had ended.
  void StayHere() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Succeed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(Outcome outcome, std::string_view reason, std::string_view message, bool permanent = false,
           absl::Duration retry_after = absl::ZeroDuration()) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Time deadline() const { return begun_ + time_; }

  const Work work_;
  const Conversation conversation_;
  const RunLimits limits_;
  const RunDeps deps_;
  const absl::Duration time_;

  mutable Mutex mutex_;
  // Not called any more once stage_ is kEnded.
  BackendSink& sink_ ABSL_GUARDED_BY(mutex_);
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kCalling;
  Route route_ ABSL_GUARDED_BY(mutex_);
  std::int64_t calls_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last one begun; shared with the exchange under way.
  std::shared_ptr<ModelCall> call_ ABSL_GUARDED_BY(mutex_);
  OutputKeeper keeper_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<WorkPhase> phase_ ABSL_GUARDED_BY(mutex_);
  const absl::Time begun_;
  // Of kWaiting and of kAsking: when to go on, and when to give up.
  absl::Time wake_at_ ABSL_GUARDED_BY(mutex_);
  absl::Time ask_again_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time progress_at_ ABSL_GUARDED_BY(mutex_);
  // At the present endpoint.
  absl::Time endpoint_since_ ABSL_GUARDED_BY(mutex_);
  int retries_ ABSL_GUARDED_BY(mutex_) = 0;
  int grants_ ABSL_GUARDED_BY(mutex_) = 0;
  CallResult last_ ABSL_GUARDED_BY(mutex_);
  std::vector<CallRecord> records_ ABSL_GUARDED_BY(mutex_);
  Spent spent_ ABSL_GUARDED_BY(mutex_);
  std::size_t omitted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::executor::models

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/http/http_transport.h"
#include "libs/telemetry/metrics.h"
#include "services/executor/backend.h"
#include "services/executor/models/credential_policy.h"
#include "services/executor/models/model_run.h"

namespace switchyard::executor::models {

// Has models work on instructions: each task at the endpoint that it was routed to, and at no other without a grant.
// Thread-safe.
class ModelsBackend final : public Backend {
 public:
  // Borrows all; `transport` is stopped before this is destroyed. With metrics, it counts calls by outcome:
  // switchyard_executor_model_calls_total.
  ModelsBackend(RunLimits limits, CredentialPolicy credentials, http::HttpTransport& transport, const Clock& clock,
                Rng& rng, telemetry::Metrics* metrics = nullptr);
  // Stops first.
  ~ModelsBackend() override;

  // Until then nothing looks at the clock but Tick().
  void StartTicking();
  // Ends what runs; each sink hears EXECUTOR_STOPPED, some only once the transport stops. Takes no more.
  void Stop();
  // What runs looks at the clock.
  void Tick();

  std::string_view name() const override { return "models"; }
  bool Serves(WorkKind kind) const override { return kind == WorkKind::kPrompt; }
  // Work that changes files is not done with the answer.
  bool Takes(const Work& work) const override { return Serves(work.kind) && !ChangesFiles(work); }
  absl::Status Check(const Work& work) const override;
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override;
  // One answer of a conversation that others lead; as Start, for any work with an instruction and a route.
  absl::StatusOr<std::unique_ptr<BackendRun>> StartTurn(const Work& work, Conversation conversation, BackendSink& sink);
  // Reads each credential. One that is missing is said, and is no failure: other work can do without it.
  std::vector<ProbeResult> SelfTest() override;

  const CredentialPolicy& credentials() const { return credentials_; }
  std::size_t running() const;

 private:
  std::vector<std::shared_ptr<ModelRun>> Runs() const;

  const RunLimits limits_;
  const CredentialPolicy credentials_;
  http::HttpTransport& transport_;
  const Clock& clock_;
  Rng& rng_;
  // May be null.
  telemetry::Family<telemetry::Counter>* const calls_;
  std::unique_ptr<PeriodicTask> ticker_;
  mutable Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Shared with handles and with the calls under way.
  std::vector<std::shared_ptr<ModelRun>> runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor::models

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "services/executor/allowlist.h"
#include "services/executor/backend.h"
#include "services/executor/runner.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {

// Runs allowed programs, without a shell and without a model, each in an empty folder of its own that is gone
// afterwards. Thread-safe.
class LocalExec final : public Backend {
 public:
  struct Options {
    // A failure is what Check and SelfTest then answer, except for rules whose sandbox is optional.
    absl::StatusOr<SandboxHost> host;
    // Paths that no task may see: the executor's own data, its token.
    std::vector<std::string> hidden;
    std::string work_folder;
    Limits limits;
  };

  // `runner` and `slow` outlive it and every run. `slow` removes folders.
  LocalExec(Options options, Runner& runner, Executor& slow);

  // Takes effect for later work. INVALID_ARGUMENT, reason ALLOWLIST_UNSAFE, when a rule would show tasks what is
  // hidden; the former list then stays.
  absl::Status SetAllowlist(Allowlist allowlist);

  std::string_view name() const override { return "local_exec"; }
  absl::Status Check(const Work& work) const override;
  // Where its rule shows writable paths, or without a sandbox.
  bool ReachesBeyond(const Work& work) const override;
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override;
  std::vector<ProbeResult> SelfTest() override;

 private:
  class Active;
  struct Decision {
    std::shared_ptr<const Allowlist> list;  // Keeps `rule` while the list is replaced.
    const Rule* rule = nullptr;
    bool sandboxed = true;

    bool beyond() const { return !sandboxed || !rule->writable.empty(); }
  };

  absl::StatusOr<Decision> Decide(const Work& work) const;

  const Options options_;
  Runner& runner_;
  Executor& slow_;
  // Makes names of folders unique.
  std::atomic<std::uint64_t> serial_{0};
  mutable Mutex mutex_;
  std::shared_ptr<const Allowlist> allowlist_ ABSL_GUARDED_BY(mutex_);  // Shared with work being decided on.
  absl::Status sandbox_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::executor

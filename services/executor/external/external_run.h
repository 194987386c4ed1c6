#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/forge/forge_directory.h"
#include "services/executor/backend.h"
#include "services/executor/checks/check_run.h"
#include "services/executor/checks/folder.h"
#include "services/executor/delivery/delivery.h"
#include "services/executor/external/agent_spec.h"
#include "services/executor/external/mailbox.h"
#include "services/executor/external/output_view.h"
#include "services/executor/external/program.h"
#include "services/executor/models/credential_policy.h"
#include "services/executor/models/route.h"
#include "services/executor/models/route_convert.h"
#include "services/executor/programs.h"
#include "services/executor/repository/worktrees.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::external {

// Reason of an attempt whose changes hold the agent's credential.
inline constexpr const char* kCredentialInChanges = "CREDENTIAL_IN_CHANGES";

// What runs borrow; all of it outlives them.
struct ExternalDeps {
  Programs& programs;
  const models::CredentialPolicy& credentials;
  const Clock& clock;
  Rng& rng;
  // Null: work with checks, in repositories, with pull requests is refused.
  checks::Checker* checker = nullptr;
  repository::Worktrees* worktrees = nullptr;
  const forge::ForgeDirectory* forges = nullptr;
};

// One agent at its work, from an empty folder to the pull request. Run is called once, on a thread that it may block;
// all else comes from any thread.
class ExternalRun final {
 public:
  // `route`: to the agent's own model, too; its endpoint is empty then.
  ExternalRun(Work work, AgentSpec agent, models::Route route, ExternalDeps deps, BackendSink& sink);
  ~ExternalRun();

  // To the end; the sink hears nothing afterwards.
  void Run();
  void Cancel() { Interrupt(kCancel); }
  void Kill() { Interrupt(kKill); }
  // The executor ends.
  void Stop() { Interrupt(kStop); }
  void OnConfirmation(Confirmation confirmation);

 private:
  enum Interruption { kNone = 0, kCancel, kKill, kStop };
  class CheckEvents;
  class DeliveryLink;
  using MaybeEnding = std::optional<Ending>;

  void Interrupt(Interruption interruption);
  // Of Cancel, Kill and Stop.
  MaybeEnding Interrupted() const;

  // One run of the agent and what came of it.
  struct Turn {
    std::string model;
    models::Spent spent;
    absl::Duration worked;
    int files_changed = 0;
    // Not so when it never came that far.
    bool checked = false;
    int steps_failed = 0;
    std::string fingerprint;
    std::string feedback;
  };
  using Stage = MaybeEnding (ExternalRun::*)();

  Ending Attempt();
  MaybeEnding Follow(std::initializer_list<Stage> stages);
  // Whether the agent is to try again, as the task permits and with what failed; says why not otherwise.
  bool GoesOn();
  absl::StatusOr<std::string> ComposeFor(const std::string& feedback);
  std::string Feedback() const;
  // Of the attempt's: agent, checks and all between.
  absl::Duration TimeLeft() const;
  MaybeEnding Prepare();
  MaybeEnding PrepareScratch();
  // Runs that come before the work: it is there, and says with which model.
  MaybeEnding Wake();
  MaybeEnding Probe(const std::vector<std::string>& arguments, std::string_view what, std::string* output);
  MaybeEnding RunAgent();
  void LookForWaking();
  // What is wrong while the agent runs; nothing: go on.
  MaybeEnding Watch(const Program& program);
  void LookForModel(bool ended);
  // Of a model that was named; nothing when it is the one that was meant.
  MaybeEnding WrongModel() const;
  MaybeEnding AfterWork(const Program& program);
  void Collect();
  MaybeEnding Keep();
  // Whether the work would hand on the agent's credential.
  MaybeEnding LookForCredential();
  bool HoldsCredential(const checks::Folder& folder, const std::string& path) const;
  MaybeEnding Check();
  MaybeEnding Deliver();

  ProgramRequest RequestFor(const std::vector<std::string>& arguments) const;
  void EnterPhase(WorkPhase phase);
  void Note(std::string text);
  Evidence MakeEvidence(const Ending& ending);
  verification::v1::CheckReport MakeReport() const;
  models::Spent SpentNow(absl::Duration worked) const;
  // Of all turns.
  models::Spent MakeSpent() const;
  int FailedSteps() const;

  const Work work_;
  const AgentSpec agent_;
  const models::Route route_;
  const ExternalDeps deps_;
  BackendSink& sink_;
  const absl::Time begun_;
  Mailbox mailbox_;
  std::atomic<int> interruption_{kNone};
  // What blocking calls look at.
  repository::Stop stop_{false};

  // All else belongs to the thread of Run.
  std::optional<WorkPhase> phase_;
  absl::Time progress_at_;
  std::unique_ptr<repository::Worktree> worktree_;
  std::string workspace_;
  // Not a worktree: goes with the attempt.
  bool own_workspace_ = false;
  std::string scratch_;
  PlaceholderValues values_;
  Rule rule_;
  std::string prompt_;
  std::unique_ptr<OutputView> output_;
  // Of the agent's own run.
  Evidence ran_;
  Confinement confinement_;
  // Of all its runs.
  absl::Duration worked_;
  std::vector<Turn> turns_;
  std::string loop_end_;
  absl::Time last_output_;
  absl::Time scratch_measured_ = absl::InfinitePast();
  bool woke_ = false;
  bool probed_ = false;
  // As it named it.
  std::string model_;
  OutputView::Facts facts_;
  // The declared file is none that may be read.
  std::string unsafe_;
  std::vector<checks::StepResult> results_;
  std::optional<checks::Changes> changes_;
  std::string commit_;
  std::string diff_;
  std::shared_ptr<delivery::Delivery> delivery_;
  delivery::DeliveryRequest delivery_request_;
  std::optional<delivery::DeliveryResult> delivered_;
};

}  // namespace switchyard::executor::external

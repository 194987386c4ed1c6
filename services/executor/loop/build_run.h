#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
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
#include "services/executor/delivery/delivery.h"
#include "services/executor/edits/parse.h"
#include "services/executor/edits/workspace_files.h"
#include "services/executor/external/mailbox.h"
#include "services/executor/loop/loop_core.h"
#include "services/executor/loop/loop_prompt.h"
#include "services/executor/loop/loop_report.h"
#include "services/executor/loop/narrator.h"
#include "services/executor/loop/site.h"
#include "services/executor/loop/syntax_checks.h"
#include "services/executor/models/models_backend.h"
#include "services/executor/programs.h"
#include "services/executor/repository/worktrees.h"

namespace switchyard::executor::loop {

// What runs borrow; all of it outlives them.
struct LoopDeps {
  models::ModelsBackend& models;
  checks::Checker& checker;
  Programs& programs;
  const Clock& clock;
  Rng& rng;
  // Null: work in repositories, and with pull requests, is refused.
  repository::Worktrees* worktrees = nullptr;
  const forge::ForgeDirectory* forges = nullptr;
};

struct LoopSettings {
  // Of one attempt, where the task gives none of its own or a longer one.
  absl::Duration time = absl::Minutes(30);
  // Of output that is passed on as log.
  std::uint64_t log_bytes = std::uint64_t{8} << 20;
  // Most of a failure that goes back to the model.
  std::size_t feedback_bytes = 4 * 1024;
  std::vector<SyntaxCheck> syntax;
  // For the answer to a question for another tier.
  absl::Duration tier_patience = absl::Seconds(60);
  delivery::DeliveryLimits delivery;
};

// One task: its files, its model, its checks, until they pass or the loop ends. Run is called once, on a thread that it
// may block; all else comes from any thread. What it has done lives in its files and git alone: killed at any moment,
// the next attempt goes on with the branch, verifies what is there first, and delivers it when that passes.
class BuildRun final {
 public:
  BuildRun(Work work, LoopSettings settings, LoopDeps deps, BackendSink& sink);
  ~BuildRun();

  // To the end; the sink hears nothing afterwards.
  void Run();
  // At least every few seconds, for signs of life while it blocks.
  void Tick();
  void Cancel() { Interrupt(kCancel); }
  void Kill() { Interrupt(kKill); }
  // The executor ends.
  void Stop() { Interrupt(kStop); }
  void OnRouteAnswer(RouteAnswer answer);
  void OnConfirmation(Confirmation confirmation);

 private:
  // Each beats those before it.
  // kOverdue: the deadline came while something blocked.
  enum Interruption { kNone = 0, kOverdue, kCancel, kKill, kStop };
  struct Ending {
    Outcome outcome = Outcome::kSucceeded;
    std::string reason;
    std::string message;
    bool executor_fault = false;
    bool permanent = false;
    absl::Duration retry_after = absl::ZeroDuration();
  };
  using MaybeEnding = std::optional<Ending>;
  class TurnSink;
  class CheckEvents;
  class ProgramEvents;
  class DeliveryLink;

  void Interrupt(Interruption interruption);
  MaybeEnding Interrupted() const;
  bool TimeIsUp() const { return deps_.clock.Now() >= soft_deadline_; }
  static Ending FailedBy(const absl::Status& status);
  // Until `done`, which becomes true by what arrives. `end_it` is called when it shall end before: `kill` for at once.
  void Wait(const bool& done, const std::function<void(bool kill)>& end_it, bool timed = true);

  // ---- build_run.cc: from the folder to the answer.
  Ending Attempt();
  MaybeEnding Prepare();
  MaybeEnding VerifyWhatIsLeft();
  MaybeEnding Generate();
  // What the call may take of the tokens, and of the money where the price is known; 0: no limit. False: the money does
  // not pay for it.
  bool BoundCall(std::int64_t& max_tokens) const;
  void TakeRouting(std::string routing);
  void Open();
  MaybeEnding AskForTier();
  // Puts what failed into the conversation.
  void Reply();
  std::vector<ShownFile> Show(const std::vector<std::string>& paths, std::size_t room);
  std::string TurnName() const;

  // ---- build_run_work.cc: from the answer to the checks.
  MaybeEnding Apply();
  // Of what was just written, what a commit would leave out.
  absl::StatusOr<std::vector<std::string>> Ignored(const edits::Plan& plan);
  // Files that an answer writes whole, under the name that it gives them too, and that its model never saw whole.
  std::vector<std::string> WrittenBlindly(const edits::ParsedAnswer& answer);
  void RefuseEdits(std::string feedback, const std::string& key);
  MaybeEnding CheckSyntax();
  // What the program says when the file is not well-formed.
  std::optional<std::string> RunSyntaxCheck(const SyntaxCheck& check, const std::string& path);
  MaybeEnding Verify();
  // Commits, makes the checks, and takes away what they left behind.
  MaybeEnding RunChecks(int turn, std::vector<checks::StepResult>& results);

  // ---- build_run_end.cc: what becomes of it.
  Ending Conclude();
  MaybeEnding KeepBest();
  Ending Deliver(Ending ending);
  LoopFacts Facts() const;
  Evidence MakeEvidence(const Ending& ending);

  const Work work_;
  const LoopSettings settings_;
  const LoopDeps deps_;
  const absl::Time begun_;
  // By then it is over; before, there is time to keep what was reached.
  const absl::Time deadline_;
  const absl::Time soft_deadline_;
  Narrator narrator_;
  // Shared with what is told of an end while that end destroys this.
  const std::shared_ptr<external::Mailbox> mailbox_;
  std::atomic<int> interruption_{kNone};
  // Has a limit of its own, beyond the deadline.
  std::atomic<bool> delivering_{false};
  repository::Stop stop_{false};

  // Of the run's own thread from here on.
  std::string routing_;
  models::Route route_;
  std::unique_ptr<Site> site_;
  std::optional<edits::WorkspaceFiles> files_;
  bool resumed_ = false;
  std::optional<LoopCore> core_;
  std::vector<TurnFacts> turn_facts_;
  Spending spending_;

  EditFormat format_ = EditFormat::kSearchReplace;
  int malformed_ = 0;
  // Of the conversation; none: the next call begins one.
  std::optional<PromptWork> opening_;
  std::vector<models::PromptTurn> turns_;
  // Paths, and whether all of the file was shown.
  std::map<std::string, bool> shown_;
  std::string feedback_;
  bool shrunk_ = false;

  std::unique_ptr<BackendRun> call_;
  std::deque<std::unique_ptr<TurnSink>> sinks_;
  Evidence last_call_;
  std::vector<std::string> call_facts_;
  std::string answer_;
  bool asking_ = false;
  RouteAnswer tier_answer_;

  // Changed by the last answer.
  std::vector<std::string> changed_;
  // States, as Site::Save has named them: the present one, the one before the last edits, and the best.
  int current_ = 0;
  int before_ = 0;
  std::optional<int> best_state_;
  std::vector<checks::StepResult> best_results_;
  std::string head_commit_;

  std::optional<checks::Changes> changes_;
  std::string diff_;
  std::shared_ptr<delivery::Delivery> delivery_;
  std::optional<delivery::DeliveryResult> delivered_;
};

}  // namespace switchyard::executor::loop

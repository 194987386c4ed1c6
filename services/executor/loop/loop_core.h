#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::executor::loop {

// One turn goes through these in order.
enum class Stage { kGenerate, kApply, kSyntax, kVerify };
// "GENERATE", "APPLY", "SYNTAX", "VERIFY".
std::string_view StageName(Stage stage);

enum class LoopEnd { kPassed, kBudgetExhausted, kRepeatedFailure, kNoChange, kTokenLimit, kCostLimit, kTimeLimit };
// UPPER_SNAKE_CASE, as the contract of checks has it.
std::string_view LoopEndName(LoopEnd end);

inline constexpr int kDefaultIterations = 3;
inline constexpr int kMostIterations = 20;

// One for refused edits, syntax errors and failed checks alike.
struct LoopBudget {
  // 0: the default; no more than kMostIterations.
  int iterations = 0;
  // Of input and output of all calls; 0: no limit.
  std::int64_t tokens = 0;
  // With one, a call of unknown cost is the last.
  std::int64_t cost_micros = 0;
  // No turn begins from then on.
  absl::Time deadline = absl::InfiniteFuture();
};

struct TurnUsage {
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cost_micros = 0;
  bool cost_unknown = false;
};

struct Failure {
  // Of what failed, not of what is said about it.
  std::string fingerprint;
  // For the model.
  std::string feedback;
};

// What became of one turn.
struct Turn {
  // From 1.
  int number = 0;
  TurnUsage usage;
  int files_changed = 0;
  // None while it is under way, and when all checks passed.
  std::optional<Stage> failed_at;
  // Compulsory ones; of a turn that was verified.
  int steps_failed = 0;
  Failure failure;
  absl::Time begun;
  absl::Time ended;
};

enum class Next { kGenerate, kApply, kCheckSyntax, kVerify, kAskForTier, kEnd };

// Generate, apply, check, verify, again: decides what comes next and when it is over. It does nothing itself and never
// waits. Each call is what next() asked for; others are a broken invariant. Not thread-safe.
class LoopCore {
 public:
  // `may_ask`: another tier may be had.
  LoopCore(LoopBudget budget, bool may_ask, absl::Time now);

  Next next() const { return next_; }
  // With kEnd.
  std::optional<LoopEnd> end() const { return end_; }
  // Those begun, in order.
  const std::vector<Turn>& turns() const { return turns_; }
  int iterations() const { return budget_.iterations; }
  // The turn whose state failed the fewest compulsory steps, the earliest of such; 0: what an earlier attempt left;
  // none: nothing was verified.
  std::optional<int> best() const { return best_; }
  int best_failed() const { return best_failed_; }
  const TurnUsage& used() const { return used_; }

  // Of an earlier attempt's state, before the first turn. Without failed steps there is nothing to do.
  void Resumed(int steps_failed);

  // kGenerate. An answer to be applied; what it used counts in any case.
  void Generated(const TurnUsage& usage);
  // kApply. At least one file is another now.
  void Applied(int files_changed);
  // kApply. The answer changes nothing. Where the present state was never verified, it is verified all the same:
  // perhaps there is nothing to do.
  void Unchanged(Failure failure, absl::Time now);
  // kCheckSyntax.
  void SyntaxFine();
  // kVerify. `failure` counts when compulsory steps failed.
  void Verified(int steps_failed, Failure failure, absl::Time now);
  // kGenerate (with what it used), kApply, kCheckSyntax: this turn ends here. After kCheckSyntax the caller has taken
  // the edits back.
  void GenerationFailed(const TurnUsage& usage, Failure failure, absl::Time now);
  void ApplyFailed(Failure failure, absl::Time now);
  void SyntaxFailed(Failure failure, absl::Time now);
  // kAskForTier. `may_ask`: still another one may be had.
  void TierGranted(bool may_ask, absl::Time now);
  void TierRefused();
  // The present endpoint is another one, whoever asked for it.
  void SetMayAsk(bool may_ask) { may_ask_ = may_ask; }
  // kGenerate: the rest of what may be spent does not pay for the call, so that it was not made.
  void CostTooHigh();
  // At any time: the turn under way is over, without a result.
  void TimeUp(absl::Time now);

 private:
  void Fail(Stage stage, Failure failure, absl::Time now);
  // Begins a turn, unless a limit forbids it.
  void Begin(absl::Time now);
  std::optional<LoopEnd> Limit(absl::Time now) const;
  void Spend(const TurnUsage& usage);
  void End(LoopEnd end);
  void Expect(Next next) const;

  LoopBudget budget_;
  bool may_ask_;
  Next next_ = Next::kGenerate;
  std::optional<LoopEnd> end_;
  std::vector<Turn> turns_;
  TurnUsage used_;
  // Since the tier last changed.
  std::set<std::string> seen_;
  // Turns in a row that changed nothing.
  int unchanged_ = 0;
  bool turn_unchanged_ = false;
  // The present state.
  bool verified_ = false;
  std::optional<int> best_;
  int best_failed_ = 0;
};

}  // namespace switchyard::executor::loop

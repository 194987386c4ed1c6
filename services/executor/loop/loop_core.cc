#include "services/executor/loop/loop_core.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace switchyard::executor::loop {

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kGenerate:
      return "GENERATE";
    case Stage::kApply:
      return "APPLY";
    case Stage::kSyntax:
      return "SYNTAX";
    case Stage::kVerify:
      return "VERIFY";
  }
  return "";
}

std::string_view LoopEndName(LoopEnd end) {
  switch (end) {
    case LoopEnd::kPassed:
      return "PASSED";
    case LoopEnd::kBudgetExhausted:
      return "BUDGET_EXHAUSTED";
    case LoopEnd::kRepeatedFailure:
      return "REPEATED_FAILURE";
    case LoopEnd::kNoChange:
      return "NO_CHANGE";
    case LoopEnd::kTokenLimit:
      return "TOKEN_LIMIT";
    case LoopEnd::kCostLimit:
      return "COST_LIMIT";
    case LoopEnd::kTimeLimit:
      return "TIME_LIMIT";
  }
  return "";
}

LoopCore::LoopCore(LoopBudget budget, bool may_ask, absl::Time now) : budget_(budget), may_ask_(may_ask) {
  if (budget_.iterations <= 0) budget_.iterations = kDefaultIterations;
  budget_.iterations = std::min(budget_.iterations, kMostIterations);
  Begin(now);
}

void LoopCore::Resumed(int steps_failed) {
  Expect(Next::kGenerate);
  if (turns_.size() != 1) std::abort();
  verified_ = true;
  best_ = 0;
  best_failed_ = steps_failed;
  if (steps_failed > 0) return;
  turns_.clear();
  End(LoopEnd::kPassed);
}

void LoopCore::Generated(const TurnUsage& usage) {
  Expect(Next::kGenerate);
  Spend(usage);
  next_ = Next::kApply;
}

void LoopCore::Applied(int files_changed) {
  Expect(Next::kApply);
  turns_.back().files_changed = files_changed;
  unchanged_ = 0;
  verified_ = false;
  next_ = Next::kCheckSyntax;
}

void LoopCore::Unchanged(Failure failure, absl::Time now) {
  Expect(Next::kApply);
  turn_unchanged_ = true;
  if (!verified_) {
    next_ = Next::kVerify;
    return;
  }
  Fail(Stage::kApply, std::move(failure), now);
}

void LoopCore::SyntaxFine() {
  Expect(Next::kCheckSyntax);
  next_ = Next::kVerify;
}

void LoopCore::Verified(int steps_failed, Failure failure, absl::Time now) {
  Expect(Next::kVerify);
  verified_ = true;
  Turn& turn = turns_.back();
  turn.steps_failed = steps_failed;
  if (!best_.has_value() || steps_failed < best_failed_) {
    best_ = turn.number;
    best_failed_ = steps_failed;
  }
  if (steps_failed > 0) return Fail(Stage::kVerify, std::move(failure), now);
  turn.ended = now;
  End(LoopEnd::kPassed);
}

void LoopCore::GenerationFailed(const TurnUsage& usage, Failure failure, absl::Time now) {
  Expect(Next::kGenerate);
  Spend(usage);
  Fail(Stage::kGenerate, std::move(failure), now);
}

void LoopCore::ApplyFailed(Failure failure, absl::Time now) {
  Expect(Next::kApply);
  Fail(Stage::kApply, std::move(failure), now);
}

void LoopCore::SyntaxFailed(Failure failure, absl::Time now) {
  Expect(Next::kCheckSyntax);
  // The state from before stands again; whether it was verified is not worth remembering.
  Fail(Stage::kSyntax, std::move(failure), now);
}

void LoopCore::TierGranted(bool may_ask, absl::Time now) {
  Expect(Next::kAskForTier);
  may_ask_ = may_ask;
  seen_.clear();
  unchanged_ = 0;
  Begin(now);
}

void LoopCore::TierRefused() {
  Expect(Next::kAskForTier);
  End(LoopEnd::kRepeatedFailure);
}

void LoopCore::CostTooHigh() {
  Expect(Next::kGenerate);
  turns_.pop_back();
  End(LoopEnd::kCostLimit);
}

void LoopCore::TimeUp(absl::Time now) {
  if (next_ == Next::kEnd) return;
  if (!turns_.empty() && turns_.back().ended == absl::Time()) turns_.back().ended = now;
  End(LoopEnd::kTimeLimit);
}

void LoopCore::Fail(Stage stage, Failure failure, absl::Time now) {
  Turn& turn = turns_.back();
  turn.failed_at = stage;
  turn.ended = now;
  turn.failure = std::move(failure);
  if (std::exchange(turn_unchanged_, false) && ++unchanged_ >= 2) return End(LoopEnd::kNoChange);
  const bool repeated = !seen_.insert(turn.failure.fingerprint).second;
  if (!repeated) return Begin(now);
  if (may_ask_ && !Limit(now).has_value()) {
    next_ = Next::kAskForTier;
    return;
  }
  End(LoopEnd::kRepeatedFailure);
}

void LoopCore::Begin(absl::Time now) {
  if (const std::optional<LoopEnd> limit = Limit(now)) return End(*limit);
  turn_unchanged_ = false;
  turns_.push_back({.number = static_cast<int>(turns_.size()) + 1, .begun = now});
  next_ = Next::kGenerate;
}

std::optional<LoopEnd> LoopCore::Limit(absl::Time now) const {
  if (static_cast<int>(turns_.size()) >= budget_.iterations) return LoopEnd::kBudgetExhausted;
  if (budget_.tokens > 0 && used_.input_tokens + used_.output_tokens >= budget_.tokens) return LoopEnd::kTokenLimit;
  if (budget_.cost_micros > 0 && (used_.cost_unknown || used_.cost_micros >= budget_.cost_micros)) {
    return LoopEnd::kCostLimit;
  }
  if (now >= budget_.deadline) return LoopEnd::kTimeLimit;
  return std::nullopt;
}

void LoopCore::Spend(const TurnUsage& usage) {
  turns_.back().usage = usage;
  used_.input_tokens += usage.input_tokens;
  used_.output_tokens += usage.output_tokens;
  used_.cost_micros += usage.cost_micros;
  used_.cost_unknown = used_.cost_unknown || usage.cost_unknown;
}

void LoopCore::End(LoopEnd end) {
  next_ = Next::kEnd;
  end_ = end;
}

void LoopCore::Expect(Next next) const {
  if (next_ != next) std::abort();
}

}  // namespace switchyard::executor::loop

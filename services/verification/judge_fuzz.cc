// Feeds the reader of judges' answers anything: what it takes keeps its bounds, and nothing that shows nothing ever
// counts as a verdict.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/verification/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchyard::verification;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<JudgeAnswer> answer = ParseJudgeAnswer(text);
  if (answer.ok()) {
    if (!(answer->confidence >= 0 && answer->confidence <= 1) || answer->issues.size() > 64) __builtin_trap();
    for (const JudgeIssue& issue : answer->issues) {
      if (issue.where.empty() || issue.where.size() > 500) __builtin_trap();
      if (issue.description.empty() || issue.description.size() > 1'000) __builtin_trap();
      if (issue.severity < Severity::kLow || issue.severity > Severity::kHigh) __builtin_trap();
    }
  }
  const Policy policy;
  const Judgement judgement = Weigh(answer, "gpt-5", {"qwen"}, policy);
  const bool verdict = judgement.state == JudgeState::kPassed || judgement.state == JudgeState::kRejected;
  if (verdict && (!answer.ok() || answer->issues.empty() || answer->confidence < policy.least_confidence)) {
    __builtin_trap();
  }
  if (judgement.state == JudgeState::kPassed && !answer->passed) __builtin_trap();
  const Judgement own = Weigh(answer, "qwen3:8b", {"qwen"}, policy);
  if (own.state != JudgeState::kUnjudged || !own.same_family) __builtin_trap();
  return 0;
}

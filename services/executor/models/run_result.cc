#include "services/executor/models/run_result.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::models {
namespace {

constexpr std::size_t kHalf = 30 * 1024;
constexpr std::size_t kSummaryBytes = 1'000;
constexpr std::size_t kMostRecords = 16;

double Millis(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

// A secret may be cut in two at the border, so it is looked for before.
std::string Summarised(const std::string& redacted, const Evidence& evidence) {
  if (evidence.outcome != Outcome::kSucceeded) {
    const absl::Duration took = absl::Trunc(evidence.ended - evidence.started, absl::Milliseconds(1));
    return absl::StrCat(evidence.reason, " after ", absl::FormatDuration(took));
  }
  const absl::string_view text = absl::StripAsciiWhitespace(redacted);
  return std::string(text::TruncateUtf8(ToStd(text), kSummaryBytes));
}

std::string HeadAndTailOf(const std::string& text) {
  if (text.size() <= 2 * kHalf) return text;
  const std::string_view head = text::TruncateUtf8(text, kHalf);
  std::string_view tail = std::string_view(text).substr(text.size() - kHalf);
  while (!tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xC0) == 0x80) tail.remove_prefix(1);
  return absl::StrCat(std::string(head), "\n[", text.size() - head.size() - tail.size(), " bytes left out]\n",
                      std::string(tail));
}

Json RecordJson(const CallRecord& record) {
  Json json = {{"endpoint", record.endpoint},
               {"model", record.model},
               {"outcome", record.outcome == CallOutcome::kSuccess ? "SUCCESS" : OutcomeReason(record.outcome)},
               {"sent", absl::FormatTime(absl::RFC3339_full, record.sent, absl::UTCTimeZone())},
               {"connect_ms", Millis(record.times.connect)},
               {"total_ms", Millis(record.times.total)}};
  if (record.times.first_token.has_value()) json["first_token_ms"] = Millis(*record.times.first_token);
  if (record.load.has_value()) json["load_ms"] = Millis(*record.load);
  if (record.queue_wait.has_value()) json["queue_ms"] = Millis(*record.queue_wait);
  if (record.retry_after.has_value()) json["retry_after_ms"] = Millis(*record.retry_after);
  if (record.outcome != CallOutcome::kSuccess) json["message"] = record.message;
  return json;
}

std::string FactsJson(const ResultFacts& facts, const Evidence& evidence) {
  const Answer& answer = facts.last.answer;
  Json calls = Json::array();
  const std::size_t from = facts.records.size() > kMostRecords ? facts.records.size() - kMostRecords : 0;
  for (std::size_t i = from; i < facts.records.size(); ++i) calls.push_back(RecordJson(facts.records[i]));
  Json json = {{"decision", facts.route.decision_id},
               {"endpoint", facts.route.endpoint},
               {"protocol", ProtocolName(facts.route.protocol)},
               {"assigned_model", facts.route.model},
               {"reported_model", answer.model},
               {"model_mismatch", facts.mismatch},
               {"finish", answer.finish_word},
               {"answer_bytes", answer.text.size()},
               {"thinking_bytes", answer.thinking_bytes},
               {"prompt_bytes_left_out", facts.omitted_bytes},
               {"grants", facts.grants},
               {"fallback", facts.route.fallback},
               {"started", absl::FormatTime(absl::RFC3339_full, evidence.started, absl::UTCTimeZone())},
               {"ended", absl::FormatTime(absl::RFC3339_full, evidence.ended, absl::UTCTimeZone())},
               {"calls", std::move(calls)}};
  if (facts.route.fallback) json["fallback_reason"] = facts.route.fallback_reason;
  if (!answer.remote_host.empty()) json["remote_host"] = answer.remote_host;
  if (facts.last.proxy_fallbacks > 0) json["proxy_fallbacks"] = facts.last.proxy_fallbacks;
  return DumpJson(json);
}

// Of a context window, beyond which its use is told.
constexpr std::int64_t kMuchPercent = 80;
std::int64_t ContextUsedPercent(const Route& route, const TokenUsage& usage) {
  if (route.context_window <= 0 || !usage.input.has_value()) return 0;
  return (*usage.input + usage.output.value_or(0)) * 100 / route.context_window;
}

}  // namespace

void FillResult(const ResultFacts& facts, Evidence& evidence) {
  const Answer& answer = facts.last.answer;
  const std::string redacted = text::Redact(answer.text);
  evidence.output = HeadAndTailOf(redacted);
  evidence.summary = Summarised(redacted, evidence);
  evidence.outputs["endpoint"] = facts.route.endpoint;
  evidence.outputs["model"] = answer.model.empty() ? facts.route.model : answer.model;
  evidence.outputs["model_confirmed"] = answer.model.empty() ? "not said" : facts.mismatch ? "no" : "yes";
  if (!facts.route.decision_id.empty()) evidence.outputs["decision"] = facts.route.decision_id;
  if (!answer.finish_word.empty()) evidence.outputs["finish"] = answer.finish_word;
  if (facts.route.fallback) evidence.outputs["fallback"] = facts.route.fallback_reason;
  if (const std::int64_t percent = ContextUsedPercent(facts.route, answer.usage); percent > kMuchPercent) {
    evidence.outputs["context_used"] = absl::StrCat(percent, " %");
  }
  if (facts.last.proxy_fallbacks > 0) evidence.outputs["proxy_fallbacks"] = absl::StrCat(facts.last.proxy_fallbacks);
  evidence.usage = ToUsage(facts.spent, facts.route);
  evidence.route_report = ToRouteReport(facts.records, facts.spent, facts.route);
  evidence.facts = FactsJson(facts, evidence);
}

}  // namespace switchyard::executor::models

#include "tools/yard/verify_view.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "libs/text/terminal.h"
#include "tools/yard/model_view.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
namespace vf = verification::v1;

void Line(std::string& card, std::string_view name, std::string_view value, Tone tone, bool color) {
  if (value.empty()) return;
  const std::string padded = absl::StrCat(ToAbsl(name), std::string(name.size() < 11 ? 11 - name.size() : 1, ' '));
  absl::StrAppend(&card, Paint(padded, Tone::kFaint, color), Paint(OneLine(value), tone, color), "\n");
}

void Section(std::string& card, std::string_view title, std::string_view body, bool color) {
  if (body.empty()) return;
  absl::StrAppend(&card, "\n", Paint(title, Tone::kFaint, color), "\n", ToAbsl(body));
  if (body.back() != '\n') card += "\n";
}

std::string Rendered(const Table& table, const OutputStyle& style) {
  return RenderTable(table, {.wide = style.format == Format::kWide, .color = style.color, .columns = style.columns});
}

Tone ToneOf(tq::Verdict verdict) {
  switch (verdict) {
    case tq::VERDICT_SUCCEEDED:
      return Tone::kGood;
    case tq::VERDICT_PARTIAL:
      return Tone::kWaiting;
    case tq::VERDICT_FAILED:
      return Tone::kBad;
    default:
      return Tone::kActive;
  }
}

Tone ToneOf(vf::StepStatus status) {
  switch (status) {
    case vf::STEP_STATUS_PASSED:
      return Tone::kGood;
    case vf::STEP_STATUS_SKIPPED:
      return Tone::kFaint;
    case vf::STEP_STATUS_ERROR:
    case vf::STEP_STATUS_TIMED_OUT:
      return Tone::kWaiting;
    default:
      return Tone::kBad;
  }
}

std::string_view MarkOf(vf::StepStatus status) {
  switch (status) {
    case vf::STEP_STATUS_PASSED:
      return "✓";
    case vf::STEP_STATUS_FAILED:
      return "✗";
    case vf::STEP_STATUS_SKIPPED:
      return "-";
    default:
      return "!";
  }
}

// What says most: the first line that is not blank.
std::string FirstLine(const std::string& text) {
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    const std::string line = text.substr(from, end - from);
    if (line.find_first_not_of(" \t\r") != std::string::npos) return line;
    from = end + 1;
  }
  return "";
}

std::string StepsText(const vf::Verification& verification) {
  const int all = verification.steps_passed() + verification.steps_failed() + verification.steps_other();
  return all == 0 ? "" : absl::StrCat(verification.steps_passed(), "/", all);
}

std::string OutcomesText(const vf::Verification& verification) {
  return absl::StrJoin(verification.outcomes(), ", ", [](std::string* out, const vf::Outcome& outcome) {
    absl::StrAppend(out, Text(outcome.kind()),
                    outcome.source().empty() ? "" : absl::StrCat(" (", outcome.source(), ")"));
  });
}

std::string CostOf(std::int64_t micros, bool unknown) {
  return unknown ? "price unknown" : micros > 0 ? DollarText(micros) : "";
}

std::string JudgeText(const vf::Judgement& judgement) {
  if (judgement.state() == vf::JUDGE_STATE_UNSPECIFIED) return "";
  std::string text = Text(judgement.state());
  if (!judgement.model().empty()) absl::StrAppend(&text, " by ", judgement.model());
  if (!judgement.family().empty())
    absl::StrAppend(&text, " (", judgement.family(), ", the author is ", judgement.author_family(), ")");
  if (judgement.confidence() > 0) absl::StrAppend(&text, absl::StrFormat(", confidence %.2f", judgement.confidence()));
  if (!judgement.message().empty()) absl::StrAppend(&text, ": ", judgement.message());
  return text;
}

std::string MergeText(const vf::MergeEligibility& merge) {
  return merge.eligible() ? "eligible by rule" : absl::StrCat("not by rule: ", absl::StrJoin(merge.against(), "; "));
}

std::string Bullets(const google::protobuf::RepeatedPtrField<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, "  - ", OneLine(line), "\n");
  return text;
}

Table StepTable(const vf::CheckReport& report) {
  Table table;
  table.columns = {{""},
                   {"STEP"},
                   {"CHECK"},
                   {"STATUS"},
                   {.title = "TOOK", .right = true},
                   {.title = "EXIT", .wide = true, .right = true},
                   {.title = "CONFINED", .wide = true},
                   {"EVIDENCE"}};
  for (const vf::StepReport& step : report.steps()) {
    const Tone tone = ToneOf(step.status());
    table.rows.push_back({{MarkOf(step.status()), tone},
                          {step.name().empty() ? absl::StrCat("step ", step.step() + 1) : step.name()},
                          {step.check()},
                          {Text(step.status()), tone},
                          {step.has_duration() ? SpanText(FromProto(step.duration())) : ""},
                          {step.has_exit_code() ? absl::StrCat(step.exit_code()) : ""},
                          {step.sandboxed() ? "yes" : "no"},
                          {FirstLine(step.evidence())}});
  }
  return table;
}

Table IterationTable(const vf::CheckReport& report) {
  Table table;
  table.columns = {{.title = "#", .right = true},
                   {"MODEL"},
                   {"ENDPOINT"},
                   {"EDITS"},
                   {.title = "FILES", .right = true},
                   {"FAILED AT"},
                   {.title = "STEPS FAILED", .right = true},
                   {.title = "TOKENS", .wide = true, .right = true},
                   {"COST"},
                   {.title = "TOOK", .right = true},
                   {.title = "FINGERPRINT", .wide = true},
                   {"TOLD THE MODEL"}};
  for (const vf::Iteration& turn : report.iterations()) {
    const bool passed = turn.failed_at().empty();
    table.rows.push_back({{absl::StrCat(turn.number(), turn.kept() ? "*" : "")},
                          {turn.model()},
                          {turn.endpoint()},
                          {turn.edit_format()},
                          {absl::StrCat(turn.files_changed())},
                          {passed ? "passed" : turn.failed_at(), passed ? Tone::kGood : Tone::kBad},
                          {absl::StrCat(turn.steps_failed())},
                          {absl::StrCat(turn.input_tokens() + turn.output_tokens())},
                          {CostOf(turn.cost_micros(), turn.cost_unknown())},
                          {turn.has_duration() ? SpanText(FromProto(turn.duration())) : ""},
                          {turn.fingerprint()},
                          {FirstLine(turn.feedback())}});
  }
  return table;
}

std::string ChangeLines(const vf::Change& change, bool color) {
  std::string lines;
  const std::string counts =
      absl::StrCat(change.files_added(), " added, ", change.files_changed(), " changed, ", change.files_deleted(),
                   " deleted; +", change.lines_added(), " -", change.lines_removed());
  Line(lines, "branch",
       absl::StrCat(change.branch(), change.branch().empty() ? ""
                                     : change.pushed()       ? " (pushed)"
                                                             : " (not pushed)"),
       Tone::kNone, color);
  Line(lines, "base", absl::StrCat(change.base_branch(), " ", change.base_commit().substr(0, 12)), Tone::kNone, color);
  Line(lines, "head", change.head_commit().substr(0, 12), Tone::kNone, color);
  Line(lines, "files", counts, Tone::kNone, color);
  constexpr int kMostPaths = 20;
  for (int i = 0; i < std::min(change.paths_size(), kMostPaths); ++i)
    absl::StrAppend(&lines, "           ", OneLine(change.paths(i)), "\n");
  if (change.paths_size() > kMostPaths)
    absl::StrAppend(&lines, "           and ", change.paths_size() - kMostPaths, " more\n");
  if (change.has_pull_request()) {
    const vf::PullRequest& request = change.pull_request();
    Line(lines, "pull request",
         absl::StrCat("#", request.number(), " ", request.url(), request.found() ? " (was there before)" : "",
                      request.base_behind() > 0 ? absl::StrCat(", base ahead by ", request.base_behind()) : ""),
         Tone::kNone, color);
  }
  return lines;
}

std::string Percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? "" : absl::StrFormat("%.0f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string ListText(const google::protobuf::RepeatedPtrField<std::string>& items) {
  return absl::StrJoin(items, ", ");
}

std::string AllEvidence(const vf::CheckReport& report) {
  std::string text;
  for (const vf::StepReport& step : report.steps()) {
    absl::StrAppend(&text, "--- ", OneLine(step.name().empty() ? step.check() : step.name()), "\n",
                    text::EscapeForTerminal(step.evidence()));
    if (!step.evidence().empty() && step.evidence().back() != '\n') text += "\n";
    if (step.omitted_bytes() > 0)
      absl::StrAppend(&text, "(", step.omitted_bytes(), " bytes in its middle are not kept)\n");
  }
  return text;
}

}  // namespace

std::string ReportSections(const vf::CheckReport& report, const OutputStyle& style) {
  std::string card;
  Section(card, "checks", Rendered(StepTable(report), style), style.color);
  const std::string end = report.loop_end().empty() ? "" : absl::StrCat(": ", report.loop_end());
  Section(card, absl::StrCat("iterations", end, " (* is kept)"), Rendered(IterationTable(report), style), style.color);
  if (report.has_change()) Section(card, "change", ChangeLines(report.change(), style.color), style.color);
  return card;
}

std::string ReportSections(const tq::TaskResult& result, const OutputStyle& style) {
  if (result.checks().empty()) return "";
  vf::CheckReport report;
  if (report.ParseFromString(result.checks())) return ReportSections(report, style);
  std::string card;
  Section(card, "checks", "the report cannot be read\n", style.color);
  return card;
}

Table VerificationTable(const google::protobuf::RepeatedPtrField<vf::Verification>& verifications,
                        const ViewTimes& times) {
  Table table;
  table.empty_note = "No verifications.";
  table.columns = {{"WHEN"},
                   {"TASK"},
                   {.title = "GEN", .right = true},
                   {"STATE"},
                   {"VERDICT"},
                   {"STEPS"},
                   {"REASON"},
                   {"JUDGE"},
                   {"MODEL"},
                   {.title = "TIER", .wide = true},
                   {.title = "COST", .wide = true},
                   {.title = "PROJECT", .wide = true},
                   {.title = "POLICY", .wide = true},
                   {.title = "MERGE", .wide = true},
                   {"BECAME"},
                   {"TITLE"}};
  for (const vf::Verification& one : verifications) {
    table.rows.push_back({{TimeText(FromProto(one.create_time()), times.now, times.form)},
                          {one.task_id()},
                          {absl::StrCat(one.generation())},
                          {Text(one.state())},
                          {Text(one.verdict()), ToneOf(one.verdict())},
                          {StepsText(one)},
                          {one.reason()},
                          {Text(one.judgement().state())},
                          {one.model()},
                          {Text(one.tier())},
                          {CostOf(one.cost_micros(), one.cost_unknown())},
                          {one.project()},
                          {one.policy()},
                          {one.merge().eligible() ? "eligible" : ""},
                          {OutcomesText(one)},
                          {one.title()}});
  }
  return table;
}

std::string VerificationCard(const vf::Verification& one, bool evidence, const ViewTimes& times,
                             const OutputStyle& style) {
  const bool color = style.color;
  std::string card;
  Line(card, "task", absl::StrCat(one.task_id(), ", generation ", one.generation()), Tone::kNone, color);
  Line(card, "title", one.title(), Tone::kNone, color);
  Line(card, "project", one.project(), Tone::kNone, color);
  Line(card, "state", Text(one.state()), Tone::kNone, color);
  Line(card, "verdict",
       absl::StrCat(Text(one.verdict()), one.reason().empty() ? "" : absl::StrCat(" (", one.reason(), ")")),
       ToneOf(one.verdict()), color);
  Line(card, "reported", TimeText(FromProto(one.create_time()), times.now, times.form), Tone::kNone, color);
  Line(card, "decided", TimeText(FromProto(one.decide_time()), times.now, times.form), Tone::kNone, color);
  Line(card, "policy", one.policy().empty() ? "" : absl::StrCat(one.policy(), ", version ", one.policy_version()),
       Tone::kNone, color);
  Line(card, "model",
       absl::StrCat(one.model(), Text(one.tier()).empty() ? "" : absl::StrCat(" (", Text(one.tier()), ")")),
       Tone::kNone, color);
  Line(card, "agent", one.agent_id(), Tone::kNone, color);
  Line(card, "cost", CostOf(one.cost_micros(), one.cost_unknown()), Tone::kNone, color);
  Line(card, "judge", JudgeText(one.judgement()), Tone::kNone, color);
  Line(card, "judge task", one.judgement().task_id(), Tone::kNone, color);
  if (one.has_merge()) Line(card, "merge", MergeText(one.merge()), Tone::kNone, color);
  Line(card, "became", OutcomesText(one), Tone::kNone, color);
  Section(card, "findings", Bullets(one.findings()), color);
  std::string issues;
  for (const vf::JudgeIssue& issue : one.judgement().issues()) {
    absl::StrAppend(&issues, "  - ", Text(issue.severity()), ", ", OneLine(issue.where()), ": ",
                    OneLine(issue.description()), "\n");
  }
  Section(card, "issues of the judge", issues, color);
  card += ReportSections(one.report(), style);
  if (evidence) Section(card, "evidence", AllEvidence(one.report()), color);
  return card;
}

std::string ReassessmentCard(const vf::ReassessResponse& answer, const OutputStyle& style) {
  const bool color = style.color;
  const vf::Verification& stored = answer.stored();
  std::string card;
  Line(card, "task", absl::StrCat(stored.task_id(), ", generation ", stored.generation()), Tone::kNone, color);
  Line(card, "stored",
       absl::StrCat(Text(stored.verdict()), " (", stored.reason(), "), by ", stored.policy(), " version ",
                    stored.policy_version()),
       ToneOf(stored.verdict()), color);
  Line(card, "today",
       absl::StrCat(Text(answer.verdict()), " (", answer.reason(), "), by ", answer.policy(), " version ",
                    answer.policy_version()),
       ToneOf(answer.verdict()), color);
  Line(card, "judge", answer.judge_needed() ? "would be asked" : "", Tone::kNone, color);
  if (answer.has_merge()) Line(card, "merge", MergeText(answer.merge()), Tone::kNone, color);
  Section(card, "findings", Bullets(answer.findings()), color);
  return card;
}

Table PolicyTable(const google::protobuf::RepeatedPtrField<vf::Policy>& policies, const ViewTimes& times) {
  Table table;
  table.columns = {{"PROJECT"},
                   {"TIER"},
                   {"REQUIRED"},
                   {"JUDGE"},
                   {"JUDGE REQUIRED"},
                   {.title = "CONFIDENCE", .right = true},
                   {"SEVERITY"},
                   {"PARTIAL"},
                   {"MERGE"},
                   {.title = "MERGE PATHS", .wide = true},
                   {.title = "NEVER", .wide = true},
                   {.title = "VERSION", .right = true},
                   {"CHANGED"}};
  for (const vf::Policy& policy : policies) {
    const vf::MergeRules& merge = policy.merge();
    table.rows.push_back(
        {{policy.project().empty() ? "every" : policy.project()},
         {policy.tier() == 0 ? "every" : Text(policy.tier())},
         {ListText(policy.required_checks())},
         {policy.judge() == vf::JUDGE_RULE_UNSPECIFIED ? "never" : Text(policy.judge())},
         {policy.judge_required() ? "yes" : "no"},
         {policy.least_confidence() > 0 ? absl::StrFormat("%.0f %%", policy.least_confidence() * 100) : ""},
         {Text(policy.least_severity())},
         {policy.partial() ? "yes" : "no"},
         {!merge.enabled() ? "no"
                           : absl::StrCat("yes, ", merge.max_files() > 0 ? merge.max_files() : 20, " files, ",
                                          merge.max_lines() > 0 ? merge.max_lines() : 500, " lines")},
         {ListText(merge.paths())},
         {ListText(merge.forbidden_paths())},
         {absl::StrCat(policy.version())},
         {TimeText(FromProto(policy.update_time()), times.now, times.form)}});
  }
  return table;
}

std::string CalibrationCard(const vf::GetCalibrationResponse& figures, const OutputStyle& style) {
  Table authors;
  authors.columns = {{"MODEL"},
                     {"TIER"},
                     {.title = "VERIFIED", .right = true},
                     {.title = "PASSED", .right = true},
                     {.title = "KNOWN", .right = true},
                     {.title = "AGREED", .right = true},
                     {.title = "COST", .right = true},
                     {.title = "A PASS COSTS", .right = true}};
  for (const vf::AuthorFigures& one : figures.authors()) {
    const std::string unknown = one.cost_unknown() > 0 ? absl::StrCat(" and ", one.cost_unknown(), " unknown") : "";
    authors.rows.push_back(
        {{one.model().empty() ? "(none)" : one.model()},
         {Text(one.tier())},
         {absl::StrCat(one.verified())},
         {absl::StrCat(one.passed(),
                       one.verified() > 0 ? absl::StrCat(" (", Percent(one.passed(), one.verified()), ")") : "")},
         {absl::StrCat(one.with_outcome())},
         {Percent(one.agreed(), one.with_outcome())},
         {absl::StrCat(DollarText(one.cost_micros()), unknown)},
         {one.passed() > 0 && one.cost_unknown() == 0 ? DollarText(one.cost_micros() / one.passed()) : ""}});
  }
  Table judges;
  judges.columns = {{"JUDGE"},
                    {.title = "VERDICTS", .right = true},
                    {.title = "PASSED", .right = true},
                    {.title = "INCONCLUSIVE", .right = true},
                    {.title = "KNOWN", .right = true},
                    {.title = "AGREED", .right = true},
                    {.title = "BRIER", .right = true},
                    {"REMARKS"}};
  for (const vf::JudgeFigures& one : figures.judges()) {
    std::vector<std::string> remarks;
    if (one.rubber_stamp()) remarks.emplace_back("RUBBER STAMP: passes nearly everything");
    if (one.few()) remarks.emplace_back("few outcomes: says little");
    judges.rows.push_back(
        {{one.model()},
         {absl::StrCat(one.verdicts())},
         {absl::StrCat(one.passed(),
                       one.verdicts() > 0 ? absl::StrCat(" (", Percent(one.passed(), one.verdicts()), ")") : "")},
         {absl::StrCat(one.inconclusive())},
         {absl::StrCat(one.with_outcome())},
         {Percent(one.agreed(), one.with_outcome())},
         {one.with_outcome() > 0 ? absl::StrFormat("%.3f", one.brier_score()) : ""},
         {absl::StrJoin(remarks, "; "), one.rubber_stamp() ? Tone::kBad : Tone::kFaint}});
  }
  std::string card = absl::StrCat(Paint("authors", Tone::kFaint, style.color), "\n",
                                  authors.rows.empty() ? "nothing was verified\n" : Rendered(authors, style));
  Section(card, "judges", judges.rows.empty() ? "none was asked\n" : Rendered(judges, style), style.color);
  if (figures.same_family_attempts() > 0) {
    Section(card, "same family",
            absl::StrCat(figures.same_family_attempts(),
                         " times a judge of the author's own family was at hand, and was not asked\n"),
            style.color);
  }
  return card;
}

}  // namespace switchyard::yard

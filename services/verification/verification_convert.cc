#include "services/verification/verification_convert.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "services/verification/proto_time.h"
#include "switchyard/router/v1/routing.pb.h"

namespace switchyard::verification {
namespace {

namespace tq = task_queue::v1;

constexpr std::size_t kMostMessage = 1'024;
constexpr std::size_t kMostFailure = 4'096;
constexpr std::size_t kMostModels = 32;

// As the field is called; empty when none is set.
std::string CheckOf(const tq::VerificationStep& step) {
  const auto* const field =
      step.GetReflection()->GetOneofFieldDescriptor(step, step.GetDescriptor()->FindOneofByName("check"));
  return field == nullptr ? "" : field->name();
}

bool HasText(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > ' '; });
}

// For columns of text.
std::string Clean(std::string_view text, std::size_t most) {
  std::string clean = text::ReplaceInvalidUtf8(text);
  std::replace(clean.begin(), clean.end(), '\0', ' ');
  return std::string(text::TruncateUtf8(clean, most));
}

ReportedStep FromProto(const v1::StepReport& step) {
  ReportedStep out{
      .step = step.step(),
      .name = step.name(),
      .check = step.check(),
      .status = v1::StepStatus_IsValid(step.status()) ? static_cast<StepStatus>(step.status()) : StepStatus::kUnknown,
      .has_evidence = HasText(step.evidence()),
      .duration = ToDuration(step.duration()),
      .exit_code = std::nullopt};
  if (step.has_exit_code()) out.exit_code = step.exit_code();
  return out;
}

Change FromProto(const v1::Change& change) {
  Change out{.repository = change.repository(),
             .base_branch = change.base_branch(),
             .base_commit = change.base_commit(),
             .head_commit = change.head_commit(),
             .pushed = change.pushed(),
             .files_added = change.files_added(),
             .files_changed = change.files_changed(),
             .files_deleted = change.files_deleted(),
             .lines_added = change.lines_added(),
             .lines_removed = change.lines_removed(),
             .paths = {change.paths().begin(), change.paths().end()},
             .pull_request = std::nullopt};
  if (change.has_pull_request()) out.pull_request = PullRequest{.base_behind = change.pull_request().base_behind()};
  return out;
}

void AddModel(const std::string& model, std::vector<std::string>& models) {
  if (model.empty() || models.size() >= kMostModels) return;
  if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
}

void Cut(std::string& text, std::size_t most) { text = std::string(text::TruncateUtf8(text, most)); }

v1::Verification ReadBody(const Record& record) {
  v1::Verification body;
  if (!body.ParseFromString(record.body)) body.Clear();
  return body;
}

}  // namespace

Work ToWork(const tq::TaskSpec& spec, std::string_view checks) {
  Work work;
  for (const tq::VerificationStep& step : spec.verification()) {
    work.asked.push_back({.name = step.name(), .check = CheckOf(step), .optional = step.optional()});
  }
  work.project = spec.project();
  work.complexity = static_cast<Complexity>(spec.complexity());
  work.loops = work.uses_model = spec.has_prompt() || spec.has_external();
  work.repository = spec.context().repository();
  // As executors take it.
  work.base_branch = spec.context().base_branch().empty() ? spec.context().branch() : spec.context().base_branch();
  if (checks.empty()) return work;
  v1::CheckReport report;
  if (!report.ParseFromArray(checks.data(), static_cast<int>(checks.size()))) {
    work.report_unreadable = true;
    return work;
  }
  Report& out = work.report.emplace();
  out.schema_version = report.schema_version();
  for (const v1::StepReport& step : report.steps()) out.steps.push_back(FromProto(step));
  for (const v1::Iteration& turn : report.iterations()) {
    out.turns.push_back({.model = turn.model(),
                         .failed_at = turn.failed_at(),
                         .steps_failed = turn.steps_failed(),
                         .kept = turn.kept()});
    AddModel(turn.model(), work.models);
  }
  out.loop_end = report.loop_end();
  if (report.has_change()) out.change = FromProto(report.change());
  return work;
}

Work ToWork(const tq::ReadVerifyingResponse& read) {
  const tq::TaskResult& result = read.task().result();
  Work work = ToWork(read.task().spec(), result.checks());
  AddModel(result.usage().model(), work.models);
  AddModel(result.usage().assigned_model(), work.assigned_models);
  router::v1::Routing routing;
  if (routing.ParseFromString(read.routing())) {
    AddModel(routing.endpoint().model(), work.assigned_models);
    AddModel(routing.endpoint().canonical_model(), work.assigned_models);
    work.tier = static_cast<Tier>(routing.tier());
  }
  work.uses_model = work.uses_model || !work.models.empty();
  return work;
}

Work ToWork(const Record& record) {
  tq::TaskSpec spec;
  // What we stored can be read, unless somebody changed it.
  if (!spec.ParseFromString(record.spec)) spec.Clear();
  Work work = ToWork(spec, record.report);
  AddModel(record.model, work.models);
  work.project = record.project;
  work.tier = record.tier;
  work.uses_model = work.uses_model || !work.models.empty();
  return work;
}

tq::TaskSpec Skeleton(const tq::TaskSpec& spec) {
  tq::TaskSpec bones;
  bones.set_complexity(spec.complexity());
  if (spec.has_delivery()) *bones.mutable_delivery() = spec.delivery();
  if (spec.has_context()) {
    bones.mutable_context()->set_repository(spec.context().repository());
    bones.mutable_context()->set_branch(spec.context().branch());
    bones.mutable_context()->set_base_branch(spec.context().base_branch());
  }
  if (spec.has_command()) bones.mutable_command();
  if (spec.has_prompt()) bones.mutable_prompt();
  if (spec.has_action()) bones.mutable_action();
  if (spec.has_external()) bones.mutable_external();
  for (const tq::VerificationStep& step : spec.verification()) {
    tq::VerificationStep& bone = *bones.add_verification();
    bone.set_name(step.name());
    bone.set_optional(step.optional());
    const auto* const reflection = step.GetReflection();
    const auto* const field = reflection->GetOneofFieldDescriptor(step, step.GetDescriptor()->FindOneofByName("check"));
    if (field != nullptr) reflection->MutableMessage(&bone, field);
  }
  return bones;
}

Policy FromProto(const v1::Policy& policy, std::string_view prefix, std::vector<FieldViolation>& faults) {
  const auto unknown = [&](const char* field) {
    faults.push_back({absl::StrCat(ToAbsl(prefix), ".", field), "is not known"});
  };
  Policy out;
  out.project = policy.project();
  out.tier = static_cast<Tier>(policy.tier());
  if (!model_registry::v1::ModelTier_IsValid(policy.tier())) unknown("tier");
  out.required_checks = {policy.required_checks().begin(), policy.required_checks().end()};
  if (policy.judge() != v1::JUDGE_RULE_UNSPECIFIED) out.judge = static_cast<JudgeRule>(policy.judge());
  if (!v1::JudgeRule_IsValid(policy.judge())) unknown("judge");
  if (policy.least_confidence() != 0) out.least_confidence = policy.least_confidence();
  if (policy.least_severity() != v1::SEVERITY_UNSPECIFIED) {
    out.least_severity = static_cast<Severity>(policy.least_severity());
  }
  if (!v1::Severity_IsValid(policy.least_severity())) unknown("least_severity");
  out.judge_required = policy.judge_required();
  if (policy.has_judge_timeout()) out.judge_timeout = ToDuration(policy.judge_timeout());
  out.partial = policy.partial();
  const v1::MergeRules& merge = policy.merge();
  out.merge = {.enabled = merge.enabled(),
               .max_files = merge.max_files(),
               .max_lines = merge.max_lines(),
               .allow_deletions = merge.allow_deletions(),
               .paths = {merge.paths().begin(), merge.paths().end()},
               .forbidden_paths = {merge.forbidden_paths().begin(), merge.forbidden_paths().end()},
               .required_checks = {merge.required_checks().begin(), merge.required_checks().end()},
               .max_base_behind = merge.max_base_behind()};
  out.version = policy.version();
  return out;
}

void ToProto(const Policy& policy, v1::Policy& out) {
  out.set_project(policy.project);
  out.set_tier(static_cast<model_registry::v1::ModelTier>(policy.tier));
  *out.mutable_required_checks() = {policy.required_checks.begin(), policy.required_checks.end()};
  out.set_judge(static_cast<v1::JudgeRule>(policy.judge));
  out.set_least_confidence(policy.least_confidence);
  out.set_least_severity(static_cast<v1::Severity>(policy.least_severity));
  out.set_judge_required(policy.judge_required);
  Set(policy.judge_timeout, out.mutable_judge_timeout());
  out.set_partial(policy.partial);
  v1::MergeRules& merge = *out.mutable_merge();
  merge.set_enabled(policy.merge.enabled);
  merge.set_max_files(policy.merge.max_files == 0 ? kDefaultMergeFiles : policy.merge.max_files);
  merge.set_max_lines(policy.merge.max_lines == 0 ? kDefaultMergeLines : policy.merge.max_lines);
  merge.set_allow_deletions(policy.merge.allow_deletions);
  *merge.mutable_paths() = {policy.merge.paths.begin(), policy.merge.paths.end()};
  *merge.mutable_forbidden_paths() = {policy.merge.forbidden_paths.begin(), policy.merge.forbidden_paths.end()};
  *merge.mutable_required_checks() = {policy.merge.required_checks.begin(), policy.merge.required_checks.end()};
  merge.set_max_base_behind(policy.merge.max_base_behind);
  out.set_version(policy.version);
}

Policy FromStored(const std::string& body) {
  v1::Policy policy;
  std::vector<FieldViolation> faults;
  return policy.ParseFromString(body) ? FromProto(policy, "", faults) : BuiltInPolicy();
}

std::vector<Policy> FromStored(const std::vector<StoredPolicy>& policies) {
  std::vector<Policy> out;
  for (const StoredPolicy& stored : policies) {
    Policy policy = FromStored(stored.body);
    policy.project = stored.project;
    policy.tier = stored.tier;
    policy.version = stored.version;
    out.push_back(std::move(policy));
  }
  return out;
}

void ToProto(const Judgement& judgement, v1::Judgement& out) {
  out.set_state(static_cast<v1::JudgeState>(judgement.state));
  out.set_model(judgement.model);
  out.set_family(judgement.family);
  out.set_author_family(judgement.author_family);
  out.set_confidence(judgement.confidence);
  for (const JudgeIssue& issue : judgement.issues) {
    v1::JudgeIssue& one = *out.add_issues();
    one.set_severity(static_cast<v1::Severity>(issue.severity));
    one.set_where(issue.where);
    one.set_description(issue.description);
  }
  out.set_message(judgement.message);
  out.set_cost_micros(judgement.cost_micros);
}

Judgement FromProto(const v1::Judgement& judgement) {
  Judgement out;
  out.state = static_cast<JudgeState>(judgement.state());
  out.model = judgement.model();
  out.family = judgement.family();
  out.author_family = judgement.author_family();
  out.confidence = judgement.confidence();
  for (const v1::JudgeIssue& issue : judgement.issues()) {
    out.issues.push_back({static_cast<Severity>(issue.severity()), issue.where(), issue.description()});
  }
  out.message = judgement.message();
  out.cost_micros = judgement.cost_micros();
  return out;
}

void ToProto(const MergeEligibility& merge, v1::MergeEligibility& out) {
  out.set_eligible(merge.eligible);
  *out.mutable_against() = {merge.against.begin(), merge.against.end()};
}

void ToProto(const Calibration& calibration, v1::GetCalibrationResponse& out) {
  for (const AuthorFigures& figures : calibration.authors) {
    v1::AuthorFigures& one = *out.add_authors();
    one.set_model(figures.model);
    one.set_tier(static_cast<model_registry::v1::ModelTier>(figures.tier));
    one.set_verified(figures.verified);
    one.set_passed(figures.passed);
    one.set_with_outcome(figures.with_outcome);
    one.set_agreed(figures.agreed);
    one.set_cost_micros(figures.cost_micros);
    one.set_cost_unknown(figures.cost_unknown);
  }
  for (const JudgeFigures& figures : calibration.judges) {
    v1::JudgeFigures& one = *out.add_judges();
    one.set_model(figures.model);
    one.set_verdicts(figures.verdicts);
    one.set_passed(figures.passed);
    one.set_inconclusive(figures.inconclusive);
    one.set_with_outcome(figures.with_outcome);
    one.set_agreed(figures.agreed);
    one.set_brier_score(figures.brier_score);
    one.set_rubber_stamp(figures.rubber_stamp);
    one.set_few(figures.few);
  }
  out.set_same_family_attempts(calibration.same_family_attempts);
}

Record MakeRecord(const WorkKey& key, const tq::ReadVerifyingResponse& read, const Decided& decided,
                  absl::Time create_time) {
  const tq::Task& task = read.task();
  const tq::Usage& usage = task.result().usage();
  Record record;
  record.key = key;
  record.verdict = decided.decision.verdict;
  record.reason = decided.decision.reason;
  record.permanent = decided.decision.permanent;
  record.create_time = Whole(create_time);
  record.project = Clean(decided.work.project, 100);
  record.model = Clean(usage.model(), 200);
  record.tier = decided.work.tier;
  record.cost_micros = usage.cost_micros();
  record.cost_unknown = usage.cost_unknown();
  record.judge_state = decided.judgement.state;
  record.judge_model = Clean(decided.judgement.model, 200);
  record.judge_confidence = decided.judgement.confidence;
  record.same_family = decided.judgement.same_family;
  record.report = task.result().checks();
  const std::optional<Report>& report = decided.work.report;
  record.watched = report.has_value() && report->change.has_value() && report->change->pull_request.has_value();
  Skeleton(task.spec()).SerializeToString(&record.spec);
  v1::Policy policy;
  ToProto(decided.policy, policy);
  policy.SerializeToString(&record.policy);
  v1::Verification body;
  body.set_title(task.spec().title());
  *body.mutable_findings() = {decided.decision.findings.begin(), decided.decision.findings.end()};
  body.set_agent_id(task.agent_id());
  ToProto(decided.judgement, *body.mutable_judgement());
  ToProto(MayMerge(decided.work, decided.policy, decided.assessment), *body.mutable_merge());
  body.set_policy(NameOf(decided.policy));
  body.set_policy_version(decided.policy.version);
  body.set_steps_passed(decided.assessment.steps_passed);
  body.set_steps_failed(decided.assessment.steps_failed);
  body.set_steps_other(decided.assessment.steps_other);
  body.SerializeToString(&record.body);
  return record;
}

void ToProto(const FoundRecord& found, v1::Verification& out) {
  const Record& record = found.record;
  out = ReadBody(record);
  out.set_task_id(record.key.task.ToString());
  out.set_generation(record.key.generation);
  out.set_project(record.project);
  out.set_state(static_cast<v1::VerificationState>(record.state));
  out.set_verdict(static_cast<tq::Verdict>(record.verdict));
  out.set_reason(record.reason);
  Set(record.create_time, out.mutable_create_time());
  if (record.decide_time.has_value()) Set(*record.decide_time, out.mutable_decide_time());
  out.set_model(record.model);
  out.set_tier(static_cast<model_registry::v1::ModelTier>(record.tier));
  out.set_cost_micros(record.cost_micros);
  out.set_cost_unknown(record.cost_unknown);
  out.mutable_judgement()->set_state(static_cast<v1::JudgeState>(record.judge_state));
  if (!record.judge_task.is_nil()) out.mutable_judgement()->set_task_id(record.judge_task.ToString());
  if (!record.report.empty() && !out.mutable_report()->ParseFromString(record.report)) out.clear_report();
  for (const Mark& mark : found.marks) {
    v1::Outcome& outcome = *out.add_outcomes();
    outcome.set_kind(static_cast<v1::OutcomeKind>(mark.kind));
    outcome.set_source(mark.source);
    outcome.set_note(mark.note);
    Set(mark.time, outcome.mutable_time());
  }
}

void ToProto(const Record& record, tq::Conclusion& out) {
  const v1::Verification body = ReadBody(record);
  out.set_task_id(record.key.task.ToString());
  out.set_generation(record.key.generation);
  out.set_verdict(static_cast<tq::Verdict>(record.verdict));
  out.set_permanent(record.permanent);
  std::string message = absl::StrCat(record.reason, ": ", body.steps_passed(), " steps passed, ", body.steps_failed(),
                                     " failed, ", body.steps_other(), " other");
  if (record.judge_state == JudgeState::kPassed)
    absl::StrAppend(&message, "; ", record.judge_model, " found no reason against it");
  if (body.findings_size() > 0) absl::StrAppend(&message, "; ", body.findings(0));
  Cut(message, kMostMessage);
  std::replace(message.begin(), message.end(), '\0', ' ');
  out.set_message(message);
  if (record.verdict == Verdict::kSucceeded) return;
  std::string failure = absl::StrJoin(body.findings(), "\n");
  Cut(failure, kMostFailure);
  std::replace(failure.begin(), failure.end(), '\0', ' ');
  out.mutable_failure()->set_reason(record.reason);
  out.mutable_failure()->set_message(failure);
}

std::string ToPageToken(const Record& last) {
  return absl::StrCat(absl::ToUnixMicros(last.create_time), ".", last.key.task.ToString(), ".", last.key.generation);
}

absl::Status FromPageToken(const std::string& token, RecordQuery& query) {
  if (token.empty()) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  std::int64_t micros = 0;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &micros) &&
      absl::SimpleAtoi(parts[2], &query.before.generation)) {
    if (const absl::StatusOr<TaskId> task = TaskId::Parse(parts[1]); task.ok()) {
      query.before_time = absl::FromUnixMicros(micros);
      query.before.task = *task;
      return absl::OkStatus();
    }
  }
  return InvalidFields({{.field = "page_token", .description = "is not one of ours"}});
}

}  // namespace switchyard::verification

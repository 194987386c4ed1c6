#include "services/task_queue/spec_validation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/id.h"
#include "services/task_queue/field_checks.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/verification_step_validation.h"

namespace switchyard::task_queue {
namespace {

constexpr int kMaxEntries = 64;
constexpr int kMaxFiles = 1000;
constexpr int kMaxReferences = 100;
constexpr int kMaxTargets = 100;
constexpr int kMaxAttempts = 20;
constexpr int kMaxBackoff = 20;
constexpr int kMaxIterations = 20;
constexpr int kMaxFamilies = 16;
constexpr int kMaxDependencies = 100;
constexpr std::size_t kTitleBytes = 200;
constexpr std::size_t kDescriptionBytes = 64 * kKibibyte;
constexpr std::size_t kSentenceBytes = 4 * kKibibyte;
constexpr std::size_t kInstructionBytes = 512 * kKibibyte;
constexpr std::size_t kSystemBytes = 64 * kKibibyte;
constexpr std::size_t kStdinBytes = 256 * kKibibyte;
constexpr std::size_t kParametersBytes = 64 * kKibibyte;
constexpr std::size_t kVariableBytes = 32 * kKibibyte;
constexpr std::size_t kMetadataBytes = 4 * kKibibyte;
constexpr absl::Duration kLongestAccept = absl::Hours(1);
constexpr absl::Duration kYear = absl::Hours(365 * 24);
constexpr absl::Duration kFurthestAhead = absl::Hours(10 * 365 * 24);

bool IsVariableName(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void Check(const FieldPath& path, const v1::Command& command, FaultList& faults) {
  CheckArgv(path.Field("argv"), command.argv(), faults);
  if (!command.working_directory().empty()) {
    CheckInnerPath(path.Field("working_directory"), command.working_directory(), faults);
  }
  const FieldPath environment = path.Field("environment");
  int left = CheckCount(environment, command.environment_size(), kMaxEntries, faults);
  for (const auto& [name, value] : command.environment()) {
    if (--left < 0) break;
    if (name.size() > kNameBytes) {
      faults.Add(environment.Key(name), "a name has at most ", kNameBytes, " bytes, got ", name.size());
    } else if (!IsVariableName(name)) {
      faults.Add(environment.Key(name), "a name holds letters, digits and '_' only and begins with no digit");
    }
    CheckText(environment.Key(name), value, kVariableBytes, faults);
  }
  CheckBytes(path.Field("stdin"), command.stdin(), kStdinBytes, faults);
}

void Check(const FieldPath& path, const v1::Prompt& prompt, FaultList& faults) {
  CheckFilledText(path.Field("instruction"), prompt.instruction(), kInstructionBytes, faults);
  CheckText(path.Field("system"), prompt.system(), kSystemBytes, faults);
  CheckEnum(path.Field("edit_format"), prompt.edit_format(), v1::EditFormat_IsValid, true, faults);
}

void Check(const FieldPath& path, const v1::Action& action, FaultList& faults) {
  CheckFilledLine(path.Field("name"), action.name(), kIdentityBytes, faults);
  const std::size_t slash = action.name().find('/');
  if (!action.name().empty() && (slash == 0 || slash == std::string::npos || slash + 1 == action.name().size() ||
                                 action.name().find('/', slash + 1) != std::string::npos)) {
    faults.Add(path.Field("name"), "must be \"catalogue/name\"");
  }
  if (!action.parameters_json().empty()) {
    CheckJsonObject(path.Field("parameters_json"), action.parameters_json(), kParametersBytes, faults);
  }
  CheckLines(path.Field("targets"), action.targets(), kMaxTargets, kLinkBytes, faults);
}

void Check(const FieldPath& path, const v1::External& external, FaultList& faults) {
  CheckFilledLine(path.Field("agent"), external.agent(), kNameBytes, faults);
  CheckFilledText(path.Field("instruction"), external.instruction(), kInstructionBytes, faults);
}

void CheckExecutable(const FieldPath& path, const v1::TaskSpec& spec, FaultList& faults) {
  switch (spec.executable_case()) {
    case v1::TaskSpec::kCommand:
      return Check(path.Field("command"), spec.command(), faults);
    case v1::TaskSpec::kPrompt:
      return Check(path.Field("prompt"), spec.prompt(), faults);
    case v1::TaskSpec::kAction:
      return Check(path.Field("action"), spec.action(), faults);
    case v1::TaskSpec::kExternal:
      return Check(path.Field("external"), spec.external(), faults);
    case v1::TaskSpec::EXECUTABLE_NOT_SET:
      faults.Add(path.Field("executable"), "exactly one of command, prompt, action and external must be set, got none");
  }
}

void Check(const FieldPath& path, const v1::WorkContext& context, FaultList& faults) {
  CheckLine(path.Field("repository"), context.repository(), kLinkBytes, faults);
  CheckLine(path.Field("branch"), context.branch(), kPathBytes, faults);
  CheckLine(path.Field("base_branch"), context.base_branch(), kPathBytes, faults);
  const FieldPath files = path.Field("files");
  const int count = CheckCount(files, context.files_size(), kMaxFiles, faults);
  for (int i = 0; i < count; ++i) CheckInnerPath(files.At(i), context.files(i), faults);
  CheckLines(path.Field("references"), context.references(), kMaxReferences, kLinkBytes, faults);
}

void Check(const FieldPath& path, const v1::Delivery& delivery, bool has_repository, FaultList& faults) {
  if (delivery.push() && !has_repository) faults.Add(path.Field("push"), "needs context.repository");
  if (delivery.pull_request() && !delivery.push()) faults.Add(path.Field("pull_request"), "needs push");
  if (delivery.auto_merge() && !delivery.pull_request()) faults.Add(path.Field("auto_merge"), "needs pull_request");
  if (delivery.draft() && !delivery.pull_request()) faults.Add(path.Field("draft"), "needs pull_request");
  if (delivery.draft() && delivery.auto_merge())
    faults.Add(path.Field("draft"), "a draft is not merged: no auto_merge");
}

void Check(const FieldPath& path, const v1::TimeLimits& limits, absl::Time now, FaultList& faults) {
  if (limits.has_accept()) CheckSpan(path.Field("accept"), limits.accept(), kLongestAccept, faults);
  if (limits.has_model_load()) CheckSpan(path.Field("model_load"), limits.model_load(), kLongestSpan, faults);
  if (limits.has_run()) CheckSpan(path.Field("run"), limits.run(), kLongestSpan, faults);
  if (limits.has_stuck()) CheckSpan(path.Field("stuck"), limits.stuck(), kLongestSpan, faults);
  if (limits.has_verification()) CheckSpan(path.Field("verification"), limits.verification(), kLongestSpan, faults);
  if (limits.has_complete_by()) {
    CheckTime(path.Field("complete_by"), limits.complete_by(), now + kFurthestAhead, faults);
  }
  if (limits.has_time_to_live()) CheckSpan(path.Field("time_to_live"), limits.time_to_live(), kYear, faults);
}

void Check(const FieldPath& path, const v1::RetryPolicy& policy, FaultList& faults) {
  CheckNumber(path.Field("max_attempts"), policy.max_attempts(), 0, kMaxAttempts, faults);
  const FieldPath backoff = path.Field("backoff");
  const int count = CheckCount(backoff, policy.backoff_size(), kMaxBackoff, faults);
  for (int i = 0; i < count; ++i) CheckSpan(backoff.At(i), policy.backoff(i), kLongestSpan, faults);
}

void CheckMetadata(const FieldPath& path, const v1::TaskSpec& spec, FaultList& faults) {
  int left = CheckCount(path, spec.metadata_size(), kMaxEntries, faults);
  for (const auto& [key, value] : spec.metadata()) {
    if (--left < 0) break;
    if (key.empty()) faults.Add(path, "a key must not be empty");
    CheckLine(path.Key(key), key, kNameBytes, faults);
    CheckText(path.Key(key), value, kMetadataBytes, faults);
  }
}

void CheckDependencies(const FieldPath& path, const v1::TaskSpec& spec, absl::Time now, FaultList& faults) {
  const FieldPath dependencies = path.Field("dependencies");
  const int count = CheckCount(dependencies, spec.dependencies_size(), kMaxDependencies, faults);
  absl::flat_hash_set<Uuid> named;
  const auto check = [&](const FieldPath& at, const std::string& id) {
    CheckId(at, id, faults);
    const absl::StatusOr<Uuid> task = Uuid::Parse(id);
    if (task.ok() && !named.insert(*task).second) faults.Add(at, "names a task that was named before");
  };
  for (int i = 0; i < count; ++i) {
    const v1::Dependency& dependency = spec.dependencies(i);
    check(dependencies.At(i).Field("task_id"), dependency.task_id());
    if (!dependency.has_deadline()) continue;
    CheckTime(dependencies.At(i).Field("deadline"), dependency.deadline(), now + kFurthestAhead, faults);
    if (!dependency.optional()) faults.Add(dependencies.At(i).Field("deadline"), "goes with optional only");
  }
  if (!spec.continues_task_id().empty()) check(path.Field("continues_task_id"), spec.continues_task_id());
  CheckEnum(path.Field("dependency_rule"), spec.dependency_rule(), v1::DependencyRule_IsValid, true, faults);
  CheckEnum(path.Field("on_dependency_failure"), spec.on_dependency_failure(), v1::OnDependencyFailure_IsValid, true,
            faults);
}

void CheckUnsupported(const FieldPath& path, bool given, std::string_view field, FaultList& faults) {
  if (given) faults.Add(path.Field(field), "not supported by this server yet; leave it empty");
}

void CheckRouting(const FieldPath& path, const v1::TaskSpec& spec, FaultList& faults) {
  CheckEnum(path.Field("lane"), spec.lane(), v1::Lane_IsValid, true, faults);
  CheckProject(path.Field("project"), spec.project(), faults);
  CheckLine(path.Field("task_type"), spec.task_type(), kNameBytes, faults);
  CheckLine(path.Field("role"), spec.role(), kNameBytes, faults);
  CheckEnum(path.Field("complexity"), spec.complexity(), v1::Complexity_IsValid, true, faults);
  if (spec.has_model_pin()) {
    const FieldPath pin = path.Field("model_pin");
    CheckLine(pin.Field("model"), spec.model_pin().model(), kIdentityBytes, faults);
    CheckLine(pin.Field("endpoint"), spec.model_pin().endpoint(), kIdentityBytes, faults);
  }
  CheckLines(path.Field("capabilities"), spec.capabilities(), kMaxEntries, kIdentityBytes, faults);
  CheckLines(path.Field("excluded_model_families"), spec.excluded_model_families(), kMaxFamilies, kNameBytes, faults);
}

void CheckWork(const FieldPath& path, const v1::TaskSpec& spec, FaultList& faults) {
  if (spec.has_context()) Check(path.Field("context"), spec.context(), faults);
  const FieldPath criteria = path.Field("success_criteria");
  const int criteria_count = CheckCount(criteria, spec.success_criteria_size(), kMaxEntries, faults);
  for (int i = 0; i < criteria_count; ++i) {
    CheckFilledText(criteria.At(i), spec.success_criteria(i), kSentenceBytes, faults);
  }
  const FieldPath steps = path.Field("verification");
  const int step_count = CheckCount(steps, spec.verification_size(), kMaxEntries, faults);
  for (int i = 0; i < step_count; ++i) CheckVerificationStep(steps.At(i), spec.verification(i), faults);
  CheckEnum(path.Field("verdict_policy"), spec.verdict_policy(), v1::VerdictPolicy_IsValid, true, faults);
  if (spec.verdict_policy() == v1::VERDICT_POLICY_NONE && step_count > 0) {
    faults.Add(path.Field("verdict_policy"), "NONE does not go with verification steps: their verdict ends the task");
  }
  if (spec.has_delivery()) {
    Check(path.Field("delivery"), spec.delivery(), !spec.context().repository().empty(), faults);
  }
}

void CheckLimits(const FieldPath& path, const v1::TaskSpec& spec, absl::Time now, FaultList& faults) {
  if (spec.has_time_limits()) Check(path.Field("time_limits"), spec.time_limits(), now, faults);
  if (spec.has_retry_policy()) Check(path.Field("retry_policy"), spec.retry_policy(), faults);
  CheckEnum(path.Field("on_lost"), spec.on_lost(), v1::OnLost_IsValid, true, faults);
  CheckEnum(path.Field("effects"), spec.effects(), v1::Effects_IsValid, true, faults);
  if (spec.has_expected_duration()) {
    CheckSpan(path.Field("expected_duration"), spec.expected_duration(), kLongestSpan, faults);
  }
  if (spec.has_start_time()) CheckTime(path.Field("start_time"), spec.start_time(), now + kFurthestAhead, faults);
  if (spec.has_resource_limits()) {
    const FieldPath limits = path.Field("resource_limits");
    CheckNotNegative(limits.Field("max_tokens"), spec.resource_limits().max_tokens(), faults);
    CheckNotNegative(limits.Field("max_cost_micros"), spec.resource_limits().max_cost_micros(), faults);
    CheckNumber(limits.Field("max_iterations"), spec.resource_limits().max_iterations(), 0, kMaxIterations, faults);
  }
}

}  // namespace

void CheckSpec(const FieldPath& path, const v1::TaskSpec& spec, absl::Time now, FaultList& faults) {
  if (spec.schema_version() < 0 || spec.schema_version() > kSchemaVersion) {
    faults.Add(path.Field("schema_version"), "SCHEMA_VERSION_UNSUPPORTED: this server understands 0 to ",
               kSchemaVersion, ", got ", spec.schema_version());
  }
  if (const std::size_t size = spec.ByteSizeLong(); size > static_cast<std::size_t>(kMaxSpecBytes)) {
    faults.Add(path, "a specification has at most ", kMaxSpecBytes, " bytes, got ", size);
  }
  CheckLine(path.Field("title"), spec.title(), kTitleBytes, faults);
  CheckText(path.Field("description"), spec.description(), kDescriptionBytes, faults);
  CheckExecutable(path, spec, faults);
  CheckRouting(path, spec, faults);
  CheckWork(path, spec, faults);
  CheckLimits(path, spec, now, faults);
  CheckUnsupported(path, !spec.concurrency_key().empty(), "concurrency_key", faults);
  CheckDependencies(path, spec, now, faults);
  CheckUnsupported(path, !spec.parent_task_id().empty(), "parent_task_id", faults);
  CheckMetadata(path.Field("metadata"), spec, faults);
}

std::vector<FieldViolation> ValidateSpec(const v1::TaskSpec& spec, std::string_view prefix, absl::Time now) {
  FaultList faults;
  CheckSpec(FieldPath(prefix), spec, now, faults);
  return std::move(faults).Take();
}

}  // namespace switchyard::task_queue

#include "services/task_queue/spec_convert.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/sha256.h"
#include "libs/text/utf8.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/spec_validation.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kMadeTitleBytes = 80;

std::string FirstBytes(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  std::string title(text::TruncateUtf8(text.substr(begin), kMadeTitleBytes));
  for (char& c : title) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  title.erase(title.find_last_not_of(' ') + 1);
  return title;
}

std::string TitleOf(const v1::TaskSpec& spec) {
  switch (spec.executable_case()) {
    case v1::TaskSpec::kCommand: {
      std::string line;
      for (const std::string& argument : spec.command().argv()) {
        if (line.size() > kMadeTitleBytes) break;
        if (!line.empty()) line += ' ';
        line += text::TruncateUtf8(argument, kMadeTitleBytes + 1);
      }
      return FirstBytes(line);
    }
    case v1::TaskSpec::kPrompt:
      return FirstBytes(spec.prompt().instruction());
    case v1::TaskSpec::kAction:
      return FirstBytes(spec.action().name());
    case v1::TaskSpec::kExternal:
      return FirstBytes(spec.external().instruction());
    case v1::TaskSpec::EXECUTABLE_NOT_SET:
      break;
  }
  return "";
}

const char* KindOf(const v1::TaskSpec& spec) {
  switch (spec.executable_case()) {
    case v1::TaskSpec::kCommand:
      return "command";
    case v1::TaskSpec::kPrompt:
      return "prompt";
    case v1::TaskSpec::kAction:
      return "action";
    case v1::TaskSpec::kExternal:
      return "external";
    case v1::TaskSpec::EXECUTABLE_NOT_SET:
      break;
  }
  return "";
}

TaskPolicy PolicyOf(const v1::TaskSpec& spec) {
  TaskPolicy policy;
  policy.max_attempts = spec.retry_policy().max_attempts();
  policy.backoff.reserve(spec.retry_policy().backoff_size());
  for (const auto& wait : spec.retry_policy().backoff()) policy.backoff.push_back(ToDuration(wait));
  if (spec.on_lost() == v1::ON_LOST_DEAD_LETTER) policy.on_lost = OnLost::kDeadLetter;
  policy.needs_verdict = spec.verdict_policy() == v1::VERDICT_POLICY_REQUIRED;
  policy.uses_model = spec.has_prompt() || spec.has_external();
  if (spec.dependency_rule() == v1::DEPENDENCY_RULE_ANY) policy.dependency_rule = DependencyRule::kAny;
  if (spec.on_dependency_failure() != v1::ON_DEPENDENCY_FAILURE_UNSPECIFIED) {
    policy.on_dependency_failure = static_cast<OnDependencyFailure>(spec.on_dependency_failure());
  }
  if (!spec.has_time_limits()) return policy;
  const v1::TimeLimits& limits = spec.time_limits();
  policy.accept = ToDuration(limits.accept());
  policy.run = ToDuration(limits.run());
  policy.stuck = ToDuration(limits.stuck());
  policy.verification = ToDuration(limits.verification());
  if (limits.has_complete_by()) policy.complete_by = ToTime(limits.complete_by());
  const absl::Duration time_to_live = ToDuration(limits.time_to_live());
  if (time_to_live > absl::ZeroDuration()) policy.time_to_live = time_to_live;
  return policy;
}

// Dependencies in the order of the specification, then the task that is continued.
std::vector<Awaited> AwaitsOf(const v1::TaskSpec& spec) {
  std::vector<Awaited> awaits;
  const auto add = [&awaits](const std::string& id) -> Awaited& {
    Awaited& awaited = awaits.emplace_back();
    if (const absl::StatusOr<TaskId> task = TaskId::Parse(id); task.ok()) awaited.task = *task;
    return awaited;
  };
  for (const v1::Dependency& dependency : spec.dependencies()) {
    Awaited& awaited = add(dependency.task_id());
    awaited.optional = dependency.optional();
    if (dependency.has_deadline()) awaited.until = ToTime(dependency.deadline());
  }
  if (!spec.continues_task_id().empty()) add(spec.continues_task_id()).any_end = true;
  return awaits;
}

std::string MatchingOf(const v1::TaskSpec& spec) {
  thread_local v1::ReadyTask matching;
  matching.Clear();
  *matching.mutable_capabilities() = spec.capabilities();
  if (spec.has_external()) {
    // Executors offer "external:NAME" for each agent they have, and "external-model:NAME" where it takes a routed
    // model.
    const bool routed = spec.has_model_pin() || !spec.role().empty();
    matching.add_capabilities((routed ? "external-model:" : "external:") + spec.external().agent());
  }
  matching.set_task_type(spec.task_type());
  matching.set_role(spec.role());
  matching.set_complexity(spec.complexity());
  if (spec.has_model_pin()) *matching.mutable_model_pin() = spec.model_pin();
  matching.set_local_only(spec.local_only());
  matching.set_routine(spec.routine());
  // A snapshot knows no families.
  matching.set_free_fallback(spec.free_fallback() && spec.excluded_model_families().empty());
  matching.set_repository(spec.context().repository());
  matching.set_continues_task_id(spec.continues_task_id());
  if (spec.has_expected_duration()) *matching.mutable_expected_duration() = spec.expected_duration();
  matching.set_kind(KindOf(spec));
  if (spec.effects() != v1::EFFECTS_WORKSPACE) matching.set_effects(spec.effects());
  return matching.SerializeAsString();
}

}  // namespace

std::string ContentHash(const v1::TaskSpec& spec) {
  thread_local std::string bytes;
  bytes.clear();
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    spec.SerializeToCodedStream(&out);
  }
  const auto hash = Sha256(bytes);
  if (bytes.size() > (64 << 10)) {
    bytes.clear();
    bytes.shrink_to_fit();
  }
  return std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
}

void ApplyDefaults(v1::TaskSpec* spec) {
  if (spec->schema_version() == 0) spec->set_schema_version(kSchemaVersion);
  if (spec->lane() == v1::LANE_UNSPECIFIED) spec->set_lane(v1::LANE_NORMAL);
  if (spec->project().empty()) spec->set_project("default");
  if (spec->title().empty()) spec->set_title(TitleOf(*spec));
  if (spec->effects() == v1::EFFECTS_UNSPECIFIED) spec->set_effects(v1::EFFECTS_WORKSPACE);
  if (spec->verdict_policy() == v1::VERDICT_POLICY_UNSPECIFIED) {
    spec->set_verdict_policy(spec->verification().empty() ? v1::VERDICT_POLICY_NONE : v1::VERDICT_POLICY_REQUIRED);
  }
  if (spec->on_lost() == v1::ON_LOST_UNSPECIFIED) {
    spec->set_on_lost(spec->effects() == v1::EFFECTS_WORKSPACE ? v1::ON_LOST_RETRY : v1::ON_LOST_DEAD_LETTER);
  }
  if (spec->dependencies().empty()) return;
  if (spec->dependency_rule() == v1::DEPENDENCY_RULE_UNSPECIFIED) spec->set_dependency_rule(v1::DEPENDENCY_RULE_ALL);
  if (spec->on_dependency_failure() == v1::ON_DEPENDENCY_FAILURE_UNSPECIFIED) {
    spec->set_on_dependency_failure(v1::ON_DEPENDENCY_FAILURE_FAIL);
  }
}

void FillFromSpec(const v1::TaskSpec& spec, NewTask* task) {
  task->record.lane = static_cast<Lane>(spec.lane());
  task->record.project = spec.project();
  task->record.policy = PolicyOf(spec);
  task->record.matching = MatchingOf(spec);
  task->record.awaits = AwaitsOf(spec);
  task->spec = spec.SerializeAsString();
  task->title = spec.title();
  task->task_type = spec.task_type();
}

absl::Time StartTimeOf(const v1::TaskSpec& spec) {
  return spec.has_start_time() ? ToTime(spec.start_time()) : absl::InfinitePast();
}

}  // namespace switchyard::task_queue

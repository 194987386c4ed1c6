#include "tools/yard/task_names.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

}  // namespace

std::string EnumPrefix(const google::protobuf::EnumDescriptor& type) {
  constexpr std::string_view kZero = "UNSPECIFIED";
  const std::string& zero = type.value(0)->name();
  if (zero.size() <= kZero.size() || zero.compare(zero.size() - kZero.size(), kZero.size(), kZero) != 0) return "";
  return zero.substr(0, zero.size() - kZero.size());
}

const google::protobuf::EnumValueDescriptor* ParseEnum(const google::protobuf::EnumDescriptor& type,
                                                       std::string_view text) {
  std::string name;
  for (char c : text) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto* value = type.FindValueByName(name);
  return value != nullptr ? value : type.FindValueByName(EnumPrefix(type) + name);
}

std::string EnumText(const google::protobuf::EnumDescriptor& type, int value) {
  if (value == 0) return "";
  const auto* known = type.FindValueByNumber(value);
  if (known == nullptr) return absl::StrCat(value);
  std::string text;
  for (char c : known->name().substr(EnumPrefix(type).size())) {
    text += c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

bool IsFinal(tq::TaskState state) {
  return state != tq::TASK_STATE_UNSPECIFIED && state != tq::TASK_STATE_QUEUED && state != tq::TASK_STATE_ASSIGNED &&
         state != tq::TASK_STATE_RUNNING && state != tq::TASK_STATE_VERIFYING;
}

bool IsFailure(tq::TaskState state) { return IsFinal(state) && state != tq::TASK_STATE_SUCCEEDED; }

Tone ToneOf(tq::TaskState state) {
  switch (state) {
    case tq::TASK_STATE_SUCCEEDED:
      return Tone::kGood;
    case tq::TASK_STATE_DEAD_LETTER:
    case tq::TASK_STATE_EXPIRED:
      return Tone::kBad;
    case tq::TASK_STATE_PARTIAL:
    case tq::TASK_STATE_QUEUED:
      return Tone::kWaiting;
    case tq::TASK_STATE_ASSIGNED:
    case tq::TASK_STATE_RUNNING:
    case tq::TASK_STATE_VERIFYING:
      return Tone::kActive;
    case tq::TASK_STATE_CANCELLED:
    case tq::TASK_STATE_DISCARDED:
      return Tone::kFaint;
    default:
      return Tone::kNone;
  }
}

std::string StateText(const tq::Task& task) {
  std::string text = Text(task.state());
  if (task.cancel_requested() && !IsFinal(task.state())) return absl::StrCat(text, " (cancelling)");
  if (task.state() == tq::TASK_STATE_QUEUED && task.hold_reason() > tq::HOLD_REASON_NONE) {
    return absl::StrCat(text, " (", Text(task.hold_reason()), ")");
  }
  if (task.state() == tq::TASK_STATE_RUNNING && task.phase() != tq::PHASE_UNSPECIFIED) {
    return absl::StrCat(text, " (", Text(task.phase()), ")");
  }
  return text;
}

std::string TitleOf(const tq::TaskSpec& spec) {
  if (!spec.title().empty()) return spec.title();
  switch (spec.executable_case()) {
    case tq::TaskSpec::kCommand:
      return absl::StrJoin(spec.command().argv(), " ");
    case tq::TaskSpec::kPrompt:
      return spec.prompt().instruction().substr(0, 200);
    case tq::TaskSpec::kAction:
      return spec.action().name();
    case tq::TaskSpec::kExternal:
      return absl::StrCat(spec.external().agent(), ": ", spec.external().instruction().substr(0, 200));
    default:
      return "";
  }
}

}  // namespace switchyard::yard

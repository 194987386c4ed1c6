// Enum values as people write them: "dead-letter" for TASK_STATE_DEAD_LETTER.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "tools/yard/table.h"

namespace switchyard::yard {

// What all values of the enum begin with: "TASK_STATE_".
std::string EnumPrefix(const google::protobuf::EnumDescriptor& type);
// Accepts "dead-letter", "dead_letter" and "TASK_STATE_DEAD_LETTER", either case; null when it is no value.
const google::protobuf::EnumValueDescriptor* ParseEnum(const google::protobuf::EnumDescriptor& type,
                                                       std::string_view text);
// "" for the unspecified value; the number for one that this build does not know.
std::string EnumText(const google::protobuf::EnumDescriptor& type, int value);

template <class Enum>
std::string Text(Enum value) {
  return EnumText(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}
template <class Enum>
Enum Parse(std::string_view text) {
  const auto* value = ParseEnum(*google::protobuf::GetEnumDescriptor<Enum>(), text);
  return value == nullptr ? Enum() : static_cast<Enum>(value->number());
}

// Nothing more will happen unless a person acts.
bool IsFinal(task_queue::v1::TaskState state);
// Final, and not as it was wished: everything but SUCCEEDED.
bool IsFailure(task_queue::v1::TaskState state);
Tone ToneOf(task_queue::v1::TaskState state);

// "queued (backoff)", "running (generating)", "cancelling".
std::string StateText(const task_queue::v1::Task& task);
// The title, or what is executed.
std::string TitleOf(const task_queue::v1::TaskSpec& spec);

}  // namespace switchyard::yard

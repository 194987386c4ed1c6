// Names that go into git's arguments and into paths. Pure.
#pragma once

#include <string>
#include <string_view>

namespace switchyard::executor::repository {

inline constexpr std::string_view kBranchPrefix = "agent/";
inline constexpr std::string_view kTrailer = "Switchyard-Task";

// Letters, digits, "-" and "_", at most 64.
bool IsTaskId(std::string_view id);

// "agent/<task-id>": the same wherever the task runs, so that any later executor finds it.
std::string BranchOf(std::string_view task_id);

// Whether git takes it for a branch, and nothing takes it for an option. At most 200 bytes.
bool IsBranchName(std::string_view name);

// 40 or 64 small hexadecimal digits.
bool IsObjectId(std::string_view text);

// Without the newline.
std::string FirstLine(std::string_view text);

// The message as a commit has it: well-formed UTF-8 without NUL, at most 64 KiB, the task's trailer at its end.
std::string CommitMessage(std::string_view message, std::string_view task_id);

}  // namespace switchyard::executor::repository

// Paths and commands as they stand among the words of an answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/executor/edits/edit.h"

namespace switchyard::executor::edits {

enum class PathTrust {
  // What follows quotes lines of the file, so that a wrong guess finds nothing: a path in the middle of a sentence
  // counts too.
  kLoose,
  // What follows becomes the file.
  kStrict,
};

// The path that a line names, its decoration aside. Nothing when the line is anything else.
std::optional<std::string> ReadPathLine(std::string_view line, PathTrust trust);

// Of the words behind the opening of a fence: "python src/a.py", "python:src/a.py", "title=\"src/a.py\"".
std::optional<std::string> ReadFenceInfo(std::string_view info);

// A line that deletes or renames. Its paths are empty when it is written wrongly.
std::optional<Edit> ReadCommand(std::string_view line);

std::string_view TrimBlanks(std::string_view text);

}  // namespace switchyard::executor::edits

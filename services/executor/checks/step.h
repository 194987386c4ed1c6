// What a task asks to be checked, and what came of it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::executor::checks {

// Paths are relative to the task's folder.
struct FileExists {
  std::string path;
};
struct FileContains {
  std::string path;
  std::string text;
};
struct TestPasses {
  std::vector<std::string> argv;
};
struct CommandSucceeds {
  std::vector<std::string> argv;
};
struct GitClean {};
struct DiffNotEmpty {};
struct ChangedOnly {
  std::vector<std::string> globs;
};
struct MaxDiffLines {
  int lines = 0;
};
struct JsonValid {
  std::string path;
  // Empty: the syntax only.
  std::string schema_json;
};
struct HttpOk {
  std::string url;
  int expected_status = 200;
};
struct NoSecrets {};

using Check = std::variant<FileExists, FileContains, TestPasses, CommandSucceeds, GitClean, DiffNotEmpty, ChangedOnly,
                           MaxDiffLines, JsonValid, HttpOk, NoSecrets>;

struct Step {
  std::string name;
  // Zero: the executor's own.
  absl::Duration timeout = absl::ZeroDuration();
  bool optional = false;
  Check check;
};

// "file_exists", as the contract calls the field.
std::string_view CheckName(const Check& check);
// Whether a program of the task's choice runs for it.
bool NeedsProgram(const Check& check);

enum class StepStatus { kPassed, kFailed, kError, kTimedOut, kSkipped };

struct StepResult {
  StepStatus status = StepStatus::kSkipped;
  // Redacted, well-formed UTF-8, at most 16 KiB of head and tail; never empty when it passed.
  std::string evidence;
  std::size_t omitted_bytes = 0;
  absl::Duration duration;
  std::optional<int> exit_code;
  bool sandboxed = false;
  std::map<std::string, std::string> facts;
};

}  // namespace switchyard::executor::checks

#include "services/executor/loop/syntax_checks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/glob.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::string_view kPlace = "{}";
constexpr absl::Duration kTime = absl::Seconds(20);

// What is wrong; empty: nothing.
std::string Parse(std::string_view line, SyntaxCheck& check) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return "must be GLOB=PROGRAM ARGUMENTS";
  check.glob = std::string(line.substr(0, equals));
  if (const absl::Status status = text::ValidateGlob(check.glob); !status.ok()) return std::string(status.message());
  check.argv = absl::StrSplit(ToAbsl(line.substr(equals + 1)), ' ', absl::SkipEmpty());
  if (check.argv.empty() || check.argv.front().front() != '/') return "its program must be an absolute path";
  if (std::count(check.argv.begin() + 1, check.argv.end(), kPlace) != 1) {
    return "exactly one of its arguments must be {}, for the file";
  }
  check.rule.name = absl::StrCat("syntax of ", check.glob);
  check.rule.program = check.argv.front();
  check.rule.limits.time = kTime;
  return "";
}

}  // namespace

absl::StatusOr<std::vector<SyntaxCheck>> ParseSyntaxChecks(const std::vector<std::string>& lines,
                                                           std::string_view field) {
  std::vector<SyntaxCheck> checks;
  std::vector<FieldViolation> faults;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    SyntaxCheck check;
    if (std::string fault = Parse(lines[i], check); !fault.empty()) {
      faults.push_back({.field = absl::StrCat(std::string(field), "[", i, "]"), .description = std::move(fault)});
    } else {
      checks.push_back(std::move(check));
    }
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return checks;
}

bool IsFor(const SyntaxCheck& check, std::string_view path) {
  if (check.glob.find('/') == std::string::npos) path = path.substr(path.rfind('/') + 1);
  return text::MatchesGlob(check.glob, path);
}

std::vector<std::string> CommandFor(const SyntaxCheck& check, std::string_view path) {
  std::vector<std::string> argv = check.argv;
  std::replace(argv.begin(), argv.end(), std::string(kPlace), absl::StrCat("./", std::string(path)));
  return argv;
}

}  // namespace switchyard::executor::loop

#include "services/executor/loop/fingerprint.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/sha256.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "re2/re2.h"
#include "services/executor/loop/root_cause.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kMostFingerprinted = 64 * 1024;
constexpr std::size_t kDigits = 16;

struct Rule {
  RE2 pattern;
  const char* with;
};

// In this order: what comes first leaves nothing for the later ones to mistake.
const std::vector<Rule*>& Rules() {
  static const auto* const rules = new std::vector<Rule*>{
      new Rule{RE2("\x1b\\[[0-9;?]*[A-Za-z]"), ""},
      new Rule{RE2(R"(\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?( ?(Z|[+-]\d\d:?\d\d))?)"), "<time>"},
      new Rule{RE2(R"(\b\d\d:\d\d:\d\d([.,]\d+)?)"), "<time>"},
      new Rule{RE2(R"(\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"), "<id>"},
      new Rule{RE2(R"(\b0x[0-9a-fA-F]+)"), "<address>"},
      new Rule{RE2(R"(\b[0-9a-f]{16,}\b)"), "<id>"},
      new Rule{
          RE2(R"((/[^\s/:'"()<>,;]+)*/(pytest-|go-build|tmp\.?|cc|rustc|npm-|jest_)[A-Za-z0-9_]{2,}(/[^\s/:'"()<>,;]+)*/)"),
          ""},
      new Rule{RE2(R"(\b(tmp\.?|pytest-|go-build|rustc)[A-Za-z0-9_]{4,}\b)"), "<temporary>"},
      new Rule{RE2(R"(\bcc[A-Za-z0-9]{6}\.(o|s|ltrans))"), "<temporary>"},
      new Rule{RE2(R"((\.{0,2}/)?([^\s/:'"()<>,;=\[\]]+/)+([^\s/:'"()<>,;=\[\]]))"), "\\3"},
      new Rule{RE2(R"((^|[\s'"(=\[])/([^\s/:'"()<>,;=\[\]]))"), "\\1\\2"},
      new Rule{RE2(R"(==\d+==)"), "==<n>=="},
      new Rule{RE2(R"((?i)\b(pid|process|thread|port|seed)([ =:]+)\d+\b)"), "\\1\\2<n>"},
      new Rule{RE2(R"((?i)\b(line|lines|column|col|row)([ =:]+)\d+(-\d+)?\b)"), "\\1\\2<n>"},
      new Rule{RE2(R"((\.[A-Za-z_]\w*)(:\d+)+)"), "\\1:<n>"},
      new Rule{RE2(R"((\.[A-Za-z_]\w*)\(\d+(,\d+)?\))"), "\\1(<n>)"},
      new Rule{RE2(R"(\+<address>)"), ""},
      new Rule{RE2(R"(^\s*\d+ ?([|│]))"), "\\1"},
      new Rule{RE2(R"((?i)\b\d+([.,]\d+)?( ?)(ns|us|µs|ms|s|secs?|seconds?|mins?|minutes?|milliseconds?)\b)"),
               "<duration>"},
  };
  return *rules;
}

std::string NormaliseLine(std::string_view text) {
  std::string line(text);
  for (const Rule* rule : Rules()) RE2::GlobalReplace(&line, rule->pattern, rule->with);
  absl::RemoveExtraAsciiWhitespace(&line);
  return line;
}

}  // namespace

std::string NormaliseFailure(std::string_view text) {
  const std::string valid = text::ReplaceInvalidUtf8(text);
  std::string all;
  for (const absl::string_view line : absl::StrSplit(valid, '\n')) {
    std::string once = NormaliseLine(ToStd(line));
    std::string again = NormaliseLine(once);
    // A replacement can make a match for an earlier rule.
    for (int i = 0; i < 4 && again != once; ++i) {
      once = std::exchange(again, NormaliseLine(again));
    }
    if (!again.empty()) absl::StrAppend(&all, again, "\n");
  }
  return all;
}

std::string Fingerprint(std::string_view text) {
  std::vector<std::string> errors = ErrorLines(text.substr(0, kMostFingerprinted));
  if (errors.empty()) errors.emplace_back(text.substr(0, kMostFingerprinted));
  std::set<std::string> distinct;
  for (const std::string& error : errors) {
    const std::string normal = NormaliseFailure(error);
    for (const absl::string_view line : absl::StrSplit(normal, '\n', absl::SkipEmpty())) {
      distinct.insert(std::string(line));
    }
  }
  std::string all;
  for (const std::string& line : distinct) absl::StrAppend(&all, line, "\n");
  return Sha256Hex(all).substr(0, kDigits);
}

}  // namespace switchyard::executor::loop

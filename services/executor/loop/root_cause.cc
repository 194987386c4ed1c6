#include "services/executor/loop/root_cause.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "re2/re2.h"
#include "re2/set.h"

namespace switchyard::executor::loop {
namespace {

// Of output that is looked at; what lies between its halves is not.
constexpr std::size_t kMostRead = 512 * 1024;
constexpr std::size_t kLineBytes = 400;
constexpr std::size_t kMostErrors = 50;
constexpr std::size_t kMark = 60;

enum class Rank { kNone, kWord, kConsequence, kCause };

class Patterns {
 public:
  explicit Patterns(std::initializer_list<const char*> patterns) : set_(RE2::Options(), RE2::UNANCHORED) {
    for (const char* pattern : patterns) set_.Add(pattern, nullptr);
    set_.Compile();
  }
  bool Match(std::string_view line) const { return set_.Match({line.data(), line.size()}, nullptr); }

 private:
  RE2::Set set_;
};

const Patterns& Causes() {
  static const auto* const patterns = new Patterns({
      // Compilers and linkers.
      R"(^[^\s:][^:]*:\d+(:\d+)?: (fatal |internal )?(compiler )?error\b)",
      R"(^[^\s(][^(]*\(\d+(,\d+)?\): (fatal )?error\b)",
      R"(undefined (reference to|symbol)|multiple definition of|cannot find -l)",
      R"(^(g\+\+|gcc|c\+\+|cc|clang|clang\+\+|ld|javac|tsc|swc)(-\d+)?: (fatal )?error:)",
      R"(^error(\[E\d+\])?: [^a]|^error: a[^b]|^error: ab[^o])",
      R"(^CMake Error)",
      R"(No rule to make target|missing separator)",
      // Python.
      R"(^\s*([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception|Warning|Interrupt|Exit)(: |$))",
      R"(^E\s{2,}\S)",
      R"(^(FAIL|ERROR): \S+ \()",
      // Go.
      R"(^\s+\w+_test\.go:\d+: )",
      R"(^panic: |^fatal error: )",
      R"(^(\./)?[\w./-]+\.go:\d+:\d+: )",
      // Rust.
      R"(panicked at )",
      R"(^\s+(left|right): )",
      // Node, jest, mocha, TAP.
      R"(^\s*● )",
      R"(^\s*(Uncaught )?[A-Z]\w*Error( \[\w+\])?: )",
      R"(^\s*(Expected|Received)( \w+)?: )",
      R"(^\s*not ok \d+)",
      // GoogleTest, sanitizers, asserts.
      R"(^\S+:\d+: Failure)",
      R"(==\d+==\s?ERROR: |runtime error: )",
      R"([Aa]ssertion .*failed|^\S+: \S+:\d+: .*Assertion )",
      R"(terminate called after throwing|Segmentation fault|core dumped)",
      // Shells.
      R"(: (command not found|No such file or directory|Permission denied|syntax error))",
      R"(^(bash|sh|/bin/\w+): )",
  });
  return *patterns;
}

const Patterns& Consequences() {
  static const auto* const patterns = new Patterns({
      R"(^(g?make|ninja)(\[\d+\])?: )",
      R"(^FAILED: )",
      R"(^collect2: |ld returned \d+ exit status)",
      R"(^\[  FAILED  \])",
      R"(^(FAILED|ERROR) \S+)",
      R"(^--- FAIL: |^FAIL\b)",
      R"(^test .* \.\.\. FAILED|^test result: FAILED|^error: (aborting|could not compile|test failed))",
      R"(^npm ERR!|^Tests?: .*failed|^\d+ failing)",
      R"(^Traceback )",
      R"(\d+% tests passed, \d+ tests? failed|The following tests FAILED)",
  });
  return *patterns;
}

const Patterns& Words() {
  static const auto* const patterns = new Patterns({
      R"((?i)\b(error|fatal|panic|exception|abort(ed)?|fail(ed|ure|s)?|cannot|could not|unable to|denied|refused|mismatch|expected)\b)",
  });
  return *patterns;
}

const Patterns& Harmless() {
  static const auto* const patterns = new Patterns({
      R"((?i)\b(0|no) (errors?|failures?|failed|failing)\b)",
      R"((?i)\bwarning:)",
      R"(-Werror|--fail|-fail)",
      R"((?i)\bignored\)?$)",
  });
  return *patterns;
}

Rank RankOf(std::string_view line) {
  if (line.size() > kLineBytes) line = line.substr(0, kLineBytes);
  if (Causes().Match(line)) return Rank::kCause;
  if (Consequences().Match(line)) return Rank::kConsequence;
  if (Words().Match(line) && !Harmless().Match(line)) return Rank::kWord;
  return Rank::kNone;
}

std::string WithoutColours(std::string_view text) {
  static const RE2* const escapes = new RE2("\x1b(\\[[0-9;?]*[A-Za-z]|\\][^\x07\x1b]*\x07?)");
  std::string clean = text::ReplaceInvalidUtf8(text);
  RE2::GlobalReplace(&clean, *escapes, "");
  return clean;
}

std::string_view Tail(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  text.remove_prefix(text.size() - bytes);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0) == 0x80) text.remove_prefix(1);
  return text;
}

struct Output {
  std::vector<std::string> lines;
  std::vector<Rank> ranks;
  Rank best = Rank::kNone;
};

Output Read(std::string_view text) {
  std::string bounded(text.substr(0, kMostRead));
  if (text.size() > kMostRead) {
    bounded = absl::StrCat(std::string(text.substr(0, kMostRead / 2)), "\n",
                           std::string(text.substr(text.size() - kMostRead / 2)));
  }
  Output output;
  const std::string clean = WithoutColours(bounded);
  for (absl::string_view line : absl::StrSplit(clean, '\n')) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    // A bar of progress: what was seen last counts.
    if (const std::size_t back = line.rfind('\r'); back != absl::string_view::npos) line.remove_prefix(back + 1);
    const Rank rank = RankOf(ToStd(line));
    output.best = std::max(output.best, rank);
    output.lines.emplace_back(line);
    output.ranks.push_back(rank);
  }
  while (!output.lines.empty() && output.lines.back().empty()) {
    output.lines.pop_back();
    output.ranks.pop_back();
  }
  return output;
}

std::string Shortened(const std::string& line) {
  if (line.size() <= kLineBytes) return line;
  return absl::StrCat(std::string(text::TruncateUtf8(line, kLineBytes - 100)), " [...] ", std::string(Tail(line, 80)));
}

std::string Missing(std::size_t lines) {
  return absl::StrCat("[", lines, lines == 1 ? " line" : " lines", " left out]");
}

// The lines to show, in order, as the budget allows.
std::vector<std::size_t> Choose(const Output& output, const CauseLimits& limits) {
  std::vector<bool> chosen(output.lines.size(), false);
  std::size_t lines = 0;
  std::size_t bytes = 0;
  const auto take = [&](std::size_t i) {
    if (chosen[i]) return true;
    const std::size_t size = std::min(output.lines[i].size(), kLineBytes) + 1;
    if (lines + 1 > limits.lines || bytes + size > limits.bytes) return false;
    chosen[i] = true;
    ++lines;
    bytes += size;
    return true;
  };
  for (std::size_t i = 0; i < output.lines.size(); ++i) {
    if (output.ranks[i] != output.best) continue;
    // Room for a mark before and behind each piece.
    bytes += chosen[i] ? 0 : kMark;
    if (!take(i)) break;
    for (std::size_t away = 1; away <= limits.context; ++away) {
      if (i + away < output.lines.size()) take(i + away);
      if (i >= away) take(i - away);
    }
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) order.push_back(i);
  }
  return order;
}

std::string HeadAndTailOfLines(const Output& output, const CauseLimits& limits) {
  if (output.lines.size() <= limits.lines) {
    std::string all;
    for (const std::string& line : output.lines) absl::StrAppend(&all, Shortened(line), "\n");
    return HeadAndTail(all, limits.bytes);
  }
  // The end tells more than the beginning.
  const std::size_t shown = std::max<std::size_t>(limits.lines, 4) - 1;
  const std::size_t head = shown / 3;
  const std::size_t tail = shown - head;
  std::string text;
  for (std::size_t i = 0; i < head; ++i) absl::StrAppend(&text, Shortened(output.lines[i]), "\n");
  absl::StrAppend(&text, Missing(output.lines.size() - head - tail), "\n");
  for (std::size_t i = output.lines.size() - tail; i < output.lines.size(); ++i) {
    absl::StrAppend(&text, Shortened(output.lines[i]), "\n");
  }
  return HeadAndTail(text, limits.bytes);
}

}  // namespace

std::string HeadAndTail(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text::ReplaceInvalidUtf8(text).size() <= bytes ? text::ReplaceInvalidUtf8(text) : "";
  if (bytes <= kMark) return std::string(text::TruncateUtf8(text, bytes));
  const std::size_t room = bytes - kMark;
  std::string_view head = text::TruncateUtf8(text, room / 3);
  if (const std::size_t end = head.rfind('\n'); end != std::string_view::npos) head = head.substr(0, end + 1);
  std::string_view tail = Tail(text, room - head.size());
  if (const std::size_t end = tail.find('\n'); end != std::string_view::npos && end + 1 < tail.size()) {
    tail = tail.substr(end + 1);
  }
  const std::size_t missing = text.size() - head.size() - tail.size();
  return absl::StrCat(std::string(head), head.empty() || head.back() == '\n' ? "" : "\n", "[", missing,
                      " bytes left out]\n", std::string(tail));
}

std::vector<std::string> ErrorLines(std::string_view text) {
  const Output output = Read(text);
  std::vector<std::string> errors;
  if (output.best == Rank::kNone) return errors;
  for (std::size_t i = 0; i < output.lines.size() && errors.size() < kMostErrors; ++i) {
    if (output.ranks[i] == output.best) errors.push_back(Shortened(output.lines[i]));
  }
  return errors;
}

std::string RootCause(std::string_view text, const CauseLimits& limits) {
  const Output output = Read(text);
  if (output.best == Rank::kNone) return HeadAndTailOfLines(output, limits);
  const std::vector<std::size_t> order = Choose(output, limits);
  std::string cause;
  std::size_t next = 0;
  std::size_t marks = 0;
  for (const std::size_t i : order) {
    if (i > next && marks < limits.lines) absl::StrAppend(&cause, Missing(i - next), "\n");
    absl::StrAppend(&cause, Shortened(output.lines[i]), "\n");
    next = i + 1;
  }
  if (next < output.lines.size()) absl::StrAppend(&cause, Missing(output.lines.size() - next), "\n");
  return HeadAndTail(cause, limits.bytes);
}

}  // namespace switchyard::executor::loop

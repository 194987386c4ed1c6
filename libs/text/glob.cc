#include "libs/text/glob.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr std::size_t kMaxBytes = 1024;
constexpr int kMaxAlternatives = 64;

absl::Status Fault(const char* what, std::size_t at) {
  return absl::InvalidArgumentError(absl::StrCat("pattern: ", what, " at byte ", at));
}

// `i` stands on the opening bracket and is left on the closing one.
absl::Status CheckBracket(std::string_view pattern, std::size_t& i) {
  const std::size_t open = i++;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  const std::size_t first = i;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == '/') return Fault("a slash inside brackets", i);
    if (pattern[i] == ']' && i > first) return absl::OkStatus();
    if (pattern[i] == ']') return Fault("empty brackets", open);
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      if (static_cast<std::uint8_t>(pattern[i]) > static_cast<std::uint8_t>(pattern[i + 2])) {
        return Fault("a range that runs backwards", i);
      }
      if (static_cast<std::uint8_t>(pattern[i]) >= 0x80 || static_cast<std::uint8_t>(pattern[i + 2]) >= 0x80) {
        return Fault("a range beyond ASCII", i);
      }
      i += 2;
    }
  }
  return Fault("an opening bracket without its end", open);
}

// Whether some choice of alternatives turns the segment into "", "." or "..".
bool CouldBeDots(std::string_view segment) {
  // Bit n of `reachable`: what was read so far can be just n dots.
  unsigned reachable = 1;
  for (std::size_t i = 0; i < segment.size() && reachable != 0; ++i) {
    if (segment[i] == '.') {
      reachable = (reachable << 1) & 7;
    } else if (segment[i] != '{') {
      reachable = 0;
    } else {
      unsigned joined = 0;
      unsigned branch = reachable;
      while (segment[++i] != '}') {
        if (segment[i] == ',') {
          joined |= branch;
          branch = reachable;
        } else {
          branch = segment[i] == '.' ? (branch << 1) & 7 : 0;
        }
      }
      reachable = joined | branch;
    }
  }
  return reachable != 0;
}

absl::Status CheckSegment(std::string_view segment, std::size_t at) {
  if (segment.empty()) return Fault("an empty segment", at);
  if (segment == "." || segment == "..") return Fault("a segment \".\" or \"..\"", at);
  if (segment.find('{') != segment.npos && CouldBeDots(segment)) {
    return Fault("a segment that could read \"\", \".\" or \"..\"", at);
  }
  if (segment != "**" && segment.find("**") != segment.npos) return Fault("\"**\" beside other text", at);
  return absl::OkStatus();
}

// The character at `at`, which moves behind it. A byte that belongs to no character is one of its own.
char32_t Next(std::string_view text, std::size_t& at) {
  char32_t character = 0;
  const std::size_t size = DecodeUtf8(text.substr(at), &character);
  if (size == 0) return char32_t{0x110000} + static_cast<std::uint8_t>(text[at++]);
  at += size;
  return character;
}

// A pattern as a small automaton whose states are walked all at once, so that no path makes it slow.
class Program {
 public:
  // Of a valid pattern.
  explicit Program(std::string_view pattern) {
    for (std::size_t at = 0; at < pattern.size();) {
      const bool whole = at == 0 || pattern[at - 1] == '/';
      if (whole && pattern.substr(at, 2) == "**") {
        at += 2;
        AddParts(at == pattern.size());
        // Its parts bring their slashes.
        if (at < pattern.size()) ++at;
      } else if (pattern[at] == '{') {
        AddBraces(pattern, ++at);
      } else {
        AddOne(pattern, at);
      }
    }
    Add(Kind::kEnd);
  }

  bool Matches(std::string_view path) const {
    std::vector<char> seen(code_.size(), 0);
    std::vector<std::size_t> now;
    std::vector<std::size_t> next;
    std::vector<std::size_t> todo;
    Reach(0, seen, now, todo);
    for (std::size_t at = 0; at < path.size();) {
      const char32_t character = Next(path, at);
      seen.assign(code_.size(), 0);
      next.clear();
      for (const std::size_t state : now) {
        if (Takes(code_[state], character)) Reach(state + 1, seen, next, todo);
      }
      now.swap(next);
      if (now.empty()) return false;
    }
    for (const std::size_t state : now) {
      if (code_[state].kind == Kind::kEnd) return true;
    }
    return false;
  }

 private:
  enum class Kind { kCharacter, kAny, kAnyOrSlash, kSet, kSplit, kJump, kEnd };
  struct Step {
    Kind kind = Kind::kEnd;
    char32_t character = 0;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges;
    // Where else a split goes, besides to what follows; where a jump goes.
    std::size_t target = 0;
  };

  std::size_t Add(Kind kind, char32_t character = 0) {
    code_.push_back({.kind = kind, .character = character, .negated = false, .ranges = {}, .target = 0});
    return code_.size() - 1;
  }
  // Any number of whole parts with their slashes; at the end of the pattern, anything that is not empty.
  void AddParts(bool last) {
    if (last) {
      const std::size_t any = Add(Kind::kAnyOrSlash);
      const std::size_t enough = Add(Kind::kSplit);
      code_[Add(Kind::kJump)].target = any;
      code_[enough].target = code_.size();
      return;
    }
    const std::size_t begin = Add(Kind::kSplit);
    const std::size_t any = Add(Kind::kAny);
    const std::size_t more = Add(Kind::kSplit);
    code_[Add(Kind::kJump)].target = any;
    code_[more].target = Add(Kind::kCharacter, U'/');
    code_[Add(Kind::kJump)].target = begin;
    code_[begin].target = code_.size();
  }
  // `at` stands behind the opening brace and is left behind the closing one.
  void AddBraces(std::string_view pattern, std::size_t& at) {
    std::vector<std::size_t> ends;
    std::size_t split = Add(Kind::kSplit);
    while (true) {
      if (pattern[at] == '}' || pattern[at] == ',') {
        ends.push_back(Add(Kind::kJump));
        if (pattern[at++] == '}') break;
        code_[split].target = code_.size();
        split = Add(Kind::kSplit);
      } else {
        AddOne(pattern, at);
      }
    }
    // The last one has no other way.
    code_[split].kind = Kind::kJump;
    code_[split].target = split + 1;
    for (const std::size_t end : ends) code_[end].target = code_.size();
  }
  void AddOne(std::string_view pattern, std::size_t& at) {
    switch (pattern[at]) {
      case '?':
        ++at;
        Add(Kind::kAny);
        return;
      case '*': {
        ++at;
        const std::size_t split = Add(Kind::kSplit);
        Add(Kind::kAny);
        code_[Add(Kind::kJump)].target = split;
        code_[split].target = code_.size();
        return;
      }
      case '[':
        AddSet(pattern, ++at);
        return;
      default:
        Add(Kind::kCharacter, Next(pattern, at));
    }
  }
  void AddSet(std::string_view pattern, std::size_t& at) {
    Step& set = code_[Add(Kind::kSet)];
    if (pattern[at] == '!' || pattern[at] == '^') {
      set.negated = true;
      ++at;
    }
    while (pattern[at] != ']') {
      const char32_t low = Next(pattern, at);
      char32_t high = low;
      if (pattern[at] == '-' && pattern[at + 1] != ']') {
        ++at;
        high = Next(pattern, at);
      }
      set.ranges.emplace_back(low, high);
    }
    ++at;
  }

  static bool Takes(const Step& step, char32_t character) {
    switch (step.kind) {
      case Kind::kCharacter:
        return character == step.character;
      case Kind::kAny:
        return character != U'/';
      case Kind::kAnyOrSlash:
        return true;
      case Kind::kSet: {
        if (character == U'/') return false;
        bool inside = false;
        for (const auto& [low, high] : step.ranges) inside = inside || (character >= low && character <= high);
        return inside != step.negated;
      }
      default:
        return false;
    }
  }
  // Adds the state and those it leads to without a character.
  void Reach(std::size_t state, std::vector<char>& seen, std::vector<std::size_t>& states,
             std::vector<std::size_t>& todo) const {
    todo.push_back(state);
    while (!todo.empty()) {
      const std::size_t at = todo.back();
      todo.pop_back();
      if (std::exchange(seen[at], 1) != 0) continue;
      const Step& step = code_[at];
      if (step.kind == Kind::kSplit || step.kind == Kind::kJump) todo.push_back(step.target);
      if (step.kind == Kind::kSplit) todo.push_back(at + 1);
      if (step.kind != Kind::kSplit && step.kind != Kind::kJump) states.push_back(at);
    }
  }

  std::vector<Step> code_;
};

}  // namespace

absl::Status ValidateGlob(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("pattern: empty");
  if (pattern.size() > kMaxBytes) return absl::InvalidArgumentError("pattern: longer than 1024 bytes");
  if (!IsValidUtf8(pattern)) return absl::InvalidArgumentError("pattern: not valid UTF-8");
  if (pattern[0] == '/') return Fault("a leading slash", 0);
  std::size_t segment = 0;
  std::size_t brace = 0;
  bool in_brace = false;
  int alternatives = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F) return Fault("a control character", i);
    switch (c) {
      case '\\':
        return Fault("a backslash", i);
      case '[':
        if (in_brace) return Fault("brackets inside braces", i);
        if (absl::Status status = CheckBracket(pattern, i); !status.ok()) return status;
        break;
      case ']':
        return Fault("a closing bracket without its start", i);
      case '{':
        if (in_brace) return Fault("nested braces", i);
        in_brace = true;
        brace = i;
        break;
      case '}':
        if (!in_brace) return Fault("a closing brace without its start", i);
        if (i == brace + 1) return Fault("empty braces", brace);
        in_brace = false;
        break;
      case ',':
        if (in_brace && ++alternatives > kMaxAlternatives) return Fault("too many alternatives", i);
        break;
      case '/':
        if (in_brace) return Fault("a slash inside braces", i);
        if (absl::Status status = CheckSegment(pattern.substr(segment, i - segment), segment); !status.ok())
          return status;
        segment = i + 1;
        break;
      default:
        break;
    }
  }
  if (in_brace) return Fault("an opening brace without its end", brace);
  return CheckSegment(pattern.substr(segment), segment);
}

bool MatchesGlob(std::string_view pattern, std::string_view path) {
  return !path.empty() && ValidateGlob(pattern).ok() && Program(pattern).Matches(path);
}

}  // namespace switchyard::text

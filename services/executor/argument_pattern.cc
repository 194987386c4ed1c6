#include "services/executor/argument_pattern.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "re2/re2.h"

namespace switchyard::executor {
namespace {

constexpr int kExpressionMemory = 1 << 20;

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

// The expression of a glob.
absl::StatusOr<std::string> Translate(std::string_view glob) {
  std::string out;
  for (std::size_t i = 0; i < glob.size(); ++i) {
    const char c = glob[i];
    if (c == '*') {
      const bool twice = i + 1 < glob.size() && glob[i + 1] == '*';
      out += twice ? ".*" : "[^/]*";
      i += twice ? 1 : 0;
    } else if (c == '?') {
      out += "[^/]";
    } else if (c == '[') {
      const std::size_t end = glob.find(']', i + 2);
      if (end == std::string_view::npos) return Wrong("a '[' without its ']'");
      std::string_view inner = glob.substr(i + 1, end - i - 1);
      const bool inverse = inner.front() == '!';
      if (inverse) inner.remove_prefix(1);
      if (inner.empty()) return Wrong("an empty '[]'");
      out += inverse ? "[^/" : "[";
      for (std::size_t k = 0; k < inner.size(); ++k) {
        if (inner[k] == '-' && k > 0 && k + 1 < inner.size()) {
          if (inner[k - 1] > inner[k + 1]) return Wrong("a range in '[]' that runs backwards");
          out += '-';
        } else {
          out += RE2::QuoteMeta(re2::StringPiece(&inner[k], 1));
        }
      }
      out += ']';
      i = end;
    } else {
      out += RE2::QuoteMeta(re2::StringPiece(&c, 1));
    }
  }
  return out;
}

absl::StatusOr<std::shared_ptr<const RE2>> Compile(std::string_view expression) {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_dot_nl(true);
  options.set_max_mem(kExpressionMemory);
  auto compiled = std::make_shared<const RE2>(re2::StringPiece(expression.data(), expression.size()), options);
  if (!compiled->ok()) return Wrong(absl::StrCat("not an RE2 expression: ", compiled->error()));
  return compiled;
}

bool Matched(const RE2& expression, std::string_view argument) {
  return RE2::FullMatch(re2::StringPiece(argument.data(), argument.size()), expression);
}

}  // namespace

bool IsInnerPath(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.front() == '-') return false;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    if (path.substr(from, slash - from) == "..") return false;
    from = slash + 1;
  }
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

absl::StatusOr<ArgumentPattern> ArgumentPattern::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) return Wrong(absl::StrCat("longer than ", kMaxBytes, " bytes"));
  if (text.find('\0') != std::string_view::npos) return Wrong("holds a NUL");
  ArgumentPattern out;
  out.text_ = std::string(text);
  std::string_view rest = text;
  const auto kind = [&rest](std::string_view prefix) {
    if (rest.substr(0, prefix.size()) != prefix) return false;
    rest.remove_prefix(prefix.size());
    return true;
  };
  if (kind("glob:") || (kind("path:") && (out.kind_ = Kind::kPath) == Kind::kPath)) {
    if (out.kind_ != Kind::kPath) out.kind_ = Kind::kGlob;
    if (rest.empty() && out.kind_ == Kind::kPath) return out;
    out.dash_ = rest.substr(0, 1) == "-";
    SY_ASSIGN_OR_RETURN(const std::string expression, Translate(rest));
    SY_ASSIGN_OR_RETURN(out.expression_, Compile(expression));
  } else if (kind("re:")) {
    out.kind_ = Kind::kExpression;
    SY_ASSIGN_OR_RETURN(out.expression_, Compile(rest));
  } else if (kind("int:")) {
    out.kind_ = Kind::kInt;
    const std::size_t dots = rest.find("..");
    if (dots == std::string_view::npos || !absl::SimpleAtoi(ToAbsl(rest.substr(0, dots)), &out.min_) ||
        !absl::SimpleAtoi(ToAbsl(rest.substr(dots + 2)), &out.max_) || out.min_ > out.max_) {
      return Wrong("numbers are written int:MIN..MAX");
    }
  } else if (kind("any:")) {
    out.kind_ = Kind::kAny;
    if (!rest.empty()) return Wrong("nothing follows any:");
  } else {
    kind("literal:");
    out.literal_ = std::string(rest);
  }
  return out;
}

bool ArgumentPattern::Matches(std::string_view argument) const {
  switch (kind_) {
    case Kind::kLiteral:
      return argument == literal_;
    case Kind::kExpression:
      return Matched(*expression_, argument);
    case Kind::kGlob:
      return (dash_ || argument.substr(0, 1) != "-") && Matched(*expression_, argument);
    case Kind::kPath:
      return IsInnerPath(argument) && (expression_ == nullptr || Matched(*expression_, argument));
    case Kind::kInt: {
      // As it is written: no sign but '-', no spaces, no leading zeros, so that no program reads it otherwise.
      std::int64_t value = 0;
      return absl::SimpleAtoi(ToAbsl(argument), &value) && absl::StrCat(value) == ToAbsl(argument) && value >= min_ &&
             value <= max_;
    }
    case Kind::kAny:
      return true;
  }
  return false;
}

}  // namespace switchyard::executor

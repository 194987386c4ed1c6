#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}  // namespace re2

namespace switchyard::executor {

// Which texts a rule allows as one argument. Written as
//   TEXT or literal:TEXT   this text and no other
//   glob:PATTERN           '*' any run but '/', '**' any run, '?' one character but '/', '[a-z]', '[!a-z]'
//   re:EXPRESSION          an RE2 expression, of the whole argument
//   path: or path:GLOB     a path inside the working directory, as it is written: relative, no '..', no leading '-'
//   int:MIN..MAX           a decimal number
//   any:                   anything
// A glob matches an argument that begins with '-' only when it begins with '-' itself, so that "*" lets no option in.
// Matching takes time linear in the argument. Immutable.
class ArgumentPattern {
 public:
  static constexpr std::size_t kMaxBytes = 1024;

  // INVALID_ARGUMENT with what is wrong.
  static absl::StatusOr<ArgumentPattern> Parse(std::string_view text);

  bool Matches(std::string_view argument) const;
  // As it was written.
  const std::string& text() const { return text_; }

 private:
  enum class Kind { kLiteral, kExpression, kGlob, kPath, kInt, kAny };

  Kind kind_ = Kind::kLiteral;
  std::string text_;
  std::string literal_;
  // Shared, since a pattern is copied with its rule and an expression is immutable.
  std::shared_ptr<const re2::RE2> expression_;
  bool dash_ = false;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
};

// Relative, within the folder it is taken from as far as its text says, and not to be mistaken for an option.
bool IsInnerPath(std::string_view path);

}  // namespace switchyard::executor

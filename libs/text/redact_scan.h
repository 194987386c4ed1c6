// The scanner under redact.h; not for use elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard::text::internal {

// What ends a secret whose beginning was seen.
enum class Until : std::uint8_t { kNothing, kWord, kJwt, kToken68, kRun, kQueryRun, kQuote, kLine, kPemEnd };

// A secret whose end may lie in a later piece: a small automaton fed byte by byte.
struct OpenSecret {
  Until until = Until::kNothing;
  char quote = 0;
  // Backslashes before the opening quote: 1 inside JSON that was itself put in a JSON string.
  std::uint8_t escapes = 0;
  std::uint8_t backslashes = 0;
  std::uint8_t dashes = 0;
  std::uint8_t stage = 0;
  std::size_t seen = 0;
};

// The most that a match looks back.
inline constexpr std::size_t kLookBack = 8;
// A private key without an end hides no more than this.
inline constexpr std::size_t kMaxPem = 32 * 1024;

// Index after the secret that continues at `from`; text.size() when it may go on.
std::size_t SkipSecret(std::string_view text, std::size_t from, OpenSecret& open);

// Appends text[from..] to `out` with secrets replaced; returns where it stopped. When not `final` it stops before what
// a longer text could decide differently. `open` is set when the text ended within a secret, already replaced.
std::size_t Scan(std::string_view text, std::size_t from, bool final, std::string& out, OpenSecret& open);

enum class KeyKind : std::uint8_t { kNone, kSecret, kToken, kAuthorization, kCookie };
KeyKind ClassifyKey(std::string_view word);

}  // namespace switchyard::text::internal

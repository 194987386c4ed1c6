// Hides what looks like a secret in text that leaves the process: logs, events, stored output. It errs towards hiding.
// All functions take arbitrary bytes, run in linear time and never split a UTF-8 character that was whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libs/text/redact_scan.h"

namespace switchyard::text {

// What stands in place of a secret.
inline constexpr std::string_view kRedacted = "[redacted]";

// Hides: bearer tokens and values of Authorization and Cookie headers; tokens by their known prefixes (our own `sy_`,
// sk-, ghp_ and kin, github_pat_, glpat-, xox?-, AWS key ids, JWTs); private keys in PEM; values of keys such as
// password, api_key, secret or token in `k=v`, `k: v`, JSON (escaped or not) and `--k v` form; passwords in URLs. Keys,
// quotes and the rest of the text stay. Redacting twice changes nothing more.
std::string Redact(std::string_view text);
void AppendRedacted(std::string_view text, std::string& out);

// Whether a value under this name is a secret whatever it looks like: "db_password", "X-Api-Key", "authorization".
bool NamesSecret(std::string_view name);

// The same for text that arrives in pieces: the outputs joined are Redact() of the inputs joined, wherever they were
// cut, as long as what must be seen at once (a key with its separator, a token) fits in kMaxHold. Not thread-safe.
class StreamingRedactor {
 public:
  // Most bytes kept back between calls.
  static constexpr std::size_t kMaxHold = 4096;

  // What can be shown already; may be empty, or hold text of earlier pieces.
  std::string Push(std::string_view piece);
  // The rest. Afterwards the redactor is as new.
  std::string Finish();
  // Bytes kept back now.
  std::size_t held() const { return buffer_.size() - next_; }

 private:
  void Trim();

  std::string buffer_;
  // Where unread text begins in buffer_; a few bytes before it are kept, for what a match looks back at.
  std::size_t next_ = 0;
  internal::OpenSecret open_;
};

}  // namespace switchyard::text

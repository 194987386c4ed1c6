#include "services/executor/external/secret_mask.h"

#include <algorithm>
#include <utility>

#include "libs/text/redact.h"

namespace switchyard::executor::external {

SecretMask::SecretMask(std::string secret) : secret_(secret.size() < kLeast ? std::string() : std::move(secret)) {}

std::string SecretMask::Mask(std::string_view text) const {
  std::string out;
  std::size_t from = 0;
  while (!secret_.empty()) {
    const std::size_t at = text.find(secret_, from);
    if (at == std::string_view::npos) break;
    out += text.substr(from, at - from);
    out += text::kRedacted;
    from = at + secret_.size();
  }
  return out += text.substr(from);
}

std::string SecretMask::Push(LogStream stream, std::string_view text, bool gap) {
  if (secret_.empty()) return std::string(text);
  std::string& held = held_[stream == LogStream::kOutput ? 0 : 1];
  std::string out;
  if (gap) {
    // Its beginning may be what is missing.
    if (held.size() >= kLeast) {
      out += text::kRedacted;
    } else {
      out += held;
    }
    held.clear();
    for (std::size_t size = std::min(secret_.size() - 1, text.size()); size >= kLeast; --size) {
      if (text.substr(0, size) != std::string_view(secret_).substr(secret_.size() - size)) continue;
      out += text::kRedacted;
      text.remove_prefix(size);
      break;
    }
  }
  held += text;
  const std::string shown = Mask(held);
  // The longest end that may be its beginning waits for more.
  std::size_t open = std::min(secret_.size() - 1, shown.size());
  while (open > 0 && shown.compare(shown.size() - open, open, secret_, 0, open) != 0) --open;
  held = shown.substr(shown.size() - open);
  return out += shown.substr(0, shown.size() - open);
}

std::string SecretMask::Finish(LogStream stream) {
  std::string& held = held_[stream == LogStream::kOutput ? 0 : 1];
  std::string rest = std::exchange(held, std::string());
  return rest.size() >= kLeast ? std::string(text::kRedacted) : rest;
}

}  // namespace switchyard::executor::external

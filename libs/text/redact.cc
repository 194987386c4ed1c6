#include "libs/text/redact.h"

#include <algorithm>

namespace switchyard::text {

void AppendRedacted(std::string_view text, std::string& out) {
  internal::OpenSecret open;
  internal::Scan(text, 0, /*final=*/true, out, open);
}

std::string Redact(std::string_view text) {
  std::string out;
  out.reserve(text.size() + kRedacted.size());
  AppendRedacted(text, out);
  return out;
}

bool NamesSecret(std::string_view name) { return internal::ClassifyKey(name) != internal::KeyKind::kNone; }

std::string StreamingRedactor::Push(std::string_view piece) {
  std::string out;
  buffer_ += piece;
  if (open_.until != internal::Until::kNothing) {
    next_ = internal::SkipSecret(buffer_, next_, open_);
    if (next_ < buffer_.size()) open_ = {};
  }
  if (open_.until == internal::Until::kNothing) {
    next_ = internal::Scan(buffer_, next_, /*final=*/false, out, open_);
    if (held() > kMaxHold) next_ = internal::Scan(buffer_, next_, /*final=*/true, out, open_);
  }
  Trim();
  return out;
}

std::string StreamingRedactor::Finish() {
  std::string out;
  if (open_.until == internal::Until::kNothing) internal::Scan(buffer_, next_, /*final=*/true, out, open_);
  buffer_.clear();
  next_ = 0;
  open_ = {};
  return out;
}

void StreamingRedactor::Trim() {
  const std::size_t gone = next_ - std::min(next_, internal::kLookBack);
  buffer_.erase(0, gone);
  next_ -= gone;
}

}  // namespace switchyard::text

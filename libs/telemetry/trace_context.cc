#include "libs/telemetry/trace_context.h"

#include <algorithm>

namespace switchyard::telemetry {
namespace {

constexpr char kDigits[] = "0123456789abcdef";
constexpr std::size_t kLength = 55;  // 2 + 1 + 32 + 1 + 16 + 1 + 2

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

std::uint8_t Nibble(char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

void Draw(Rng& rng, char* out, std::size_t size) {
  do {
    for (std::size_t at = 0; at < size; at += 16) {
      std::uint64_t bits = rng.Next();
      for (std::size_t i = 0; i < 16; ++i, bits >>= 4) out[at + i] = kDigits[bits & 15];
    }
  } while (IsZero({out, size}));
}

}  // namespace

TraceContext TraceContext::New(Rng& rng) {
  TraceContext made;
  Draw(rng, made.trace_.data(), made.trace_.size());
  Draw(rng, made.span_.data(), made.span_.size());
  made.flags_ = 1;
  return made;
}

std::optional<TraceContext> TraceContext::Parse(std::string_view text) {
  if (text.size() < kLength) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  if (!IsHex(version) || version == "ff") return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  const std::string_view trace = text.substr(3, 32);
  const std::string_view span = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  if (!IsHex(trace) || !IsHex(span) || !IsHex(flags) || IsZero(trace) || IsZero(span)) return std::nullopt;
  TraceContext parsed;
  std::copy(trace.begin(), trace.end(), parsed.trace_.begin());
  std::copy(span.begin(), span.end(), parsed.span_.begin());
  parsed.flags_ = static_cast<std::uint8_t>(Nibble(flags[0]) << 4 | Nibble(flags[1]));
  return parsed;
}

TraceContext TraceContext::Child(Rng& rng) const {
  TraceContext child = *this;
  Draw(rng, child.span_.data(), child.span_.size());
  return child;
}

std::string TraceContext::Format() const {
  std::string out;
  out.reserve(kLength);
  out.append("00-").append(trace_id()).append("-").append(span_id()).append("-");
  // Only the sampled flag is defined in version 00; others must not be passed on.
  out.append(sampled() ? "01" : "00");
  return out;
}

}  // namespace switchyard::telemetry

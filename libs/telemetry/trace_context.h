#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/random.h"

namespace switchyard::telemetry {

// The W3C trace context of one operation, kept as the lower-case hexadecimal that it travels and is logged as.
// Never all zero.
class TraceContext {
 public:
  static constexpr std::string_view kMetadataKey = "traceparent";

  // Starts a trace.
  static TraceContext New(Rng& rng);
  // Reads a traceparent header. Versions after 00 are read as far as 00 goes, as the recommendation demands; nothing
  // for the invalid version ff, zero ids, upper case or a wrong length.
  static std::optional<TraceContext> Parse(std::string_view traceparent);

  // The same trace, a new span: what goes out with a call made on behalf of this operation.
  TraceContext Child(Rng& rng) const;
  std::string Format() const;

  std::string_view trace_id() const { return {trace_.data(), trace_.size()}; }
  std::string_view span_id() const { return {span_.data(), span_.size()}; }
  bool sampled() const { return (flags_ & 1) != 0; }

  friend bool operator==(const TraceContext&, const TraceContext&) = default;

 private:
  TraceContext() = default;

  std::array<char, 32> trace_{};
  std::array<char, 16> span_{};
  std::uint8_t flags_ = 0;
};

}  // namespace switchyard::telemetry

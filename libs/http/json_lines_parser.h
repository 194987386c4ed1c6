#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::http {

// Newline-delimited JSON out of pieces cut anywhere. Only finds the lines: what is in them is the reader's to parse.
// Blank lines and a CR before the LF are dropped. Not thread-safe.
class JsonLinesParser {
 public:
  // The line without its end. Valid during the call. Returning false stops: everything later is ignored.
  using OnLine = std::function<bool(std::string_view line)>;

  explicit JsonLinesParser(OnLine on_line, std::size_t max_line_bytes = std::size_t{1} << 20);

  // RESOURCE_EXHAUSTED, reason JSON_LINE_TOO_LARGE, from then on, once a line exceeds the bound.
  absl::Status Push(std::string_view piece);
  // The stream ended: what stands after the last LF is a line too. A cut line is not JSON, so its reader notices.
  absl::Status Finish();

  bool stopped() const { return stopped_; }

 private:
  void Emit(std::string_view line);

  const OnLine on_line_;
  const std::size_t max_line_bytes_;
  // The unfinished line; at most max_line_bytes_.
  std::string line_;
  bool stopped_ = false;
  absl::Status failed_;
};

}  // namespace switchyard::http

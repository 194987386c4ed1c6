#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace switchyard::http {

struct SseEvent {
  // Empty when the stream named none, which readers treat as "message".
  std::string type;
  // Lines of data joined by "\n".
  std::string data;
  // The last one that the stream set; stays for later events.
  std::string id;
};

// Server-sent events out of pieces cut anywhere: lines end in LF, CR or CRLF, a BOM is skipped, comments and unknown
// fields are ignored, `retry` too. Events without data are not events. An event that no blank line ended is dropped, as
// the standard says: see unfinished(). Not thread-safe.
class SseParser {
 public:
  // Returning false stops: the rest of the piece and later pieces are ignored.
  using OnEvent = std::function<bool(const SseEvent& event)>;

  // `max_event_bytes` bounds one line and the data of one event, and so the memory held.
  explicit SseParser(OnEvent on_event, std::size_t max_event_bytes = std::size_t{1} << 20);

  // RESOURCE_EXHAUSTED, reason SSE_TOO_LARGE, from then on, once something exceeds the bound.
  absl::Status Push(std::string_view piece);

  // Whether the stream, ending here, would end within an event.
  bool unfinished() const { return !line_.empty() || has_data_; }
  bool stopped() const { return stopped_; }

 private:
  absl::Status Append(std::string_view text);
  absl::Status EndLine();
  void Dispatch();

  const OnEvent on_event_;
  const std::size_t max_event_bytes_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false;
  bool last_was_cr_ = false;
  bool first_line_ = true;
  bool stopped_ = false;
  absl::Status failed_;
};

}  // namespace switchyard::http

#include "libs/http/sse_parser.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::http {

SseParser::SseParser(OnEvent on_event, std::size_t max_event_bytes)
    : on_event_(std::move(on_event)), max_event_bytes_(max_event_bytes) {}

absl::Status SseParser::Push(std::string_view piece) {
  if (!failed_.ok()) return failed_;
  while (!piece.empty() && !stopped_) {
    if (std::exchange(last_was_cr_, false) && piece.front() == '\n') {
      piece.remove_prefix(1);
      continue;
    }
    const std::size_t end = piece.find_first_of("\r\n");
    if (end == std::string_view::npos) return Append(piece);
    SY_RETURN_IF_ERROR(Append(piece.substr(0, end)));
    last_was_cr_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    SY_RETURN_IF_ERROR(EndLine());
  }
  return absl::OkStatus();
}

absl::Status SseParser::Append(std::string_view text) {
  if (text.size() > max_event_bytes_ - line_.size()) {
    failed_ =
        MakeError(absl::StatusCode::kResourceExhausted, "SSE_TOO_LARGE", "a line of the event stream is too long");
    return failed_;
  }
  line_.append(text);
  return absl::OkStatus();
}

absl::Status SseParser::EndLine() {
  std::string_view line = line_;
  if (std::exchange(first_line_, false) && line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
  if (line.empty()) {
    Dispatch();
    line_.clear();
    return absl::OkStatus();
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (field == "data") {
    if (value.size() + 1 > max_event_bytes_ - event_.data.size()) {
      failed_ = MakeError(absl::StatusCode::kResourceExhausted, "SSE_TOO_LARGE", "an event of the stream is too long");
      return failed_;
    }
    if (has_data_) event_.data.push_back('\n');
    event_.data.append(value);
    has_data_ = true;
  } else if (field == "event") {
    event_.type = std::string(value);
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = std::string(value);
  }
  line_.clear();
  return absl::OkStatus();
}

void SseParser::Dispatch() {
  if (has_data_) stopped_ = !on_event_(event_);
  event_.type.clear();
  event_.data.clear();
  has_data_ = false;
}

}  // namespace switchyard::http

#include "libs/http/json_lines_parser.h"

#include <utility>

#include "libs/base/status.h"

namespace switchyard::http {

JsonLinesParser::JsonLinesParser(OnLine on_line, std::size_t max_line_bytes)
    : on_line_(std::move(on_line)), max_line_bytes_(max_line_bytes) {}

absl::Status JsonLinesParser::Push(std::string_view piece) {
  while (failed_.ok() && !piece.empty() && !stopped_) {
    const std::size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (part.size() > max_line_bytes_ - line_.size()) {
      failed_ =
          MakeError(absl::StatusCode::kResourceExhausted, "JSON_LINE_TOO_LARGE", "a line of the answer is too long");
      line_ = std::string();
    } else if (end == std::string_view::npos) {
      line_.append(part);
      break;
    } else if (line_.empty()) {
      Emit(part);
    } else {
      line_.append(part);
      Emit(line_);
      line_.clear();
    }
    piece.remove_prefix(end == std::string_view::npos ? piece.size() : end + 1);
  }
  return failed_;
}

absl::Status JsonLinesParser::Finish() {
  if (failed_.ok() && !stopped_) Emit(line_);
  line_.clear();
  return failed_;
}

void JsonLinesParser::Emit(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.find_first_not_of(" \t") == std::string_view::npos) return;
  stopped_ = !on_line_(line);
}

}  // namespace switchyard::http

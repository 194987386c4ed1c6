// Feeds both stream parsers anything, cut anywhere: they must answer, stay within their bound, and find the same in
// pieces as in one piece.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/json_lines_parser.h"
#include "libs/http/sse_parser.h"

namespace {

constexpr std::size_t kBound = 64;

struct Found {
  std::vector<std::string> parts;
  bool ok = true;

  friend bool operator==(const Found&, const Found&) = default;
};

// Pieces of `step` bytes.
template <class Parser>
bool PushAll(Parser& parser, std::string_view text, std::size_t step) {
  for (std::size_t at = 0; at < text.size(); at += step) {
    if (!parser.Push(text.substr(at, step)).ok()) return false;
  }
  return true;
}

Found Events(std::string_view text, std::size_t step) {
  Found found;
  switchyard::http::SseParser parser(
      [&found](const switchyard::http::SseEvent& event) {
        if (event.data.size() > kBound) __builtin_trap();
        found.parts.push_back(event.type + '\0' + event.data + '\0' + event.id);
        return event.data != "stop";
      },
      kBound);
  found.ok = PushAll(parser, text, step);
  return found;
}

Found Lines(std::string_view text, std::size_t step) {
  Found found;
  switchyard::http::JsonLinesParser parser(
      [&found](std::string_view line) {
        if (line.empty() || line.size() > kBound || line.find('\n') != std::string_view::npos) __builtin_trap();
        found.parts.emplace_back(line);
        return line != "stop";
      },
      kBound);
  found.ok = PushAll(parser, text, step) && parser.Finish().ok();
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t step = std::size_t{data[0]} % 7 + 1;
  const std::size_t whole = std::max<std::size_t>(text.size(), 1);
  if (!(Events(text, step) == Events(text, whole))) __builtin_trap();
  if (!(Lines(text, step) == Lines(text, whole))) __builtin_trap();
  return 0;
}

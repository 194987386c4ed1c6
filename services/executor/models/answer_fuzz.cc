// Feeds the decoders of all protocols anything, cut anywhere: they must answer, keep to their bounds, and make the same
// of it in pieces as in one piece. What an endpoint says when it fails is read too.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/executor/models/answer_decoder.h"
#include "services/executor/models/classify.h"

namespace {

namespace models = switchyard::executor::models;

constexpr models::AnswerBounds kBounds = {
    .answer_bytes = 256, .thinking_bytes = 64, .event_bytes = 512, .tool_calls = 4};

struct Found {
  models::CallOutcome outcome = models::CallOutcome::kSuccess;
  models::Answer answer;
  std::string parts;
};

Found Decode(models::Protocol protocol, models::Framing framing, std::string_view text, std::size_t step) {
  Found found;
  models::AnswerDecoder decoder(protocol, framing, kBounds, [&found](models::Part part, std::string_view piece) {
    if (piece.empty()) __builtin_trap();
    found.parts.append(piece).append(1, static_cast<char>('0' + static_cast<int>(part)));
  });
  for (std::size_t at = 0; at < text.size(); at += step) {
    if (!decoder.Push(text.substr(at, step))) break;
  }
  decoder.End();
  found.outcome = decoder.outcome();
  if (decoder.detail().size() > 500) __builtin_trap();
  found.answer = decoder.TakeAnswer();
  std::size_t bytes = found.answer.text.size();
  for (const models::ToolCall& call : found.answer.tool_calls) bytes += call.arguments.size();
  // An empty object is put in for a call without arguments.
  if (bytes > kBounds.answer_bytes + 2 * kBounds.tool_calls) __builtin_trap();
  if (found.answer.thinking.size() > kBounds.thinking_bytes) __builtin_trap();
  if (found.answer.tool_calls.size() > kBounds.tool_calls) __builtin_trap();
  return found;
}

bool Same(const Found& a, const Found& b) {
  return a.outcome == b.outcome && a.parts == b.parts && a.answer.text == b.answer.text &&
         a.answer.thinking == b.answer.thinking && a.answer.tool_calls == b.answer.tool_calls &&
         a.answer.model == b.answer.model && a.answer.usage == b.answer.usage && a.answer.finish == b.answer.finish;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t step = std::size_t{data[0]} % 7 + 1;
  const std::size_t whole = std::max<std::size_t>(text.size(), 1);
  for (const models::Protocol protocol :
       {models::Protocol::kOllama, models::Protocol::kOpenAi, models::Protocol::kAnthropic}) {
    for (const models::Framing framing : {models::Framing::kStream, models::Framing::kWhole}) {
      if (!Same(Decode(protocol, framing, text, step), Decode(protocol, framing, text, whole))) __builtin_trap();
    }
    const int status = 300 + data[1];
    const models::Trouble trouble = models::ClassifyStatus(protocol, status, {}, text, absl::UnixEpoch());
    if (trouble.outcome == models::CallOutcome::kSuccess || trouble.detail.size() > 600) __builtin_trap();
  }
  return 0;
}

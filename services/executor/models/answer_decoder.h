#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/json_lines_parser.h"
#include "libs/http/sse_parser.h"
#include "services/executor/models/answer_reader.h"

namespace switchyard::executor::models {

enum class Framing {
  // Lines of JSON for Ollama, server-sent events for the others.
  kStream,
  // One JSON document, which servers may send also when asked to stream.
  kWhole,
};

// "application/json" of a protocol that streams events says that the server did not stream.
Framing FramingOf(Protocol protocol, std::string_view content_type);

// From the bytes of an answer to what was said: incremental, the same however they are cut, in bounded memory whatever
// comes: the answer's bound, and one event. Not thread-safe.
class AnswerDecoder {
 public:
  AnswerDecoder(Protocol protocol, Framing framing, AnswerBounds bounds, AnswerReader::OnPart on_part = nullptr);
  AnswerDecoder(const AnswerDecoder&) = delete;
  AnswerDecoder& operator=(const AnswerDecoder&) = delete;

  // False once nothing more is of use: failed(), or over().
  bool Push(std::string_view piece);
  // No more bytes come, whether the transfer ended well or not. Once.
  void End();

  // Decided before the end: too long, an error within the stream, nonsense.
  bool failed() const { return reader_->failed(); }
  // The end mark came.
  bool over() const { return reader_->over(); }
  // What makes an answer whole has come; more may follow, such as counts. Anthropic's end mark makes it.
  bool complete() const;

  // What it comes to, after End(): kStreamCut when it is not complete.
  CallOutcome outcome() const;
  // For people, of a failure.
  const std::string& detail() const { return reader_->detail(); }
  const Answer& answer() const { return reader_->answer(); }
  Answer TakeAnswer() { return std::move(reader_->mutable_answer()); }

 private:
  // The status of a parser: false when it gave up.
  bool Check(const absl::Status& status);

  const Protocol protocol_;
  const AnswerBounds bounds_;
  const std::unique_ptr<AnswerReader> reader_;
  std::unique_ptr<http::JsonLinesParser> lines_;
  std::unique_ptr<http::SseParser> events_;
  // Of kWhole.
  std::string whole_;
};

}  // namespace switchyard::executor::models

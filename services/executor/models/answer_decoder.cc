#include "services/executor/models/answer_decoder.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::executor::models {
namespace {

std::unique_ptr<AnswerReader> MakeReader(Protocol protocol, AnswerBounds bounds, AnswerReader::OnPart on_part) {
  switch (protocol) {
    case Protocol::kOllama:
      return MakeOllamaReader(bounds, std::move(on_part));
    case Protocol::kOpenAi:
      return MakeOpenAiReader(bounds, std::move(on_part));
    case Protocol::kAnthropic:
      break;
  }
  return MakeAnthropicReader(bounds, std::move(on_part));
}

}  // namespace

Framing FramingOf(Protocol protocol, std::string_view content_type) {
  // A line of JSON is a document too, so Ollama's framing takes both.
  if (protocol == Protocol::kOllama) return Framing::kStream;
  return absl::StartsWithIgnoreCase(ToAbsl(content_type), "application/json") ? Framing::kWhole : Framing::kStream;
}

AnswerDecoder::AnswerDecoder(Protocol protocol, Framing framing, AnswerBounds bounds, AnswerReader::OnPart on_part)
    : protocol_(protocol), bounds_(bounds), reader_(MakeReader(protocol, bounds, std::move(on_part))) {
  if (framing == Framing::kWhole) return;
  if (protocol == Protocol::kOllama) {
    lines_ = std::make_unique<http::JsonLinesParser>([this](std::string_view line) { return reader_->Take("", line); },
                                                     bounds.event_bytes);
  } else {
    events_ = std::make_unique<http::SseParser>(
        [this](const http::SseEvent& event) { return reader_->Take(event.type, event.data); }, bounds.event_bytes);
  }
}

bool AnswerDecoder::Check(const absl::Status& status) {
  if (!status.ok()) reader_->Fail(CallOutcome::kNonsense, ToStd(status.message()));
  return !failed() && !over();
}

bool AnswerDecoder::Push(std::string_view piece) {
  if (failed() || over()) return false;
  if (lines_ != nullptr) return Check(lines_->Push(piece));
  if (events_ != nullptr) return Check(events_->Push(piece));
  // Text in JSON is longer than itself.
  if (whole_.size() + piece.size() > bounds_.answer_bytes + bounds_.event_bytes) {
    return reader_->Fail(CallOutcome::kTooLong, absl::StrCat("more than ", bounds_.answer_bytes, " bytes"));
  }
  whole_ += piece;
  return true;
}

void AnswerDecoder::End() {
  if (!failed() && !over()) {
    if (lines_ != nullptr) {
      // A line without its end was cut unless it is whole by chance; then it is taken.
      Check(lines_->Finish());
    } else if (events_ == nullptr) {
      reader_->TakeWhole(std::exchange(whole_, ""));
    }
  }
  reader_->End();
}

bool AnswerDecoder::complete() const {
  if (failed()) return false;
  return over() || (protocol_ == Protocol::kOpenAi && answer().finish != Finish::kNone);
}

CallOutcome AnswerDecoder::outcome() const {
  if (failed()) return reader_->outcome();
  if (!complete()) return CallOutcome::kStreamCut;
  switch (answer().finish) {
    case Finish::kLength:
      return CallOutcome::kTruncated;
    case Finish::kContext:
      return CallOutcome::kContextExceeded;
    case Finish::kRefused:
      return CallOutcome::kRefused;
    case Finish::kNone:
    case Finish::kOther:
      return CallOutcome::kNonsense;
    case Finish::kStop:
    case Finish::kToolCalls:
      break;
  }
  for (const ToolCall& call : answer().tool_calls) {
    if (call.name.empty() || !IsJsonObject(call.arguments)) return CallOutcome::kNonsense;
  }
  return answer().text.empty() && answer().tool_calls.empty() ? CallOutcome::kEmpty : CallOutcome::kSuccess;
}

}  // namespace switchyard::executor::models

// What one protocol's events and lines mean. Under AnswerDecoder, which cuts them out of bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "services/executor/models/call_outcome.h"
#include "services/executor/models/conversation.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::models {

struct AnswerBounds {
  // Of text and arguments of tools together.
  std::size_t answer_bytes = std::size_t{8} << 20;
  // Of thinking, its beginning.
  std::size_t thinking_bytes = std::size_t{64} << 10;
  // Of one line or event, and so of what an Ollama tool is called with.
  std::size_t event_bytes = std::size_t{4} << 20;
  std::size_t tool_calls = 128;
};

enum class Part { kText, kThinking, kToolArguments };

// Not thread-safe.
class AnswerReader {
 public:
  // In order, as it comes; not called with nothing.
  using OnPart = std::function<void(Part part, std::string_view text)>;

  virtual ~AnswerReader() = default;
  AnswerReader(const AnswerReader&) = delete;
  AnswerReader& operator=(const AnswerReader&) = delete;

  // One event or line; `type` is the event's, where the framing has one. False once nothing more is of use: failed(),
  // or over().
  bool Take(std::string_view type, std::string_view data);
  // An answer that was not streamed.
  bool TakeWhole(std::string_view data);
  // Nothing more comes.
  virtual void End();

  bool failed() const { return outcome_ != CallOutcome::kSuccess; }
  // The end mark came.
  bool over() const { return over_; }
  CallOutcome outcome() const { return outcome_; }
  // Bounded, redacted, printable.
  const std::string& detail() const { return detail_; }
  const Answer& answer() const { return answer_; }
  Answer& mutable_answer() { return answer_; }

  // False always, for the last line of a reader.
  bool Fail(CallOutcome outcome, std::string_view detail);

 protected:
  AnswerReader(AnswerBounds bounds, OnPart on_part) : bounds_(bounds), on_part_(std::move(on_part)) {}

  // Also for events whose type says what they are.
  virtual bool TakeJson(std::string_view type, const Json& json) = 0;
  virtual bool TakeWholeJson(const Json& json) = 0;
  // Data that is no JSON and has a meaning. False: it has none.
  virtual bool TakeMark(std::string_view) { return false; }

  // Each is false when it failed by its bound.
  bool AddText(std::string_view text);
  void AddThinking(std::string_view text);
  bool BeginCall(std::string id, std::string_view name);
  bool AddArguments(std::size_t call, std::string_view text);
  // A call that comes in one piece; `arguments` may be an object or text.
  bool AddWholeCall(std::string id, std::string_view name, const Json& arguments);
  void SetFinish(Finish finish, std::string_view word);
  // An error of the endpoint within its answer.
  bool FailByError(const Json& error);

  void SetOver() { over_ = true; }

  Answer answer_;

 private:
  bool Spend(std::size_t bytes);

  const AnswerBounds bounds_;
  const OnPart on_part_;
  std::size_t spent_ = 0;
  bool over_ = false;
  CallOutcome outcome_ = CallOutcome::kSuccess;
  std::string detail_;
};

std::unique_ptr<AnswerReader> MakeOllamaReader(AnswerBounds bounds, AnswerReader::OnPart on_part);
std::unique_ptr<AnswerReader> MakeOpenAiReader(AnswerBounds bounds, AnswerReader::OnPart on_part);
std::unique_ptr<AnswerReader> MakeAnthropicReader(AnswerBounds bounds, AnswerReader::OnPart on_part);

}  // namespace switchyard::executor::models

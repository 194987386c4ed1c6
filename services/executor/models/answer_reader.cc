#include "services/executor/models/answer_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "services/executor/models/classify.h"

namespace switchyard::executor::models {
namespace {

constexpr std::size_t kNameBytes = 200;
// Of what could not be read.
constexpr std::size_t kShown = 200;

std::string Short(std::string_view text) { return std::string(text::TruncateUtf8(text, kNameBytes)); }

}  // namespace

bool AnswerReader::Fail(CallOutcome outcome, std::string_view detail) {
  if (!failed()) {
    outcome_ = outcome;
    detail_ = ShownError(detail);
  }
  return false;
}

bool AnswerReader::Take(std::string_view type, std::string_view data) {
  if (failed() || over_) return false;
  if (TakeMark(data)) return !failed() && !over_;
  const std::optional<Json> json = ParseJson(data);
  if (!json.has_value() || !json->is_object()) {
    return Fail(CallOutcome::kNonsense,
                absl::StrCat("a part of the answer is no JSON object: ", ToAbsl(data.substr(0, kShown))));
  }
  return TakeJson(type, *json) && !failed() && !over_;
}

bool AnswerReader::TakeWhole(std::string_view data) {
  if (failed() || over_) return false;
  const std::optional<Json> json = ParseJson(data);
  if (!json.has_value() || !json->is_object()) {
    return Fail(CallOutcome::kNonsense, absl::StrCat("the answer is no JSON object: ", ToAbsl(data.substr(0, kShown))));
  }
  if (!TakeWholeJson(*json) || failed()) return false;
  over_ = true;
  return false;
}

void AnswerReader::End() {
  // A tool without parameters comes without arguments.
  for (ToolCall& call : answer_.tool_calls) {
    if (call.arguments.empty()) call.arguments = "{}";
  }
}

bool AnswerReader::Spend(std::size_t bytes) {
  if (bytes > bounds_.answer_bytes - spent_) {
    return Fail(CallOutcome::kTooLong, absl::StrCat("more than ", bounds_.answer_bytes, " bytes"));
  }
  spent_ += bytes;
  return true;
}

bool AnswerReader::AddText(std::string_view text) {
  if (text.empty()) return true;
  if (!Spend(text.size())) return false;
  answer_.text += text;
  if (on_part_) on_part_(Part::kText, text);
  return true;
}

void AnswerReader::AddThinking(std::string_view text) {
  if (text.empty()) return;
  answer_.thinking_bytes += text.size();
  if (answer_.thinking.size() < bounds_.thinking_bytes) {
    answer_.thinking += text::TruncateUtf8(text, bounds_.thinking_bytes - answer_.thinking.size());
  }
  if (on_part_) on_part_(Part::kThinking, text);
}

bool AnswerReader::BeginCall(std::string id, std::string_view name) {
  if (answer_.tool_calls.size() == bounds_.tool_calls) {
    return Fail(CallOutcome::kTooLong, absl::StrCat("more than ", bounds_.tool_calls, " calls of tools"));
  }
  if (id.empty()) id = absl::StrCat("call_", answer_.tool_calls.size());
  answer_.tool_calls.push_back({.id = Short(id), .name = Short(name), .arguments = ""});
  return true;
}

bool AnswerReader::AddArguments(std::size_t call, std::string_view text) {
  if (text.empty() || call >= answer_.tool_calls.size()) return true;
  if (!Spend(text.size())) return false;
  answer_.tool_calls[call].arguments += text;
  if (on_part_) on_part_(Part::kToolArguments, text);
  return true;
}

bool AnswerReader::AddWholeCall(std::string id, std::string_view name, const Json& arguments) {
  if (!BeginCall(std::move(id), name)) return false;
  const std::string text = arguments.is_string() ? TextOf(arguments)
                           : arguments.is_null() ? std::string("{}")
                                                 : DumpJson(arguments);
  return AddArguments(answer_.tool_calls.size() - 1, text);
}

void AnswerReader::SetFinish(Finish finish, std::string_view word) {
  answer_.finish = finish;
  answer_.finish_word = Short(word);
}

bool AnswerReader::FailByError(const Json& error) {
  const Trouble trouble = ClassifyStreamError(error);
  return Fail(trouble.outcome, trouble.detail);
}

}  // namespace switchyard::executor::models

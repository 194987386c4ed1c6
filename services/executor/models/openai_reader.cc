#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/models/answer_reader.h"

namespace switchyard::executor::models {
namespace {

std::optional<absl::Duration> MillisOf(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  const double millis = json.get<double>();
  if (!(millis >= 0) || millis > 1e12) return std::nullopt;
  return absl::Milliseconds(millis);
}

Finish FinishOf(std::string_view word) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(word));
  for (const char* stop : {"stop", "eos", "eos_token", "end_turn", "stop_sequence"}) {
    if (lower == stop) return Finish::kStop;
  }
  if (lower == "tool_calls" || lower == "function_call" || lower == "tool_use") return Finish::kToolCalls;
  if (lower == "length" || lower == "max_tokens") return Finish::kLength;
  if (lower == "content_filter" || lower == "refusal" || lower == "safety") return Finish::kRefused;
  if (lower == "model_context_window_exceeded") return Finish::kContext;
  return Finish::kOther;
}

// Chat completions, of whoever speaks them.
class OpenAiReader final : public AnswerReader {
 public:
  OpenAiReader(AnswerBounds bounds, OnPart on_part) : AnswerReader(bounds, std::move(on_part)) {}

 protected:
  bool TakeMark(std::string_view data) override {
    if (absl::StripAsciiWhitespace(ToAbsl(data)) != "[DONE]") return false;
    // Without a reason to finish it is no end: Ollama's layer of compatibility hides errors like that.
    if (answer_.finish == Finish::kNone) {
      Fail(CallOutcome::kStreamCut, "the stream says that it is done without a finish_reason");
    } else {
      SetOver();
    }
    return true;
  }

  bool TakeJson(std::string_view type, const Json& json) override {
    if (const Json& error = Member(json, "error"); !error.is_null()) return FailByError(error);
    if (type == "error") return FailByError(json);
    TakeCommon(json);
    const Json* const choice = FirstChoice(json);
    if (choice == nullptr) return true;
    if (!TakeMessage(Member(*choice, "delta"))) return false;
    TakeReason(*choice);
    return true;
  }

  bool TakeWholeJson(const Json& json) override {
    if (const Json& error = Member(json, "error"); !error.is_null()) return FailByError(error);
    TakeCommon(json);
    const Json* const choice = FirstChoice(json);
    if (choice == nullptr) return Fail(CallOutcome::kNonsense, "the answer has no choices");
    if (!TakeMessage(Member(*choice, "message"))) return false;
    TakeReason(*choice);
    return answer_.finish != Finish::kNone || Fail(CallOutcome::kStreamCut, "the answer has no finish_reason");
  }

 private:
  static const Json* FirstChoice(const Json& json) {
    const Json& choices = Member(json, "choices");
    if (!choices.is_array()) return nullptr;
    for (const Json& choice : choices) {
      if (CountOf(Member(choice, "index")).value_or(0) == 0) return &choice;
    }
    return nullptr;
  }

  void TakeCommon(const Json& json) {
    if (const std::string& model = TextOf(Member(json, "model")); !model.empty()) answer_.model = model;
    const Json& usage = Member(json, "usage");
    if (usage.is_object()) {
      answer_.usage.input = CountOf(Member(usage, "prompt_tokens"));
      answer_.usage.output = CountOf(Member(usage, "completion_tokens"));
      const Json& details = Member(usage, "prompt_tokens_details");
      answer_.usage.cached_input = CountOf(Member(details, "cached_tokens")).value_or(0);
      // A LiteLLM proxy passes on what Anthropic counts.
      answer_.usage.cache_write_5m = CountOf(Member(usage, "cache_creation_input_tokens")).value_or(0);
    }
    // Of llama.cpp.
    const Json& timings = Member(json, "timings");
    if (timings.is_object()) {
      answer_.prompt_eval = MillisOf(Member(timings, "prompt_ms"));
      answer_.generation = MillisOf(Member(timings, "predicted_ms"));
    }
  }

  void TakeReason(const Json& choice) {
    const std::string& word = TextOf(Member(choice, "finish_reason"));
    if (word.empty()) return;
    Finish finish = FinishOf(word);
    if (refused_) finish = Finish::kRefused;
    SetFinish(finish, word);
  }

  bool TakeContent(const Json& content) {
    if (!content.is_array()) return AddText(TextOf(content));
    for (const Json& part : content) {
      if (!AddText(TextOf(Member(part, "text")))) return false;
    }
    return true;
  }

  bool TakeMessage(const Json& message) {
    AddThinking(TextOf(Member(message, "reasoning_content")));
    AddThinking(TextOf(Member(message, "reasoning")));
    refused_ = refused_ || !TextOf(Member(message, "refusal")).empty();
    if (!TakeContent(Member(message, "content"))) return false;
    const Json& calls = Member(message, "tool_calls");
    if (!calls.is_array()) return true;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (!TakeCall(calls[i], i)) return false;
    }
    return true;
  }

  // A fragment: it belongs to the call of the same index; some servers leave the index out and name each new call.
  bool TakeCall(const Json& call, std::size_t position) {
    const Json& function = Member(call, "function");
    const std::string& id = TextOf(Member(call, "id"));
    const std::string& name = TextOf(Member(function, "name"));
    const std::optional<std::int64_t> given = CountOf(Member(call, "index"));
    std::int64_t index = given.value_or(static_cast<std::int64_t>(position));
    if (!given.has_value() && !indices_.empty()) {
      index = id.empty() || id == answer_.tool_calls.back().id ? indices_.back() : indices_.back() + 1;
    }
    std::size_t at = 0;
    while (at < indices_.size() && indices_[at] != index) ++at;
    if (at == indices_.size()) {
      if (!BeginCall(id, name)) return false;
      indices_.push_back(index);
    }
    const Json& arguments = Member(function, "arguments");
    if (arguments.is_object() || arguments.is_array()) return AddArguments(at, DumpJson(arguments));
    return AddArguments(at, TextOf(arguments));
  }

  // Of the calls, in their order.
  std::vector<std::int64_t> indices_;
  bool refused_ = false;
};

}  // namespace

std::unique_ptr<AnswerReader> MakeOpenAiReader(AnswerBounds bounds, AnswerReader::OnPart on_part) {
  return std::make_unique<OpenAiReader>(bounds, std::move(on_part));
}

}  // namespace switchyard::executor::models

#include <utility>

#include "services/executor/models/answer_reader.h"

namespace switchyard::executor::models {
namespace {

std::optional<absl::Duration> NanosOf(const Json& json) {
  const std::optional<std::int64_t> nanos = CountOf(json);
  if (!nanos.has_value()) return std::nullopt;
  return absl::Nanoseconds(*nanos);
}

// Native chat: lines of JSON, tool calls whole, an error as a line of its own.
class OllamaReader final : public AnswerReader {
 public:
  OllamaReader(AnswerBounds bounds, OnPart on_part) : AnswerReader(bounds, std::move(on_part)) {}

 protected:
  bool TakeJson(std::string_view, const Json& json) override {
    if (const Json& error = Member(json, "error"); !error.is_null()) return FailByError(error);
    if (const std::string& model = TextOf(Member(json, "model")); !model.empty()) answer_.model = model;
    if (const std::string& host = TextOf(Member(json, "remote_host")); !host.empty()) answer_.remote_host = host;
    const Json& message = Member(json, "message");
    AddThinking(TextOf(Member(message, "thinking")));
    if (!AddText(TextOf(Member(message, "content")))) return false;
    if (const Json& calls = Member(message, "tool_calls"); calls.is_array()) {
      for (const Json& call : calls) {
        const Json& function = Member(call, "function");
        const std::string& id = TextOf(Member(call, "id"));
        if (!AddWholeCall(id, TextOf(Member(function, "name")), Member(function, "arguments"))) return false;
      }
    }
    if (IsTrue(Member(json, "done"))) TakeEnd(json);
    return true;
  }

  bool TakeWholeJson(const Json& json) override {
    if (!TakeJson("", json)) return false;
    return over() || Fail(CallOutcome::kStreamCut, "the answer does not say that it is done");
  }

 private:
  void TakeEnd(const Json& json) {
    answer_.usage.input = CountOf(Member(json, "prompt_eval_count"));
    answer_.usage.output = CountOf(Member(json, "eval_count"));
    answer_.load = NanosOf(Member(json, "load_duration"));
    answer_.prompt_eval = NanosOf(Member(json, "prompt_eval_duration"));
    answer_.generation = NanosOf(Member(json, "eval_duration"));
    answer_.total = NanosOf(Member(json, "total_duration"));
    const std::string& reason = TextOf(Member(json, "done_reason"));
    if (reason == "length") {
      SetFinish(Finish::kLength, reason);
    } else if (reason.empty() || reason == "stop") {
      SetFinish(answer_.tool_calls.empty() ? Finish::kStop : Finish::kToolCalls, reason);
    } else {
      // "load" and "unload" answer a request without messages.
      SetFinish(Finish::kOther, reason);
    }
    SetOver();
  }
};

}  // namespace

std::unique_ptr<AnswerReader> MakeOllamaReader(AnswerBounds bounds, AnswerReader::OnPart on_part) {
  return std::make_unique<OllamaReader>(bounds, std::move(on_part));
}

}  // namespace switchyard::executor::models

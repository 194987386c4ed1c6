#include <algorithm>
#include <map>
#include <utility>

#include "libs/base/strings.h"
#include "services/executor/models/answer_reader.h"

namespace switchyard::executor::models {
namespace {

Finish FinishOf(std::string_view word) {
  if (word == "end_turn" || word == "stop_sequence") return Finish::kStop;
  if (word == "tool_use") return Finish::kToolCalls;
  if (word == "max_tokens") return Finish::kLength;
  if (word == "refusal") return Finish::kRefused;
  if (word == "model_context_window_exceeded") return Finish::kContext;
  // "pause_turn" too: the answer is not whole, and nothing here goes on with it.
  return Finish::kOther;
}

// Messages. Unknown events, blocks and deltas are passed over, as its makers ask.
class AnthropicReader final : public AnswerReader {
 public:
  AnthropicReader(AnswerBounds bounds, OnPart on_part) : AnswerReader(bounds, std::move(on_part)) {}

  void End() override {
    AnswerReader::End();
    if (over() || failed()) return;
    // A reason to stop without the last event is a stream that was cut behind it.
    answer_.finish = Finish::kNone;
  }

 protected:
  bool TakeJson(std::string_view event, const Json& json) override {
    const std::string& named = TextOf(Member(json, "type"));
    const std::string_view type = named.empty() ? event : std::string_view(named);
    if (type == "error") return FailByError(Member(json, "error"));
    if (type == "message_start") {
      TakeMessage(Member(json, "message"));
    } else if (type == "content_block_start") {
      return BeginBlock(Index(json), Member(json, "content_block"));
    } else if (type == "content_block_delta") {
      return TakeDelta(Index(json), Member(json, "delta"));
    } else if (type == "message_delta") {
      TakeReason(Member(json, "delta"));
      TakeUsage(Member(json, "usage"));
    } else if (type == "message_stop") {
      if (answer_.finish == Finish::kNone) return Fail(CallOutcome::kStreamCut, "it stopped without a reason");
      SetOver();
    }
    return true;
  }

  bool TakeWholeJson(const Json& json) override {
    if (const Json& error = Member(json, "error"); !error.is_null()) return FailByError(error);
    TakeMessage(json);
    TakeReason(json);
    if (const Json& content = Member(json, "content"); content.is_array()) {
      std::int64_t index = 0;
      for (const Json& block : content) {
        if (!BeginBlock(index++, block)) return false;
      }
    }
    return answer_.finish != Finish::kNone || Fail(CallOutcome::kStreamCut, "the answer has no stop_reason");
  }

 private:
  static std::int64_t Index(const Json& json) { return CountOf(Member(json, "index")).value_or(0); }

  void TakeMessage(const Json& message) {
    if (const std::string& model = TextOf(Member(message, "model")); !model.empty()) answer_.model = model;
    TakeUsage(Member(message, "usage"));
  }

  void TakeReason(const Json& json) {
    const std::string& word = TextOf(Member(json, "stop_reason"));
    if (!word.empty()) SetFinish(FinishOf(word), word);
  }

  // Cumulative; what a later one leaves out stays.
  void TakeUsage(const Json& usage) {
    if (!usage.is_object()) return;
    const auto keep = [&usage](const char* name, std::optional<std::int64_t>& value) {
      if (const std::optional<std::int64_t> count = CountOf(Member(usage, name)); count.has_value()) value = count;
    };
    keep("input_tokens", fresh_);
    keep("cache_read_input_tokens", read_);
    keep("cache_creation_input_tokens", written_);
    keep("output_tokens", answer_.usage.output);
    const Json& creation = Member(usage, "cache_creation");
    if (const auto hour = CountOf(Member(creation, "ephemeral_1h_input_tokens")); hour.has_value()) {
      answer_.usage.cache_write_1h = std::min(*hour, written_.value_or(*hour));
    }
    if (fresh_.has_value()) answer_.usage.input = *fresh_ + read_.value_or(0) + written_.value_or(0);
    answer_.usage.cached_input = read_.value_or(0);
    answer_.usage.cache_write_5m = written_.value_or(0) - std::min(written_.value_or(0), answer_.usage.cache_write_1h);
  }

  bool BeginBlock(std::int64_t index, const Json& block) {
    const std::string& type = TextOf(Member(block, "type"));
    if (type == "text") return AddText(TextOf(Member(block, "text")));
    if (type == "thinking") AddThinking(TextOf(Member(block, "thinking")));
    if (type != "tool_use") return true;
    if (!BeginCall(TextOf(Member(block, "id")), TextOf(Member(block, "name")))) return false;
    const std::size_t call = answer_.tool_calls.size() - 1;
    calls_[index] = call;
    const Json& input = Member(block, "input");
    return !input.is_object() || input.empty() || AddArguments(call, DumpJson(input));
  }

  bool TakeDelta(std::int64_t index, const Json& delta) {
    const std::string& type = TextOf(Member(delta, "type"));
    if (type == "text_delta") return AddText(TextOf(Member(delta, "text")));
    if (type == "thinking_delta") AddThinking(TextOf(Member(delta, "thinking")));
    if (type != "input_json_delta") return true;
    const auto call = calls_.find(index);
    return call == calls_.end() || AddArguments(call->second, TextOf(Member(delta, "partial_json")));
  }

  // Of blocks that call tools; bounded by the number of calls.
  std::map<std::int64_t, std::size_t> calls_;
  // Of the prompt: neither read from nor written to a cache, read, written.
  std::optional<std::int64_t> fresh_;
  std::optional<std::int64_t> read_;
  std::optional<std::int64_t> written_;
};

}  // namespace

std::unique_ptr<AnswerReader> MakeAnthropicReader(AnswerBounds bounds, AnswerReader::OnPart on_part) {
  return std::make_unique<AnthropicReader>(bounds, std::move(on_part));
}

}  // namespace switchyard::executor::models

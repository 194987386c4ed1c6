#include "services/executor/models/answer_decoder.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/executor/models/testing_streams.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::executor::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr Protocol kAll[] = {Protocol::kOllama, Protocol::kOpenAi, Protocol::kAnthropic};

std::string Changed(std::string_view text, std::string_view from, std::string_view to) {
  const std::string changed = absl::StrReplaceAll({text.data(), text.size()}, {{std::string(from), std::string(to)}});
  EXPECT_NE(changed, text) << from << " is not in the stream";
  return changed;
}

// Without the last lines or events that hold one of these.
std::string Without(std::string_view text, std::string_view mark) {
  return std::string(text.substr(0, text.rfind(mark)));
}

void ExpectWhole(Protocol protocol, const Decoded& decoded) {
  EXPECT_EQ(decoded.outcome, CallOutcome::kSuccess) << ProtocolName(protocol) << ": " << decoded.detail;
  EXPECT_EQ(decoded.answer.text, "Grüße, ü 😀");
  EXPECT_EQ(decoded.streamed, decoded.answer.text);
  EXPECT_EQ(decoded.answer.thinking, "Let me think");
  ASSERT_FALSE(decoded.answer.tool_calls.empty());
  EXPECT_EQ(decoded.answer.tool_calls[0].name, "shell");
  EXPECT_EQ(decoded.answer.tool_calls[0].arguments, R"({"argv":["make","test"]})");
  EXPECT_EQ(decoded.answer.finish, Finish::kToolCalls);
  EXPECT_EQ(decoded.answer.usage.input, 26) << "the whole prompt, cached or not";
  EXPECT_EQ(decoded.answer.usage.output, 298);
}

TEST(AnswerDecoderTest, ReadsARecordedStreamOfEachProtocol) {
  for (const Protocol protocol : kAll) ExpectWhole(protocol, Decode(protocol, StreamOf(protocol)));
  const Decoded ollama = Decode(Protocol::kOllama, kOllamaStream);
  EXPECT_EQ(ollama.answer.model, "qwen2.5-coder:7b");
  EXPECT_EQ(ollama.answer.load, absl::Seconds(1));
  EXPECT_EQ(ollama.answer.prompt_eval, absl::Milliseconds(500));
  EXPECT_EQ(ollama.answer.generation, absl::Seconds(3));
  EXPECT_EQ(ollama.answer.total, absl::Seconds(5));
  const Decoded openai = Decode(Protocol::kOpenAi, kOpenAiStream);
  EXPECT_EQ(openai.answer.usage.cached_input, 20);
  ASSERT_EQ(openai.answer.tool_calls.size(), 2u);
  EXPECT_EQ(openai.answer.tool_calls[1], (ToolCall{.id = "call_2", .name = "now", .arguments = "{}"}));
  const Decoded anthropic = Decode(Protocol::kAnthropic, kAnthropicStream);
  EXPECT_EQ(anthropic.answer.model, "claude-sonnet-4-5-20250929");
  EXPECT_EQ(anthropic.answer.usage.cached_input, 12);
  EXPECT_EQ(anthropic.answer.usage.cache_write_5m, 5);
  EXPECT_EQ(anthropic.answer.usage.cache_write_1h, 3);
}

TEST(AnswerDecoderTest, ReadsTheSameWhereverThePiecesAreCut) {
  for (const Protocol protocol : kAll) {
    const std::string_view stream = StreamOf(protocol);
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      const Decoded decoded = DecodePieces(protocol, {stream.substr(0, cut), stream.substr(cut)});
      ExpectWhole(protocol, decoded);
      if (testing::Test::HasFailure()) FAIL() << ProtocolName(protocol) << " cut at " << cut;
    }
    std::vector<std::string_view> bytes;
    for (std::size_t at = 0; at < stream.size(); ++at) bytes.push_back(stream.substr(at, 1));
    ExpectWhole(protocol, DecodePieces(protocol, bytes));
  }
}

TEST(AnswerDecoderTest, AStreamThatEndsAnywhereBeforeItsEndMarkIsNoSuccess) {
  // Behind these the answer is whole: OpenAI's counts and [DONE] may be missing.
  const std::size_t whole[] = {kOllamaStream.size() - 1, kOpenAiStream.find("\"tool_calls\"}]}\n\n") + 17,
                               kAnthropicStream.size()};
  for (const Protocol protocol : kAll) {
    const std::string_view stream = StreamOf(protocol);
    const std::size_t end = whole[static_cast<int>(protocol)];
    for (std::size_t cut = 0; cut < stream.size(); ++cut) {
      const CallOutcome outcome = Decode(protocol, stream.substr(0, cut)).outcome;
      if (cut < end) {
        ASSERT_NE(outcome, CallOutcome::kSuccess) << ProtocolName(protocol) << " cut at " << cut;
      } else {
        ASSERT_EQ(outcome, CallOutcome::kSuccess) << ProtocolName(protocol) << " cut at " << cut;
      }
    }
  }
}

TEST(AnswerDecoderTest, ReadsAnswersThatWereNotStreamed) {
  ExpectWhole(Protocol::kOllama,
              DecodePieces(
                  Protocol::kOllama,
                  {R"({"model":"m","message":{"role":"assistant","content":"Grüße, ü 😀","thinking":"Let me think",)",
                   R"("tool_calls":[{"function":{"name":"shell","arguments":{"argv":["make","test"]}}}]},"done":true,)",
                   R"("done_reason":"stop","prompt_eval_count":26,"eval_count":298})"}));
  ExpectWhole(
      Protocol::kOpenAi,
      DecodePieces(Protocol::kOpenAi,
                   {R"({"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant",)",
                    R"("content":"Grüße, ü 😀","reasoning":"Let me think","tool_calls":[{"id":"c","function":{"name":)",
                    R"("shell","arguments":"{\"argv\":[\"make\",\"test\"]}"}}]}}],)",
                    R"("usage":{"prompt_tokens":26,"completion_tokens":298}})"},
                   Framing::kWhole));
  ExpectWhole(
      Protocol::kAnthropic,
      DecodePieces(Protocol::kAnthropic,
                   {R"({"type":"message","model":"m","content":[{"type":"thinking","thinking":"Let me think"},)",
                    R"({"type":"text","text":"Grüße, ü 😀"},{"type":"tool_use","id":"t","name":"shell","input":)",
                    R"({"argv":["make","test"]}}],"stop_reason":"tool_use","usage":{"input_tokens":26,)",
                    R"("output_tokens":298}})"},
                   Framing::kWhole));
  EXPECT_EQ(FramingOf(Protocol::kOpenAi, "application/json; charset=utf-8"), Framing::kWhole);
  EXPECT_EQ(FramingOf(Protocol::kAnthropic, "text/event-stream"), Framing::kStream);
  EXPECT_EQ(FramingOf(Protocol::kOllama, "application/json"), Framing::kStream);
}

TEST(AnswerDecoderTest, TellsTheReasonsToFinishApart) {
  EXPECT_EQ(
      Decode(Protocol::kOllama, Changed(kOllamaStream, R"("done_reason":"stop")", R"("done_reason":"length")")).outcome,
      CallOutcome::kTruncated);
  EXPECT_EQ(
      Decode(Protocol::kOllama, Changed(kOllamaStream, R"("done_reason":"stop")", R"("done_reason":"load")")).outcome,
      CallOutcome::kNonsense);
  const auto openai = [](const char* word) {
    return Decode(Protocol::kOpenAi, Changed(kOpenAiStream, "\"finish_reason\":\"tool_calls\"",
                                             absl::StrCat("\"finish_reason\":\"", word, "\"")))
        .outcome;
  };
  EXPECT_EQ(openai("length"), CallOutcome::kTruncated);
  EXPECT_EQ(openai("STOP"), CallOutcome::kSuccess) << "some write it so";
  EXPECT_EQ(openai("content_filter"), CallOutcome::kRefused);
  EXPECT_EQ(openai("abort"), CallOutcome::kNonsense);
  const auto anthropic = [](const char* word) {
    return Decode(Protocol::kAnthropic, Changed(kAnthropicStream, "\"tool_use\",\"stop_sequence\"",
                                                absl::StrCat("\"", word, "\",\"stop_sequence\"")))
        .outcome;
  };
  EXPECT_EQ(anthropic("max_tokens"), CallOutcome::kTruncated);
  EXPECT_EQ(anthropic("end_turn"), CallOutcome::kSuccess);
  EXPECT_EQ(anthropic("refusal"), CallOutcome::kRefused);
  EXPECT_EQ(anthropic("model_context_window_exceeded"), CallOutcome::kContextExceeded);
  EXPECT_EQ(anthropic("pause_turn"), CallOutcome::kNonsense) << "nobody here goes on with it";
}

TEST(AnswerDecoderTest, AMissingDoneIsFineAndAMissingFinishReasonIsNot) {
  EXPECT_EQ(Decode(Protocol::kOpenAi, Without(kOpenAiStream, "data: [DONE]")).outcome, CallOutcome::kSuccess);
  const Decoded lost =
      Decode(Protocol::kOpenAi, Changed(kOpenAiStream, "\"finish_reason\":\"tool_calls\"", "\"finish_reason\":null"));
  EXPECT_EQ(lost.outcome, CallOutcome::kStreamCut) << "an error that Ollama's /v1 hides looks like that";
  EXPECT_THAT(lost.detail, HasSubstr("finish_reason"));
}

TEST(AnswerDecoderTest, SeesAnErrorWithinAStreamOfStatus200) {
  const auto broken = [](Protocol protocol, std::string_view error) {
    const std::string_view stream = StreamOf(protocol);
    const std::size_t half = protocol == Protocol::kOllama ? stream.find("{\"model\"", 600) : stream.find("data:", 700);
    return Decode(protocol, absl::StrCat(std::string(stream.substr(0, half)), std::string(error)));
  };
  const Decoded ollama = broken(Protocol::kOllama, "{\"error\":\"llama runner process has terminated\"}\n");
  EXPECT_EQ(ollama.outcome, CallOutcome::kErrorInStream);
  EXPECT_THAT(ollama.detail, HasSubstr("terminated"));
  EXPECT_THAT(ollama.answer.text, Not(IsEmpty())) << "what there is of it stays";
  EXPECT_EQ(
      broken(Protocol::kOpenAi, "data: {\"error\":{\"message\":\"the engine died\",\"type\":\"server_error\"}}\n\n")
          .outcome,
      CallOutcome::kErrorInStream);
  EXPECT_EQ(broken(Protocol::kOpenAi, "event: error\ndata: {\"message\":\"the engine died\"}\n\n").outcome,
            CallOutcome::kErrorInStream);
  EXPECT_EQ(broken(Protocol::kAnthropic,
                   "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
                   "\"Overloaded\"}}\n\n")
                .outcome,
            CallOutcome::kOverloaded);
}

TEST(AnswerDecoderTest, WhatIsNoJsonIsNonsense) {
  for (const char* line : {"<html>", "{", "[1,2]", "\"text\"", "{\"message\":}", "nul", "\xff\xfe"}) {
    EXPECT_EQ(Decode(Protocol::kOllama, absl::StrCat(line, "\n")).outcome, CallOutcome::kNonsense) << line;
    EXPECT_EQ(Decode(Protocol::kOpenAi, absl::StrCat("data: ", line, "\n\n")).outcome, CallOutcome::kNonsense) << line;
    EXPECT_EQ(Decode(Protocol::kAnthropic, absl::StrCat("data: ", line, "\n\n")).outcome, CallOutcome::kNonsense);
  }
  EXPECT_EQ(Decode(Protocol::kOllama, absl::StrCat(std::string(100'000, '['), "\n")).outcome, CallOutcome::kNonsense);
  for (const Protocol protocol : kAll) EXPECT_EQ(Decode(protocol, "").outcome, CallOutcome::kStreamCut);
}

TEST(AnswerDecoderTest, MembersOfOtherTypesThanExpectedAreHarmless) {
  EXPECT_EQ(Decode(Protocol::kOllama,
                   "{\"model\":7,\"message\":[],\"done\":\"yes\"}\n{\"message\":{\"content\":{},\"tool_calls\":{}}}\n")
                .outcome,
            CallOutcome::kStreamCut);
  EXPECT_EQ(
      Decode(Protocol::kOpenAi, "data: {\"choices\":[7,null,{\"delta\":[]}],\"usage\":3,\"timings\":[]}\n\n").outcome,
      CallOutcome::kStreamCut);
  EXPECT_EQ(Decode(Protocol::kAnthropic,
                   "data: {\"type\":\"message_start\"}\n\ndata: {\"type\":4}\n\n"
                   "data: {\"type\":\"content_block_delta\",\"index\":-1}\n\n")
                .outcome,
            CallOutcome::kStreamCut);
  EXPECT_EQ(Decode(Protocol::kOllama, "{\"done\":true,\"eval_count\":-5,\"prompt_eval_count\":1e300}\n").answer.usage,
            TokenUsage{});
}

TEST(AnswerDecoderTest, AnEmptyAnswerIsNone) {
  EXPECT_EQ(Decode(Protocol::kOllama, "{\"done\":true,\"done_reason\":\"stop\"}\n").outcome, CallOutcome::kEmpty);
  EXPECT_EQ(Decode(Protocol::kOpenAi, "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n").outcome,
            CallOutcome::kEmpty);
}

TEST(AnswerDecoderTest, ArgumentsThatAreNoObjectAreNonsenseUnlessTheAnswerWasCut) {
  const std::string odd = Changed(kAnthropicStream, R"(\"test\"]})", R"(\"test\")");
  EXPECT_EQ(Decode(Protocol::kAnthropic, odd).outcome, CallOutcome::kNonsense);
  EXPECT_EQ(
      Decode(Protocol::kAnthropic, Changed(odd, "\"tool_use\",\"stop_sequence\"", "\"max_tokens\",\"stop_sequence\""))
          .outcome,
      CallOutcome::kTruncated);
}

TEST(AnswerDecoderTest, TakesCallsWithoutIndexAndArgumentsAsObjects) {
  const Decoded decoded = Decode(
      Protocol::kOpenAi,
      "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"one\",\"arguments\":{\"x\":1}}}"
      "]"
      "}}]}\n\ndata: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"b\",\"function\":{\"name\":\"two\",\"arguments\":\"{\"}}]"
      "}}]}\n\ndata: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":"
      "\"tool_calls\"}]}\n\n");
  EXPECT_EQ(decoded.outcome, CallOutcome::kSuccess) << decoded.detail;
  EXPECT_THAT(decoded.answer.tool_calls, ElementsAre(ToolCall{.id = "a", .name = "one", .arguments = "{\"x\":1}"},
                                                     ToolCall{.id = "b", .name = "two", .arguments = "{}"}));
}

TEST(AnswerDecoderTest, KeepsToItsBoundsWhateverComes) {
  const AnswerBounds bounds = {.answer_bytes = 1'000, .thinking_bytes = 10, .event_bytes = 4'096, .tool_calls = 2};
  AnswerDecoder decoder(Protocol::kOllama, Framing::kStream, bounds);
  const std::string line =
      absl::StrCat("{\"message\":{\"content\":\"", std::string(90, 'x'), "\",\"thinking\":\"longer than ten\"}}\n");
  int lines = 0;
  while (decoder.Push(line)) ASSERT_LT(++lines, 100);
  EXPECT_EQ(lines, 11);
  decoder.End();
  EXPECT_EQ(decoder.outcome(), CallOutcome::kTooLong);
  EXPECT_LE(decoder.answer().text.size(), 1'000u);
  EXPECT_EQ(decoder.answer().thinking, "longer tha");
  EXPECT_EQ(decoder.answer().thinking_bytes, 15u * 12);

  EXPECT_EQ(DecodePieces(Protocol::kOpenAi, {"data: ", std::string(5'000, 'x')}, Framing::kStream, bounds).outcome,
            CallOutcome::kNonsense)
      << "an event without end";
  EXPECT_EQ(DecodePieces(Protocol::kOpenAi, {std::string(6'000, ' ')}, Framing::kWhole, bounds).outcome,
            CallOutcome::kTooLong);
  std::string calls = "{\"message\":{\"tool_calls\":[";
  for (int i = 0; i < 3; ++i) absl::StrAppend(&calls, i > 0 ? "," : "", "{\"function\":{\"name\":\"f\"}}");
  EXPECT_EQ(DecodePieces(Protocol::kOllama, {absl::StrCat(calls, "]}}\n")}, Framing::kStream, bounds).outcome,
            CallOutcome::kTooLong);
}

TEST(AnswerDecoderTest, GarbageNeverEndsInSuccess) {
  unsigned state = 7;
  for (int round = 0; round < 300; ++round) {
    std::string garbage;
    for (int i = 0; i < 200; ++i) {
      state = state * 1'103'515'245 + 12'345;
      constexpr std::string_view kCharacters = "{}[]\":,\n\r dataevent\\u0\xc3\xa9";
      garbage += kCharacters[(state >> 16) % kCharacters.size()];
    }
    for (const Protocol protocol : kAll) EXPECT_NE(Decode(protocol, garbage).outcome, CallOutcome::kSuccess) << garbage;
  }
}

// What libFuzzer would try, without it: recorded streams with some bytes changed.
TEST(AnswerDecoderTest, TheFuzzTargetHoldsOnStreamsWithWrongBytes) {
  unsigned state = 11;
  const auto next = [&state] { return (state = state * 1'103'515'245 + 12'345) >> 8; };
  for (const Protocol protocol : kAll) {
    for (int round = 0; round < 200; ++round) {
      std::string text = absl::StrCat("\x03\x10", std::string(StreamOf(protocol)));
      for (unsigned i = 0; i < 1 + next() % 6; ++i) text[next() % text.size()] = static_cast<char>(next());
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    }
  }
}

}  // namespace
}  // namespace switchyard::executor::models

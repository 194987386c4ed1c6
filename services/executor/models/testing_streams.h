// Answers as the three protocols stream them, recorded and shortened, and a decoder that takes them in pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/models/answer_decoder.h"

namespace switchyard::executor::models {

inline constexpr std::string_view kOllamaStream =
    R"({"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.1Z","message":{"role":"assistant","content":"","thinking":"Let me"},"done":false}
{"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.2Z","message":{"role":"assistant","content":"","thinking":" think"},"done":false}
{"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.3Z","message":{"role":"assistant","content":"Gr\u00fc\u00dfe, "},"done":false}
{"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.4Z","message":{"role":"assistant","content":"ü 😀"},"done":false}
{"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.5Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_1a2b3c4d","function":{"index":0,"name":"shell","arguments":{"argv":["make","test"]}}}]},"done":false}
{"model":"qwen2.5-coder:7b","created_at":"2026-01-01T00:00:00.6Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":5000000000,"load_duration":1000000000,"prompt_eval_count":26,"prompt_eval_duration":500000000,"eval_count":298,"eval_duration":3000000000}
)";

inline constexpr std::string_view kOpenAiStream =
    "data: "
    "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,"
    "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
    ": keep-alive\n\n"
    "data: {\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":"
    "\"Let me think\"},\"finish_reason\":null}]}\r\n\r\n"
    "data: "
    "{\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
    "\"Gr\\u00fc\\u00dfe, "
    "\"},\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ü "
    "😀\"}}]}\n\n"
    "data: "
    "{\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
    "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"shell\",\"arguments\":\"\"}}]}}]}\n\n"
    "data: "
    "{\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
    "\"function\":{\"arguments\":\"{\\\"argv\\\":[\\\"make\\\",\"}}]}}]}\n\n"
    "data: "
    "{\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,"
    "\"id\":\"call_2\",\"function\":{\"name\":\"now\",\"arguments\":\"\"}},{\"index\":0,\"function\":{\"arguments\":"
    "\"\\\"test\\\"]}\"}}]}}]}\n\n"
    "data: {\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
    "\"tool_calls\"}]}\n\n"
    "data: {\"id\":\"c1\",\"model\":\"qwen2.5-coder-7b\",\"choices\":[],\"usage\":{\"prompt_tokens\":26,"
    "\"completion_tokens\":298,\"total_tokens\":324,\"prompt_tokens_details\":{\"cached_tokens\":20}}}\n\n"
    "data: [DONE]\n\n";

inline constexpr std::string_view kAnthropicStream =
    "event: message_start\n"
    "data: "
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
    "\"claude-sonnet-4-5-20250929\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":6,"
    "\"cache_creation_input_tokens\":8,\"cache_read_input_tokens\":12,\"cache_creation\":{\"ephemeral_5m_input_"
    "tokens\":5,"
    "\"ephemeral_1h_input_tokens\":3},\"output_tokens\":1}}}\n\n"
    "event: ping\ndata: {\"type\": \"ping\"}\n\n"
    "event: content_block_start\n"
    "data: "
    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n"
    "event: content_block_delta\n"
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Let me "
    "think\"}}\n\n"
    "event: content_block_delta\n"
    "data: "
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: content_block_start\n"
    "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: content_block_delta\n"
    "data: "
    "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Gr\\u00fc\\u00dfe, "
    "\"}}\n\n"
    "event: content_block_delta\n"
    "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"ü 😀\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
    "event: content_block_start\n"
    "data: "
    "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\","
    "\"name\":"
    "\"shell\",\"input\":{}}}\n\n"
    "event: content_block_delta\n"
    "data: "
    "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}}\n\n"
    "event: content_block_delta\n"
    "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
    "\"{\\\"argv\\\":[\\\"make\\\",\"}}\n\n"
    "event: content_block_delta\n"
    "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
    "\"\\\"test\\\"]}\"}}\n\n"
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
    "event: something_new\ndata: {\"type\":\"something_new\",\"index\":7}\n\n"
    "event: message_delta\n"
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":"
    "{\"output_tokens\":298}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

inline std::string_view StreamOf(Protocol protocol) {
  return protocol == Protocol::kOllama   ? kOllamaStream
         : protocol == Protocol::kOpenAi ? kOpenAiStream
                                         : kAnthropicStream;
}

struct Decoded {
  CallOutcome outcome = CallOutcome::kSuccess;
  std::string detail;
  Answer answer;
  // The text as it came.
  std::string streamed;
};

inline Decoded DecodePieces(Protocol protocol, const std::vector<std::string_view>& pieces,
                            Framing framing = Framing::kStream, AnswerBounds bounds = {}) {
  Decoded decoded;
  AnswerDecoder decoder(protocol, framing, bounds, [&decoded](Part part, std::string_view text) {
    if (part == Part::kText) decoded.streamed += text;
  });
  for (const std::string_view piece : pieces) {
    if (!decoder.Push(piece)) break;
  }
  decoder.End();
  decoded.outcome = decoder.outcome();
  decoded.detail = decoder.detail();
  decoded.answer = decoder.TakeAnswer();
  return decoded;
}

inline Decoded Decode(Protocol protocol, std::string_view text) { return DecodePieces(protocol, {text}); }

}  // namespace switchyard::executor::models

#include "services/executor/models/encode.h"

#include <string>

#include "gtest/gtest.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::models {
namespace {

ChatRequest Conversation() {
  ChatRequest request;
  request.model = "m:7b";
  request.messages = {
      {.role = Role::kSystem, .text = "be brief"},
      {.role = Role::kUser, .text = "what time is it?"},
      {.role = Role::kAssistant, .tool_calls = {{.id = "c1", .name = "now", .arguments = R"({"zone":"UTC"})"}}},
      {.role = Role::kTool, .text = "12:00", .tool_call_id = "c1", .tool_name = "now"},
  };
  request.tools = {{.name = "now", .description = "tells the time", .parameters = R"({"type":"object"})"}};
  request.max_output_tokens = 100;
  request.temperature = 0.5;
  request.options = {{"num_ctx", 8192}, {"use_mmap", 1}};
  return request;
}

Json Body(Protocol protocol, const ChatRequest& request) {
  const std::optional<Json> json = ParseJson(EncodeBody(protocol, request));
  EXPECT_TRUE(json.has_value());
  return json.value_or(Json());
}

std::string Header(const http::HttpRequest& request, const char* name) {
  const std::string* const value = http::FindHeader(request.headers, name);
  return value == nullptr ? "" : *value;
}

TEST(EncodeTest, OllamaNeverTruncatesAndSendsTheCanonicalOptions) {
  ChatRequest request = Conversation();
  const Json body = Body(Protocol::kOllama, request);
  EXPECT_EQ(body["truncate"], false);
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["options"], Json({{"num_ctx", 8192}, {"use_mmap", true}, {"num_predict", 100}, {"temperature", 0.5}}));
  EXPECT_EQ(body["messages"][0], Json({{"role", "system"}, {"content", "be brief"}}));
  EXPECT_EQ(body["messages"][2]["tool_calls"][0]["function"]["arguments"], Json({{"zone", "UTC"}})) << "an object";
  EXPECT_EQ(body["messages"][3]["tool_name"], "now");
  EXPECT_EQ(body["tools"][0]["function"]["name"], "now");
  EXPECT_FALSE(body.contains("keep_alive"));
  request.keep_alive = absl::Minutes(30);
  EXPECT_EQ(Body(Protocol::kOllama, request)["keep_alive"], 1800) << "a number: text would need a unit";
  request.keep_alive = -absl::InfiniteDuration();
  EXPECT_EQ(Body(Protocol::kOllama, request)["keep_alive"], -1);
}

TEST(EncodeTest, OpenAiAsksForCountsAndPassesArgumentsAsText) {
  ChatRequest request = Conversation();
  const Json body = Body(Protocol::kOpenAi, request);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["max_tokens"], 100);
  EXPECT_FALSE(body.contains("options")) << "it knows none of them";
  EXPECT_TRUE(body["messages"][2]["content"].is_null());
  EXPECT_EQ(body["messages"][2]["tool_calls"][0]["function"]["arguments"], R"({"zone":"UTC"})");
  EXPECT_EQ(body["messages"][3]["tool_call_id"], "c1");
  request.max_completion_tokens = true;
  EXPECT_EQ(Body(Protocol::kOpenAi, request)["max_completion_tokens"], 100);
  EXPECT_FALSE(Body(Protocol::kOpenAi, request).contains("max_tokens"));
  request.stream = false;
  EXPECT_FALSE(Body(Protocol::kOpenAi, request).contains("stream_options"));
}

TEST(EncodeTest, AnthropicSetsSystemApartAndAlwaysBoundsTheAnswer) {
  ChatRequest request = Conversation();
  request.messages.push_back({.role = Role::kTool, .text = "no", .tool_call_id = "c2", .tool_failed = true});
  request.messages.push_back({.role = Role::kUser, .text = "go on"});
  const Json body = Body(Protocol::kAnthropic, request);
  EXPECT_EQ(body["system"], "be brief");
  EXPECT_EQ(body["max_tokens"], 100);
  ASSERT_EQ(body["messages"].size(), 3u) << "what stands on one side in a row is one message";
  EXPECT_EQ(body["messages"][1]["content"][0]["input"], Json({{"zone", "UTC"}}));
  const Json& results = body["messages"][2]["content"];
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0]["tool_use_id"], "c1");
  EXPECT_EQ(results[1]["is_error"], true);
  EXPECT_EQ(results[2]["text"], "go on");
  EXPECT_EQ(body["tools"][0]["input_schema"]["type"], "object");
  request.max_output_tokens = 0;
  EXPECT_EQ(Body(Protocol::kAnthropic, request)["max_tokens"], kDefaultMaxOutput);
}

TEST(EncodeTest, PathsAndHeadersAreThoseOfTheProtocol) {
  const ChatRequest request = Conversation();
  const http::HttpRequest ollama = Encode(Protocol::kOllama, "http://h:11434/", "", request);
  EXPECT_EQ(ollama.method, "POST");
  EXPECT_EQ(ollama.url, "http://h:11434/api/chat");
  EXPECT_EQ(Header(ollama, "authorization"), "");
  const http::HttpRequest openai = Encode(Protocol::kOpenAi, "https://h/team/v1/", "key", request);
  EXPECT_EQ(openai.url, "https://h/team/v1/chat/completions");
  EXPECT_EQ(Header(openai, "authorization"), "Bearer key");
  const http::HttpRequest anthropic = Encode(Protocol::kAnthropic, "https://h", "key", request);
  EXPECT_EQ(anthropic.url, "https://h/v1/messages");
  EXPECT_EQ(Header(anthropic, "x-api-key"), "key");
  EXPECT_EQ(Header(anthropic, "authorization"), "");
  EXPECT_EQ(Header(anthropic, "anthropic-version"), "2023-06-01");
  EXPECT_EQ(Header(anthropic, "content-type"), "application/json");
  EXPECT_EQ(BaseUrl(Protocol::kOllama, "http://h/v1"), "http://h/v1") << "a path of its own";
}

TEST(EncodeTest, TextOfAnyBytesIsSentAndOddArgumentsAreWrapped) {
  ChatRequest request;
  request.model = "m";
  request.messages = {{.role = Role::kUser, .text = std::string("a\0\xff\"\n", 5)},
                      {.role = Role::kAssistant, .tool_calls = {{.id = "c", .name = "f", .arguments = "{broken"}}}};
  for (const Protocol protocol : {Protocol::kOllama, Protocol::kOpenAi, Protocol::kAnthropic}) {
    EXPECT_TRUE(Body(protocol, request).is_object());
  }
  EXPECT_EQ(Body(Protocol::kAnthropic, request)["messages"][1]["content"][0]["input"]["text"], "{broken");
}

}  // namespace
}  // namespace switchyard::executor::models

#include "services/executor/models/encode.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::models {
namespace {

// What is no object was written by a model: it goes back to it as text in one.
Json ObjectOf(const std::string& text) {
  std::optional<Json> json = ParseJson(text);
  if (json.has_value() && json->is_object()) return *std::move(json);
  return text.empty() ? Json::object() : Json{{"text", text}};
}

Json SchemaOf(const Tool& tool) {
  return tool.parameters.empty() ? Json{{"type", "object"}, {"properties", Json::object()}} : ObjectOf(tool.parameters);
}

// As Ollama and OpenAI have it.
Json FunctionsOf(const ChatRequest& request) {
  Json tools = Json::array();
  for (const Tool& tool : request.tools) {
    tools.push_back(
        {{"type", "function"},
         {"function", {{"name", tool.name}, {"description", tool.description}, {"parameters", SchemaOf(tool)}}}});
  }
  return tools;
}

const char* RoleName(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "user";
}

Json OllamaMessage(const Message& message) {
  Json json = {{"role", RoleName(message.role)}, {"content", message.text}};
  for (const ToolCall& call : message.tool_calls) {
    json["tool_calls"].push_back({{"function", {{"name", call.name}, {"arguments", ObjectOf(call.arguments)}}}});
  }
  if (message.role == Role::kTool && !message.tool_name.empty()) json["tool_name"] = message.tool_name;
  return json;
}

Json OllamaBody(const ChatRequest& request) {
  Json options = Json::object();
  for (const auto& [name, value] : request.options) {
    if (name == "use_mmap") {
      options[name] = value != 0;
    } else {
      options[name] = value;
    }
  }
  if (request.max_output_tokens > 0) options["num_predict"] = request.max_output_tokens;
  if (request.temperature.has_value()) options["temperature"] = *request.temperature;
  // Without "truncate" it would drop the oldest messages in silence.
  Json body = {{"model", request.model}, {"stream", request.stream}, {"truncate", false}, {"options", options}};
  body["messages"] = Json::array();
  for (const Message& message : request.messages) body["messages"].push_back(OllamaMessage(message));
  if (!request.tools.empty()) body["tools"] = FunctionsOf(request);
  // A number: as text it would need a unit.
  if (request.keep_alive.has_value()) {
    body["keep_alive"] = *request.keep_alive < absl::ZeroDuration() ? -1 : absl::ToInt64Seconds(*request.keep_alive);
  }
  return body;
}

Json OpenAiMessage(const Message& message) {
  Json json = {{"role", RoleName(message.role)}, {"content", message.text}};
  if (message.role == Role::kTool) json["tool_call_id"] = message.tool_call_id;
  for (const ToolCall& call : message.tool_calls) {
    json["tool_calls"].push_back(
        {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!message.tool_calls.empty() && message.text.empty()) json["content"] = nullptr;
  return json;
}

Json OpenAiBody(const ChatRequest& request) {
  Json body = {{"model", request.model}, {"stream", request.stream}};
  body["messages"] = Json::array();
  for (const Message& message : request.messages) body["messages"].push_back(OpenAiMessage(message));
  if (request.stream) body["stream_options"] = {{"include_usage", true}};
  if (request.max_output_tokens > 0) {
    body[request.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] = request.max_output_tokens;
  }
  if (request.temperature.has_value()) body["temperature"] = *request.temperature;
  if (!request.tools.empty()) body["tools"] = FunctionsOf(request);
  return body;
}

Json AnthropicBlocks(const Message& message) {
  Json blocks = Json::array();
  if (message.role == Role::kTool) {
    Json block = {{"type", "tool_result"}, {"tool_use_id", message.tool_call_id}, {"content", message.text}};
    if (message.tool_failed) block["is_error"] = true;
    blocks.push_back(std::move(block));
    return blocks;
  }
  // It refuses empty text.
  if (!message.text.empty()) blocks.push_back({{"type", "text"}, {"text", message.text}});
  for (const ToolCall& call : message.tool_calls) {
    blocks.push_back({{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", ObjectOf(call.arguments)}});
  }
  return blocks;
}

Json AnthropicBody(const ChatRequest& request) {
  const std::int64_t most = request.max_output_tokens > 0 ? request.max_output_tokens : kDefaultMaxOutput;
  Json body = {{"model", request.model}, {"max_tokens", most}, {"stream", request.stream}};
  body["messages"] = Json::array();
  std::string system;
  for (const Message& message : request.messages) {
    if (message.role == Role::kSystem) {
      absl::StrAppend(&system, system.empty() ? "" : "\n\n", message.text);
      continue;
    }
    // Two of one side in a row are one message, so that answers of tools stand together.
    const char* const role = message.role == Role::kAssistant ? "assistant" : "user";
    Json& messages = body["messages"];
    if (messages.empty() || messages.back()["role"] != role) {
      messages.push_back({{"role", role}, {"content", Json::array()}});
    }
    for (Json& block : AnthropicBlocks(message)) messages.back()["content"].push_back(std::move(block));
  }
  if (!system.empty()) body["system"] = system;
  if (request.temperature.has_value()) body["temperature"] = *request.temperature;
  for (const Tool& tool : request.tools) {
    body["tools"].push_back({{"name", tool.name}, {"description", tool.description}, {"input_schema", SchemaOf(tool)}});
  }
  return body;
}

std::string_view PathOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kOllama:
      return "/api/chat";
    case Protocol::kOpenAi:
      return "/v1/chat/completions";
    case Protocol::kAnthropic:
      return "/v1/messages";
  }
  return "";
}

}  // namespace

std::string BaseUrl(Protocol protocol, std::string_view url) {
  while (!url.empty() && url.back() == '/') url.remove_suffix(1);
  if (protocol != Protocol::kOllama && absl::EndsWith(ToAbsl(url), "/v1")) url.remove_suffix(3);
  while (!url.empty() && url.back() == '/') url.remove_suffix(1);
  return std::string(url);
}

std::string EncodeBody(Protocol protocol, const ChatRequest& request) {
  switch (protocol) {
    case Protocol::kOllama:
      return DumpJson(OllamaBody(request));
    case Protocol::kOpenAi:
      return DumpJson(OpenAiBody(request));
    case Protocol::kAnthropic:
      return DumpJson(AnthropicBody(request));
  }
  return "";
}

http::HttpRequest Encode(Protocol protocol, std::string_view url, std::string_view secret, const ChatRequest& request) {
  http::HttpRequest http;
  http.method = "POST";
  http.url = absl::StrCat(BaseUrl(protocol, url), ToAbsl(PathOf(protocol)));
  http.headers = {{"Content-Type", "application/json"}};
  if (request.stream) {
    http.headers.push_back(
        {"Accept", protocol == Protocol::kOllama ? "application/x-ndjson" : "text/event-stream, application/json"});
  }
  if (protocol == Protocol::kAnthropic) http.headers.push_back({"anthropic-version", "2023-06-01"});
  if (!secret.empty()) {
    if (protocol == Protocol::kAnthropic) {
      http.headers.push_back({"x-api-key", std::string(secret)});
    } else {
      http.headers.push_back({"Authorization", absl::StrCat("Bearer ", ToAbsl(secret))});
    }
  }
  http.body = EncodeBody(protocol, request);
  return http;
}

}  // namespace switchyard::executor::models

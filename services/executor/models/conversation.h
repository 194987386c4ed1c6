// A conversation with a model, the same for every protocol: what is asked, and what came back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::executor::models {

enum class Protocol { kOllama, kOpenAi, kAnthropic };

// kTool holds what a tool answered.
enum class Role { kSystem, kUser, kAssistant, kTool };

struct ToolCall {
  // Made up where the protocol has none.
  std::string id;
  std::string name;
  // A JSON object; what the model wrote when it is none.
  std::string arguments;

  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

struct Message {
  Role role = Role::kUser;
  std::string text;
  // Of kAssistant.
  std::vector<ToolCall> tool_calls;
  // Of kTool: the call that this answers.
  std::string tool_call_id;
  std::string tool_name;
  bool tool_failed = false;
};

struct Tool {
  std::string name;
  std::string description;
  // A JSON schema of an object.
  std::string parameters;
};

struct ChatRequest {
  // As the endpoint calls it.
  std::string model;
  std::vector<Message> messages;
  std::vector<Tool> tools;
  // 0: the model's own bound. Anthropic needs one and gets kDefaultMaxOutput.
  std::int64_t max_output_tokens = 0;
  // Ollama only: the canonical set, sent with every request so that none causes a reload. use_mmap is 0 or 1.
  std::map<std::string, std::int64_t> options;
  // Ollama only; negative: for ever.
  std::optional<absl::Duration> keep_alive;
  std::optional<double> temperature;
  bool stream = true;
  // OpenAI only: its newer models want the bound under its newer name.
  bool max_completion_tokens = false;
};

inline constexpr std::int64_t kDefaultMaxOutput = 8'192;

// Why a model ended its answer.
enum class Finish {
  // No end was seen.
  kNone,
  kStop,
  // Its bound on output tokens.
  kLength,
  kToolCalls,
  // It declined, or a filter took the answer away.
  kRefused,
  // The window was full.
  kContext,
  // In a word that says nothing to us.
  kOther,
};

// Absent: not reported.
struct TokenUsage {
  // The whole prompt, whatever of it came from or went into a cache.
  std::optional<std::int64_t> input;
  // Of `input`.
  std::int64_t cached_input = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  std::optional<std::int64_t> output;

  friend bool operator==(const TokenUsage&, const TokenUsage&) = default;
};

// As far as it has come.
struct Answer {
  std::string text;
  // Its beginning; nothing depends on it.
  std::string thinking;
  std::size_t thinking_bytes = 0;
  std::vector<ToolCall> tool_calls;
  // As the endpoint reported it; empty: not said.
  std::string model;
  // Ollama: where a model runs that is not local after all.
  std::string remote_host;
  Finish finish = Finish::kNone;
  // In the protocol's own word.
  std::string finish_word;
  TokenUsage usage;
  // As the server measured; absent: not told. `load` includes its own queue.
  std::optional<absl::Duration> load;
  std::optional<absl::Duration> prompt_eval;
  std::optional<absl::Duration> generation;
  std::optional<absl::Duration> total;
};

// "ollama", "openai", "anthropic".
std::string_view ProtocolName(Protocol protocol);

// Whether two names mean one model: case aside, and Ollama's "x" is "x:latest".
bool SameModel(Protocol protocol, std::string_view a, std::string_view b);

}  // namespace switchyard::executor::models

#include "services/executor/models/conversation.h"

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace switchyard::executor::models {
namespace {

std::string_view WithoutLatest(std::string_view name) {
  constexpr std::string_view kLatest = ":latest";
  return absl::EndsWithIgnoreCase(ToAbsl(name), ToAbsl(kLatest)) ? name.substr(0, name.size() - kLatest.size()) : name;
}

}  // namespace

std::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kOllama:
      return "ollama";
    case Protocol::kOpenAi:
      return "openai";
    case Protocol::kAnthropic:
      return "anthropic";
  }
  return "";
}

bool SameModel(Protocol protocol, std::string_view a, std::string_view b) {
  if (protocol == Protocol::kOllama) {
    a = WithoutLatest(a);
    b = WithoutLatest(b);
  }
  return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b));
}

}  // namespace switchyard::executor::models

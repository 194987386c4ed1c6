#include "services/executor/external/agent_spec.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"

namespace switchyard::executor::external {
namespace {

constexpr std::array<std::string_view, 7> kPlaceholders = {"prompt_file", "model",   "url",       "workspace",
                                                           "scratch",     "task_id", "credential"};

bool IsWord(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

// Calls back with each piece of text and each placeholder's name.
template <class OnText, class OnName>
void Scan(std::string_view text, const OnText& on_text, const OnName& on_name) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = text.find('{', at);
    const std::size_t end = brace == std::string_view::npos ? brace : text.find('}', brace);
    if (end == std::string_view::npos) return on_text(text.substr(at));
    const std::string_view name = text.substr(brace + 1, end - brace - 1);
    if (IsWord(name)) {
      on_text(text.substr(at, brace - at));
      on_name(name);
      at = end + 1;
    } else {
      on_text(text.substr(at, brace + 1 - at));
      at = brace + 1;
    }
  }
}

const std::string& ValueOf(std::string_view name, const PlaceholderValues& values) {
  static const std::string& none = *new std::string();
  if (name == "prompt_file") return values.prompt_file;
  if (name == "model") return values.model;
  if (name == "url") return values.url;
  if (name == "workspace") return values.workspace;
  if (name == "scratch") return values.scratch;
  if (name == "task_id") return values.task_id;
  if (name == "credential") return values.credential;
  return none;
}

}  // namespace

std::string Expand(std::string_view text, const PlaceholderValues& values) {
  std::string out;
  Scan(
      text, [&](std::string_view plain) { out += plain; },
      [&](std::string_view name) { out += ValueOf(name, values); });
  return out;
}

std::string TemplateFault(std::string_view text, CredentialUse credential) {
  std::string fault;
  Scan(
      text, [](std::string_view) {},
      [&](std::string_view name) {
        if (!fault.empty()) return;
        if (std::find(kPlaceholders.begin(), kPlaceholders.end(), name) == kPlaceholders.end()) {
          const std::string meant = text::DidYouMean(name, kPlaceholders);
          fault = absl::StrCat("unknown placeholder {", std::string(name), "}",
                               meant.empty() ? "" : absl::StrCat("; did you mean {", meant, "}?"));
        } else if (name == "credential" && credential == CredentialUse::kRefused) {
          fault = "{credential} may stand in the environment only: others see arguments, and files stay";
        }
      });
  return fault;
}

bool Uses(std::string_view text, std::string_view placeholder) {
  bool found = false;
  Scan(
      text, [](std::string_view) {}, [&](std::string_view name) { found = found || name == placeholder; });
  return found;
}

bool Uses(const AgentSpec& agent, std::string_view placeholder) {
  const auto in = [&](const std::string& text) { return Uses(text, placeholder); };
  const auto in_map = [&](const std::map<std::string, std::string>& map) {
    return std::any_of(map.begin(), map.end(), [&](const auto& entry) { return in(entry.second); });
  };
  return std::any_of(agent.arguments.begin(), agent.arguments.end(), in) ||
         std::any_of(agent.waking.probe.begin(), agent.waking.probe.end(), in) ||
         std::any_of(agent.naming.probe.begin(), agent.naming.probe.end(), in) || in_map(agent.environment) ||
         in_map(agent.files);
}

bool IsFileName(std::string_view name) {
  if (name.empty() || name.size() > 100 || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

}  // namespace switchyard::executor::external

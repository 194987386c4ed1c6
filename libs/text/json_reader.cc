#include "libs/text/json_reader.h"

namespace switchyard::text {
namespace {

bool NestsTooDeep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::optional<Json> ParseJson(std::string_view text) {
  if (NestsTooDeep(text)) return std::nullopt;
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string DumpJson(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json& Member(const Json& json, const char* name) {
  static const Json& none = *new Json();
  if (!json.is_object()) return none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}

const std::string& TextOf(const Json& json) {
  static const std::string& none = *new std::string();
  return json.is_string() ? json.get_ref<const std::string&>() : none;
}

std::optional<std::int64_t> CountOf(const Json& json) {
  constexpr double kMost = 1e15;
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  if (!(value >= 0) || value > kMost) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

bool IsTrue(const Json& json) { return json.is_boolean() && json.get<bool>(); }

bool IsJsonObject(std::string_view text) {
  const std::optional<Json> json = ParseJson(text);
  return json.has_value() && json->is_object();
}

}  // namespace switchyard::text

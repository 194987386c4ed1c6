#include "services/model_registry/yaml_reader.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/config/yaml_parse.h"
#include "libs/text/suggest.h"

namespace switchyard::model_registry {
namespace {

constexpr std::size_t kMaxFile = std::size_t{4} << 20;
constexpr std::size_t kMaxFaults = 100;

}  // namespace

void YamlReader::Fault(std::string_view what) {
  if (faults_.size() < kMaxFaults) faults_.push_back({.field = name_, .description = std::string(what)});
}

void YamlReader::Fault(const YAML::Node& node, const std::string& where, std::string_view what) {
  if (faults_.size() >= kMaxFaults) return;
  faults_.push_back({.field = where.empty() ? name_ : absl::StrCat(name_, ": ", where),
                     .description = absl::StrCat(ToAbsl(what), " (line ", node.Mark().line + 1, ")")});
}

void YamlReader::Read(std::string_view text, const Handler& root) {
  if (text.size() > kMaxFile) return Fault("is longer than 4 MiB");
  const config::YamlText parsed = config::ParseYaml(text);
  if (!parsed.fault.empty()) return Fault(absl::StrCat(parsed.fault, " (line ", parsed.line, ")"));
  try {
    root(parsed.root.IsNull() ? YAML::Node(YAML::NodeType::Map) : parsed.root, "");
  } catch (const YAML::Exception& e) {
    Fault(absl::StrCat("is not YAML: ", e.msg, " (line ", e.mark.line + 1, ")"));
  }
}

void YamlReader::Keys(const YAML::Node& node, const std::string& where, const Handlers& handlers) {
  std::vector<std::string> known;
  for (const auto& [name, handler] : handlers) known.push_back(name);
  Pairs(node, where, [&](const std::string& key, const YAML::Node& value, const std::string& here) {
    if (const auto found = handlers.find(key); found != handlers.end()) return found->second(value, here);
    const std::string meant = text::DidYouMean(key, known);
    Fault(value, here,
          absl::StrCat("unknown key", meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?")));
  });
}

void YamlReader::Pairs(
    const YAML::Node& node, const std::string& where,
    const std::function<void(const std::string& key, const YAML::Node& node, const std::string& where)>& pair) {
  if (!node.IsMap()) return Fault(node, where, "is not a mapping of keys to values");
  StringSet seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Fault(entry.first, where, "has a key that is not text");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    const std::string here = where.empty() ? key : absl::StrCat(where, ".", key);
    if (!seen.insert(key).second) {
      Fault(entry.first, here, "is given twice");
    } else {
      pair(key, entry.second, here);
    }
  }
}

void YamlReader::Items(const YAML::Node& node, const std::string& where, std::size_t most, const Handler& item) {
  if (node.IsNull()) return;
  if (!node.IsSequence()) return Fault(node, where, "is not a list");
  if (node.size() > most) return Fault(node, where, absl::StrCat("has more than ", most, " items"));
  for (std::size_t i = 0; i < node.size(); ++i) item(node[i], absl::StrCat(where, "[", i, "]"));
}

std::string YamlReader::Scalar(const YAML::Node& node, const std::string& where) {
  if (!node.IsScalar()) {
    Fault(node, where, "is not a text");
    return "";
  }
  return node.Scalar();
}

YamlReader::Handler YamlReader::Text(std::string& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) { out = Scalar(node, where); };
}

YamlReader::Handler YamlReader::Texts(std::vector<std::string>& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) {
    Items(node, where, 200, [&](const YAML::Node& item, const std::string& at) { out.push_back(Scalar(item, at)); });
  };
}

YamlReader::Handler YamlReader::Bool(bool& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) {
    const std::string text = Scalar(node, where);
    if (text != "true" && text != "false") return Fault(node, where, "must be true or false");
    out = text == "true";
  };
}

YamlReader::Handler YamlReader::Number(std::int64_t& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) {
    std::int64_t value = 0;
    if (!absl::SimpleAtoi(Scalar(node, where), &value)) return Fault(node, where, "must be a whole number");
    out = value;
  };
}

YamlReader::Handler YamlReader::Number(int& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) {
    int value = 0;
    if (!absl::SimpleAtoi(Scalar(node, where), &value)) return Fault(node, where, "must be a whole number");
    out = value;
  };
}

}  // namespace switchyard::model_registry

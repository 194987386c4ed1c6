#include "libs/config/yaml_source.h"

#include <utility>

#include "libs/base/strings.h"
#include "libs/config/yaml_parse.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::config {
namespace {

constexpr int kMaxDepth = 16;

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

void Walk(const YAML::Node& node, const std::string& path, int line, int depth, YamlDocument& out) {
  if (depth > kMaxDepth) {
    out.faults.push_back({.path = path, .what = "is nested too deeply", .line = line});
    return;
  }
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      if (!path.empty())
        out.entries.push_back({.kind = YamlEntry::Kind::kEmpty, .path = path, .items = {""}, .line = line});
      return;
    case YAML::NodeType::Scalar:
      if (path.empty()) {
        out.faults.push_back({.path = "", .what = "the document is not a mapping of keys to values", .line = line});
        return;
      }
      out.entries.push_back({.kind = YamlEntry::Kind::kScalar, .path = path, .items = {node.Scalar()}, .line = line});
      return;
    case YAML::NodeType::Sequence: {
      YamlEntry entry{.kind = YamlEntry::Kind::kList, .path = path, .items = {}, .line = line};
      for (const YAML::Node& item : node) {
        if (!item.IsScalar()) {
          out.faults.push_back({.path = path, .what = "is a list of something other than values", .line = line});
          return;
        }
        entry.items.push_back(item.Scalar());
      }
      out.entries.push_back(std::move(entry));
      return;
    }
    case YAML::NodeType::Map:
      break;
  }
  if (node.size() == 0 && !path.empty()) {
    out.entries.push_back({.kind = YamlEntry::Kind::kSection, .path = path, .items = {}, .line = line});
  }
  StringSet seen;
  for (const auto& pair : node) {
    const int at = LineOf(pair.first);
    if (!pair.first.IsScalar()) {
      out.faults.push_back({.path = path, .what = "has a key that is not text", .line = at});
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const std::string here = path.empty() ? key : path + "." + key;
    if (!seen.insert(key).second) {
      out.faults.push_back({.path = here, .what = "is given twice", .line = at});
      continue;
    }
    Walk(pair.second, here, at, depth + 1, out);
  }
}

}  // namespace

YamlDocument ReadYaml(std::string_view text) {
  YamlDocument out;
  const YamlText parsed = ParseYaml(text);
  if (!parsed.fault.empty()) {
    out.faults.push_back({.path = "", .what = parsed.fault, .line = parsed.line});
    return out;
  }
  try {
    Walk(parsed.root, "", LineOf(parsed.root), 0, out);
  } catch (const YAML::Exception& e) {
    out.faults.push_back({.path = "", .what = "is not YAML: " + e.msg, .line = e.mark.line + 1});
  }
  return out;
}

}  // namespace switchyard::config

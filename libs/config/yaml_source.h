#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard::config {

// One key of a YAML document, by its path from the root.
struct YamlEntry {
  // kSection: the path is a mapping that holds no keys ("{}"). kEmpty: a key without a value.
  enum class Kind { kScalar, kList, kSection, kEmpty } kind = Kind::kScalar;
  std::string path;
  // The text of the scalar, or of each item.
  std::vector<std::string> items;
  // From 1.
  int line = 0;
};

struct YamlFault {
  std::string path;
  std::string what;
  int line = 0;
};

struct YamlDocument {
  std::vector<YamlEntry> entries;
  // Syntax, keys given twice, keys that are not text, lists of anything but scalars.
  std::vector<YamlFault> faults;
};

// Never throws. An empty document has no entries.
YamlDocument ReadYaml(std::string_view text);

}  // namespace switchyard::config

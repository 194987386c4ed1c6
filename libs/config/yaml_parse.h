#pragma once

#include <string>
#include <string_view>

#include "yaml-cpp/yaml.h"

namespace switchyard::config {

struct YamlText {
  // Null when the text holds nothing. Reading a node never throws once its kind was looked at.
  YAML::Node root;
  // Empty when the text is one document, or none.
  std::string fault;
  // From 1.
  int line = 0;
};

// Parses text that may be anything. The library's own way of reading several documents does not come back from a stray
// ',' or ']', nor from some bytes that are no text.
YamlText ParseYaml(std::string_view text);

}  // namespace switchyard::config

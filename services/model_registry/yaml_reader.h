#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/status.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::model_registry {

// Reads a YAML document strictly: unknown keys are faults that name the likely one, and so is every value of another
// kind than asked for. All faults are gathered, each with its line. Not thread-safe.
class YamlReader {
 public:
  using Handler = std::function<void(const YAML::Node& node, const std::string& where)>;
  using Handlers = std::map<std::string, Handler>;

  // `name` stands before each fault.
  explicit YamlReader(std::string_view name) : name_(name) {}

  // Parses, and calls `root` unless the text is no YAML. An empty document is an empty mapping.
  void Read(std::string_view text, const Handler& root);

  void Keys(const YAML::Node& node, const std::string& where, const Handlers& handlers);
  void Items(const YAML::Node& node, const std::string& where, std::size_t most, const Handler& item);
  // Every key of a mapping, whatever it is called.
  void Pairs(const YAML::Node& node, const std::string& where,
             const std::function<void(const std::string& key, const YAML::Node& node, const std::string& where)>& pair);
  void Fault(const YAML::Node& node, const std::string& where, std::string_view what);
  // Without a place in the document.
  void Fault(std::string_view what);

  // Handlers for common values.
  Handler Text(std::string& out);
  Handler Texts(std::vector<std::string>& out);
  Handler Bool(bool& out);
  Handler Number(std::int64_t& out);
  Handler Number(int& out);

  std::vector<FieldViolation>& faults() { return faults_; }

 private:
  std::string Scalar(const YAML::Node& node, const std::string& where);

  const std::string name_;
  std::vector<FieldViolation> faults_;
};

}  // namespace switchyard::model_registry

// What can be configured, read from the descriptor of a configuration message and its annotations.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/strings.h"
#include "switchyard/config/v1/annotations.pb.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace switchyard::config {

// One value that can be set. A list is one option.
struct Option {
  // "server.tls.cert_file"; also its flag and, in upper case with underscores, its variable.
  std::string path;
  // "SWITCHYARD_SERVER_TLS_CERT_FILE".
  std::string variable;
  // From the root message: the sections, then the field itself.
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  // The section's override included.
  std::string default_value;
  v1::ConfigOption annotation;

  const google::protobuf::FieldDescriptor& field() const { return *fields.back(); }
  std::string_view name() const;
  bool is_list() const;
  bool is_duration() const;
  // In a reader's words: "duration", "size", "list of duration", "debug | info".
  std::string TypeName() const;
};

struct Section {
  // "" for the root.
  std::string path;
  std::string help;
  const google::protobuf::Descriptor* message = nullptr;
  // Immediate values and immediate sections, in the order of the message.
  std::vector<const Option*> options;
  std::vector<std::string> sections;
};

// Immutable after it was made; may be moved, since what it hands out lives behind pointers.
class Schema {
 public:
  // A message that cannot be configured as a whole (a map, a list of messages, a value without help, a duration without
  // default, two names for one variable) stops the process: that is a fault of the program.
  static Schema Of(const google::protobuf::Descriptor& message);

  const std::vector<std::unique_ptr<Option>>& options() const { return options_; }
  // Parents come before their children.
  const std::vector<Section>& sections() const { return sections_; }
  // By path or alias, dashes read as underscores in paths; null when unknown.
  const Option* FindFlag(std::string_view name) const;
  const Option* FindVariable(std::string_view name) const;
  // Null when there is no such section.
  const Section* FindSection(std::string_view path) const;

 private:
  void Add(const google::protobuf::Descriptor& message, const std::vector<const google::protobuf::FieldDescriptor*>& to,
           const std::string& path, std::string_view help, const StringMap<std::string>& overrides);

  std::vector<std::unique_ptr<Option>> options_;
  std::vector<Section> sections_;
  StringMap<const Option*> by_flag_;
  StringMap<const Option*> by_variable_;
};

// "info" for LOG_LEVEL_INFO of LogLevel.
std::string ShortEnumName(std::string_view enum_name, std::string_view value_name);

}  // namespace switchyard::config

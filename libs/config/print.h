#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/config/load.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace switchyard::config {

// The effective configuration as YAML that Load reads back as the same, each value with its origin as a comment. Holds
// no secrets, only references to them.
std::string PrintConfig(const google::protobuf::Message& config, const Origins& origins);

// The options by section for --help, 100 columns wide; `only` names top-level sections, empty for all.
std::string HelpText(const google::protobuf::Descriptor& message, const std::vector<std::string>& only = {});

// The page docs/reference/configuration.md. Each program comes with its configuration message.
std::string ReferencePage(const std::vector<std::pair<std::string, const google::protobuf::Descriptor*>>& programs);

}  // namespace switchyard::config

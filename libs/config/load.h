// Fills a configuration message from, in rising precedence: its declared defaults, a YAML file, the environment and
// flags.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/config/secret.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace switchyard::config {

struct Sources {
  // Path of a YAML file; empty for none.
  std::string file;
  // Whole environment: names beginning with SWITCHYARD_ are options, and unknown ones are refused, except those that
  // begin with SWITCHYARD_TEST_, those of `reserved_variables`, and what Kubernetes adds for services of that name.
  Environment environment;
  // "--server.listen=127.0.0.1:0"; a flag that is true or false may stand alone: "--server.reflection". Later ones win.
  std::vector<std::string> flags;
  std::vector<std::string> reserved_variables = {"SWITCHYARD_CONFIG"};
};

// Path of an option to where its value came from: "default", "file switchyard.yaml:3", "environment
// SWITCHYARD_SERVER_LISTEN", "flag --listen".
using Origins = std::map<std::string, std::string>;

// `config` is overwritten. INVALID_ARGUMENT, reason INVALID_FIELD, with one violation per fault of all sources
// together: unknown keys (with the likely one meant), values of the wrong type or out of bounds, secrets given
// literally, required values left empty. NOT_FOUND, reason CONFIG_UNREADABLE, when the file cannot be read.
absl::Status Load(const Sources& sources, google::protobuf::Message& config, Origins* origins = nullptr);

// One line per fault, for a terminal.
std::string FaultsText(const absl::Status& status);

}  // namespace switchyard::config

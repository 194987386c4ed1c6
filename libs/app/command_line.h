// What all our programs do with their arguments, services and commands alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace switchyard::app {

struct Program {
  // The binary's, with its subcommand if it has one: "switchyard run".
  std::string_view name;
  // One line.
  std::string_view summary;
  // Paragraphs for --help: what it needs, what it listens on, examples.
  std::string_view help = {};
  // "svc" of every log line; empty: the name.
  std::string_view service = {};
  // For commands that end by themselves: the sections of the configuration that they read. Empty: a service.
  std::vector<std::string> sections = {};
  // What follows the name in the usage line.
  std::string_view usage = "[flags]";
};

// Exit codes, as of every program of ours.
inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;

// Fills `config` from --config (or SWITCHYARD_CONFIG), the environment and flags. Answers --help, --version and
// --print-config itself and says with which code to exit; nothing when the program shall go on. `arguments` are those
// after the program's name; `healthcheck`, when wanted, is set to the service named by --healthcheck[=SERVICE] ("ready"
// for switchyard.ready). Writes to standard output and error.
struct ParseResult {
  std::optional<int> exit;
  std::optional<std::string> healthcheck;
};
ParseResult ParseCommandLine(const Program& program, const std::vector<std::string>& arguments,
                             google::protobuf::Message& config);

}  // namespace switchyard::app

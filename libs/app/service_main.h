// The main() that all services share: flags, configuration, log, server, the way out.
//
//   int main(int argc, char** argv) {
//     return app::ServiceMain<config::v1::IdentityConfig>(
//         argc, argv, {.name = "switchyard-identity", .summary = "Issues, verifies and revokes tokens."},
//         [](const config::v1::IdentityConfig& config, app::Process& process) {
//           return identity::IdentityApp::AddTo(process, config.identity());
//         });
//   }
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/arguments.h"
#include "libs/app/process.h"

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

// Where in the program's configuration the common parts stand.
struct CommonConfig {
  const config::v1::ServerConfig* server;
  const config::v1::DatabaseConfig* database;
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

// Runs until signalled; the exit code of main.
int RunService(const Program& program, const std::vector<std::string>& arguments, google::protobuf::Message& config,
               const std::function<CommonConfig()>& common, const std::function<absl::Status(Process&)>& compose);

template <class Config, class Compose>
int ServiceMain(const Program& program, const std::vector<std::string>& arguments, Compose compose) {
  Config config;
  return RunService(
      program, arguments, config,
      [&config] { return CommonConfig{.server = &config.server(), .database = &config.database()}; },
      [&config, &compose](Process& process) -> absl::Status { return compose(config, process); });
}

template <class Config, class Compose>
int ServiceMain(int argc, char** argv, const Program& program, Compose compose) {
  return ServiceMain<Config>(program, ProgramArguments(argc, argv), compose);
}

}  // namespace switchyard::app

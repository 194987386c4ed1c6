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
#include "libs/app/command_line.h"
#include "libs/app/process.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace switchyard::app {

// Where in the program's configuration the common parts stand.
struct CommonConfig {
  const config::v1::ServerConfig* server;
  // Null for a program that has none.
  const config::v1::DatabaseConfig* database;
};

// Runs until signalled; the exit code of main.
int RunService(const Program& program, const std::vector<std::string>& arguments, google::protobuf::Message& config,
               const std::function<CommonConfig()>& common, const std::function<absl::Status(Process&)>& compose);

template <class Config, class Compose>
int ServiceMain(const Program& program, const std::vector<std::string>& arguments, Compose compose) {
  Config config;
  return RunService(
      program, arguments, config,
      [&config] {
        CommonConfig common{.server = &config.server(), .database = nullptr};
        if constexpr (requires { config.database(); }) common.database = &config.database();
        return common;
      },
      [&config, &compose](Process& process) -> absl::Status { return compose(config, process); });
}

template <class Config, class Compose>
int ServiceMain(int argc, char** argv, const Program& program, Compose compose) {
  return ServiceMain<Config>(program, ProgramArguments(argc, argv), compose);
}

}  // namespace switchyard::app

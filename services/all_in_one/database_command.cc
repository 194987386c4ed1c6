#include "services/all_in_one/database_command.h"

#include <string>
#include <utility>

#include "libs/app/options.h"
#include "libs/base/log.h"

namespace switchyard::all_in_one {

std::unique_ptr<DatabaseCommand> DatabaseCommand::Begin(const app::Program& program, const Arguments& arguments,
                                                        int& exit) {
  auto command = std::make_unique<DatabaseCommand>();
  const app::ParseResult parsed = app::ParseCommandLine(program, arguments, command->config);
  if (parsed.exit.has_value()) {
    exit = *parsed.exit;
    return nullptr;
  }
  // What fails is told by the command itself.
  ConfigureLog(program.name, LogLevel::kError);
  absl::StatusOr<pg::ConnectOptions> connect = app::ToConnectOptions(command->config.database(), program.name);
  if (!connect.ok()) {
    exit = Complain(program.name, Describe(connect.status()), app::kExitUsage);
    return nullptr;
  }
  command->connect = *std::move(connect);
  command->pool.emplace(command->connect, app::ToPoolOptions(command->config.database()), *command->rng);
  return command;
}

}  // namespace switchyard::all_in_one

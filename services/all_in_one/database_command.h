#pragma once

#include <memory>
#include <optional>

#include "libs/app/service_main.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/pg/connect_options.h"
#include "libs/pg/pool.h"
#include "services/all_in_one/commands.h"
#include "switchyard/config/v1/switchyard.pb.h"

namespace switchyard::all_in_one {

// What a command has that works on the database and ends by itself.
struct DatabaseCommand {
  // The configuration of `switchyard run`, so that one file serves all. When nothing comes back, `exit` says why.
  static std::unique_ptr<DatabaseCommand> Begin(const app::Program& program, const Arguments& arguments, int& exit);

  config::v1::AllInOneConfig config;
  pg::ConnectOptions connect;
  DisciplinedClock clock;
  std::unique_ptr<Rng> rng = MakeSystemRng();
  std::optional<pg::Pool> pool;
};

}  // namespace switchyard::all_in_one

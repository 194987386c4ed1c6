#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/doctor.h"
#include "libs/app/process.h"
#include "libs/pg/statement.h"
#include "switchyard/config/v1/switchyard.pb.h"

namespace switchyard::all_in_one {

// A service that this binary can run, migrate and examine.
struct Service {
  config::v1::ServiceName name;
  // Also the name of its schema; empty: it has none.
  std::string_view schema;
  const std::vector<pg::Migration>& (*migrations)();
  const std::vector<app::DoctorCheck>& (*checks)();
  absl::Status (*add)(app::Process& process, const config::v1::AllInOneConfig& config);
};

// The identity service comes first: the others' callers are authenticated by it.
const std::vector<Service>& AllServices();

// Whether this process is to run it.
bool IsWanted(const config::v1::AllInOneConfig& config, config::v1::ServiceName name);

}  // namespace switchyard::all_in_one

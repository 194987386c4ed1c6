#include <cstdio>

#include "libs/app/doctor.h"
#include "libs/pg/migrations.h"
#include "services/all_in_one/database_command.h"
#include "services/all_in_one/services.h"

namespace switchyard::all_in_one {
namespace {

constexpr std::string_view kDoctorName = "switchyard doctor";
constexpr absl::Duration kCheckTimeout = absl::Minutes(2);

}  // namespace

int Doctor(const Arguments& arguments) {
  int exit = app::kExitOk;
  const auto command = DatabaseCommand::Begin(
      {.name = kDoctorName,
       .summary = "reads the database and reports what should never be.",
       .help =
           "It changes nothing and may run beside the services. One line per finding on standard output; exit code 0\n"
           "when all is well, 1 when something is broken or could not be examined.",
       .sections = {"database"}},
      arguments, exit);
  if (command == nullptr) return exit;
  int checks = 0;
  for (const Service& service : AllServices()) {
    if (service.schema.empty()) continue;
    const std::string schema(service.schema);
    const absl::Status current =
        pg::Migrator(command->connect, service.schema, service.migrations(), command->clock).CheckCurrent();
    if (!current.ok()) {
      std::printf("broken: %s: %s\n", schema.c_str(), Describe(current).c_str());
      exit = app::kExitError;
      continue;
    }
    const auto findings = app::RunDoctor(*command->pool, service.checks(), kCheckTimeout);
    if (!findings.ok()) return Complain(kDoctorName, Describe(findings.status()), app::kExitError);
    checks += static_cast<int>(service.checks().size());
    for (const app::DoctorFinding& finding : *findings) {
      std::printf("broken: %s: %s: %s\n", schema.c_str(), std::string(finding.invariant).c_str(),
                  finding.breach.c_str());
      exit = app::kExitError;
    }
  }
  std::printf("%s (%d invariants of %zu services)\n", exit == app::kExitOk ? "all is well" : "something is broken",
              checks, AllServices().size());
  return exit;
}

}  // namespace switchyard::all_in_one

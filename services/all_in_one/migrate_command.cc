#include <cstdio>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/pg/migrations.h"
#include "services/all_in_one/database_command.h"
#include "services/all_in_one/services.h"

namespace switchyard::all_in_one {
namespace {

constexpr std::string_view kMigrateName = "switchyard migrate";

std::string Title(const Service& service, const pg::Migration& migration) {
  return absl::StrCat(ToAbsl(service.schema), " V", migration.version, " ", ToAbsl(migration.name));
}

}  // namespace

int Migrate(const Arguments& given) {
  Arguments arguments = given;
  const bool check = TakeSwitch(arguments, "check");
  int exit = app::kExitOk;
  const auto command = DatabaseCommand::Begin(
      {.name = kMigrateName,
       .summary = "brings the schemas of all services up to date.",
       .help =
           "Each migration is one transaction and is recorded, migrators exclude each other, and running it again "
           "does\n"
           "nothing: safe beside running services and other migrators. There is no way back but a dump made before.\n\n"
           "  --check                 change nothing; exit code 1 when something would be done",
       .sections = {"database"}},
      arguments, exit);
  if (command == nullptr) return exit;
  for (const Service& service : AllServices()) {
    if (service.schema.empty()) continue;
    const pg::Migrator migrator(command->connect, service.schema, service.migrations(), command->clock);
    const absl::StatusOr<std::vector<pg::Migration>> pending = migrator.Pending();
    if (!pending.ok()) return Complain(kMigrateName, Describe(pending.status()), app::kExitError);
    if (check) {
      for (const pg::Migration& migration : *pending) std::printf("pending: %s\n", Title(service, migration).c_str());
      if (!pending->empty()) exit = app::kExitError;
      continue;
    }
    const absl::Status status = migrator.Apply([&](const pg::Migration& migration, absl::Duration took) {
      std::printf("applied: %s in %s\n", Title(service, migration).c_str(), absl::FormatDuration(took).c_str());
      std::fflush(stdout);
    });
    if (!status.ok()) return Complain(kMigrateName, Describe(status), app::kExitError);
    if (pending->empty()) std::printf("up to date: %s\n", std::string(service.schema).c_str());
  }
  return exit;
}

}  // namespace switchyard::all_in_one

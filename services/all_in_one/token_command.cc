#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/config/value.h"
#include "libs/pg/database_clock.h"
#include "services/all_in_one/database_command.h"
#include "services/identity/app.h"
#include "services/identity/bootstrap.h"
#include "services/identity/postgres_identity_store.h"

namespace switchyard::all_in_one {
namespace {

constexpr std::string_view kName = "switchyard token issue";

absl::StatusOr<identity::Scopes> ParseScopes(const std::string& list) {
  identity::Scopes scopes;
  for (const absl::string_view name : absl::StrSplit(list, ',')) {
    const absl::StatusOr<identity::Scope> scope = identity::ParseScope(ToStd(name));
    if (!scope.ok()) return scope.status();
    scopes.Add(*scope);
  }
  return scopes;
}

}  // namespace

int IssueToken(const Arguments& given) {
  Arguments arguments = given;
  const std::optional<std::string> name = TakeFlag(arguments, "name");
  const std::optional<std::string> scope_list = TakeFlag(arguments, "scopes");
  const std::optional<std::string> out = TakeFlag(arguments, "out");
  const std::optional<std::string> lifetime_text = TakeFlag(arguments, "lifetime");
  int exit = app::kExitOk;
  const auto command = DatabaseCommand::Begin(
      {.name = kName,
       .summary = "makes a token with access to the database, for the first one and for lost ones.",
       .help = "  switchyard token issue --name=admin --scopes=admin --out=admin.token\n\n"
               "  --name=NAME             whose it is: 1 to 64 characters of [a-z0-9._-]\n"
               "  --scopes=LIST           of admin, submit, read, service and agent\n"
               "  --out=FILE              where its text goes, mode 0600; a file that is there is never overwritten\n"
               "  --lifetime=DURATION     90d when absent",
       .sections = {"database", "identity"},
       .usage = "--name=NAME --scopes=LIST --out=FILE [flags]"},
      arguments, exit);
  if (command == nullptr) return exit;
  if (!name.has_value() || !scope_list.has_value() || !out.has_value()) {
    return Complain(kName, "--name, --scopes and --out are needed; see --help", app::kExitUsage);
  }
  const absl::StatusOr<identity::Scopes> scopes = ParseScopes(*scope_list);
  if (!scopes.ok()) return Complain(kName, ToStd(scopes.status().message()), app::kExitUsage);
  std::optional<absl::Duration> lifetime;
  if (lifetime_text.has_value()) {
    const absl::StatusOr<absl::Duration> parsed = config::ParseDuration(*lifetime_text);
    if (!parsed.ok()) return Complain(kName, ToStd(parsed.status().message()), app::kExitUsage);
    lifetime = *parsed;
  }

  if (const absl::Status status = pg::DatabaseClock(*command->pool, command->clock).Tick(); !status.ok()) {
    return Complain(kName, Describe(status), app::kExitError);
  }
  identity::PostgresIdentityStore store(*command->pool);
  identity::UseRecorder uses(store, command->clock, absl::Minutes(1));
  TimeOrderedIdSource ids(command->clock, *command->rng);
  identity::Identity tokens(store, uses, command->clock, ids, identity::ToLimits(command->config.identity()));
  const absl::StatusOr<identity::Token> token = identity::IssueTokenToFile(tokens, *name, *scopes, lifetime, *out);
  if (!token.ok()) {
    return Complain(kName, absl::StrCat("no token was made: ", Describe(token.status())), app::kExitError);
  }
  std::printf("token %s of %s, scopes %s, until %s: %s\n", token->id.ToString().c_str(), token->name.c_str(),
              scope_list->c_str(), absl::FormatTime(token->expire_time, absl::UTCTimeZone()).c_str(), out->c_str());
  return exit;
}

}  // namespace switchyard::all_in_one

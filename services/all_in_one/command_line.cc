#include <array>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/app/service_main.h"
#include "libs/app/version.h"
#include "libs/text/suggest.h"
#include "services/all_in_one/commands.h"

namespace switchyard::all_in_one {
namespace {

struct Command {
  std::string words;
  int (*run)(const Arguments&);
  const char* summary;
};

int PrintVersion(const Arguments&) {
  std::printf("%s\n", app::VersionLine("switchyard").c_str());
  return app::kExitOk;
}

const std::array<Command, 7> kCommands = {{
    {"run", Run, "run any set of the services in one process"},
    {"migrate", Migrate, "bring the schemas of the database up to date"},
    {"doctor", Doctor, "read the database and report broken invariants"},
    {"token issue", IssueToken, "make a token with access to the database"},
    {"tls init", InitTls, "make an authority and certificates for this host"},
    {"tls add", AddTls, "make a certificate for another machine"},
    {"version", PrintVersion, "print the version"},
}};

void PrintHelp(std::FILE* to) {
  std::fputs(
      "switchyard: all services and the tools of an installation in one binary.\n\n"
      "Usage: switchyard COMMAND [flags]\n\n",
      to);
  for (const Command& command : kCommands) std::fprintf(to, "  %-14s %s\n", command.words.c_str(), command.summary);
  std::fputs(
      "\nswitchyard COMMAND --help tells more. A first start, given an empty database:\n\n"
      "  switchyard migrate --database.host=/run/pg\n"
      "  switchyard token issue --name=admin --scopes=admin --out=admin.token --database.host=/run/pg\n"
      "  switchyard run --database.host=/run/pg\n",
      to);
}

}  // namespace

int Main(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    PrintHelp(arguments.empty() ? stderr : stdout);
    return arguments.empty() ? app::kExitUsage : app::kExitOk;
  }
  if (arguments[0] == "--version") return PrintVersion(arguments);
  const std::string two = arguments.size() > 1 ? absl::StrCat(arguments[0], " ", arguments[1]) : "";
  std::vector<std::string> known;
  for (const Command& command : kCommands) {
    known.push_back(command.words);
    const bool one_word = command.words == arguments[0];
    if (one_word || command.words == two) return command.run({arguments.begin() + (one_word ? 1 : 2), arguments.end()});
  }
  std::string meant = text::DidYouMean(two.empty() ? arguments[0] : two, known);
  if (meant.empty()) meant = text::DidYouMean(arguments[0], known);
  return Complain(
      "switchyard",
      absl::StrCat("unknown command \"", two.empty() ? arguments[0] : two, "\"",
                   meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?"), " See switchyard --help."),
      app::kExitUsage);
}

}  // namespace switchyard::all_in_one

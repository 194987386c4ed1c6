#include "libs/app/command_line.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "libs/app/version.h"
#include "libs/base/strings.h"
#include "libs/config/load.h"
#include "libs/config/print.h"
#include "libs/rpc/server.h"

namespace switchyard::app {
namespace {

std::string HelpPage(const Program& program, const google::protobuf::Message& config) {
  const bool service = program.sections.empty();
  std::string page = absl::StrCat(
      ToAbsl(program.name), ": ", ToAbsl(program.summary), "\n\nUsage: ", ToAbsl(program.name), " ",
      ToAbsl(program.usage), "\n\n", ToAbsl(program.help), program.help.empty() ? "" : "\n\n",
      "  --config=FILE           read a YAML file first (or SWITCHYARD_CONFIG)\n"
      "  --print-config          print the effective configuration with the origin of each value, and exit\n");
  if (service) {
    absl::StrAppend(
        &page,
        "  --healthcheck[=ready]   ask the running process for its health; exit code 0 when it serves (or is "
        "ready)\n");
  }
  absl::StrAppend(
      &page,
      "  --version               print the version, and exit\n"
      "  --help                  print this, and exit\n\n"
      "Every option below is a key of the YAML file (sections nested), an environment variable\n"
      "(SWITCHYARD_DATABASE_HOST for database.host) and a flag; a flag beats the environment, that beats the "
      "file.\n");
  if (service) {
    absl::StrAppend(&page, "On SIGTERM the process drains and ends with 0; bad configuration ends it with 2, other ",
                    "failures with 1.\n");
  }
  absl::StrAppend(&page, "\n", config::HelpText(*config.GetDescriptor(), program.sections));
  return page;
}

void Complain(const Program& program, std::string_view what) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(program.name.size()), program.name.data(),
               static_cast<int>(what.size()), what.data());
}

}  // namespace

ParseResult ParseCommandLine(const Program& program, const std::vector<std::string>& arguments,
                             google::protobuf::Message& config) {
  ParseResult result;
  config::Sources sources;
  sources.environment = config::ProcessEnvironment();
  sources.reserved_variables = {"SWITCHYARD_CONFIG", "SWITCHYARD_FAILPOINTS"};
  if (const auto found = sources.environment.find("SWITCHYARD_CONFIG"); found != sources.environment.end()) {
    sources.file = found->second;
  }
  bool print = false;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::fputs(HelpPage(program, config).c_str(), stdout);
      result.exit = kExitOk;
      return result;
    }
    if (argument == "--version") {
      std::printf("%s\n", VersionLine(program.name).c_str());
      result.exit = kExitOk;
      return result;
    }
    if (argument == "--print-config") {
      print = true;
    } else if (absl::StartsWith(argument, "--config=")) {
      sources.file = argument.substr(9);
    } else if (argument == "--healthcheck") {
      result.healthcheck = "";
    } else if (absl::StartsWith(argument, "--healthcheck=")) {
      const std::string service = argument.substr(14);
      result.healthcheck = service == "ready" ? std::string(rpc::Server::kReadyService) : service;
    } else {
      sources.flags.push_back(argument);
    }
  }
  config::Origins origins;
  if (const absl::Status status = config::Load(sources, config, &origins); !status.ok()) {
    Complain(program, absl::StrCat("the configuration is not usable:\n", config::FaultsText(status),
                                   "See --help and docs/reference/configuration.md."));
    result.exit = kExitUsage;
    return result;
  }
  if (print) {
    std::fputs(config::PrintConfig(config, origins).c_str(), stdout);
    result.exit = kExitOk;
  }
  return result;
}

}  // namespace switchyard::app

#include "services/executor/commands.h"

#include <array>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/app/command_line.h"
#include "libs/app/version.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/config/load.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/retry.h"
#include "libs/text/suggest.h"
#include "services/executor/files.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::executor {
namespace {

struct Command {
  std::string word;
  int (*run)(const Arguments&);
  const char* summary;
};

int PrintVersion(const Arguments&) {
  std::printf("%s\n", app::VersionLine("yard-agent").c_str());
  return app::kExitOk;
}

const std::array<Command, 5> kCommands = {{
    {"enroll", Enroll, "join an installation, with the string that `yard agent enroll NAME` printed"},
    {"run", Run, "take work and run it until SIGTERM"},
    {"doctor", Doctor, "say what is wrong with this executor, and how to mend it"},
    {"install-unit", InstallUnit, "write a systemd unit for this program"},
    {"version", PrintVersion, "print the version"},
}};

void PrintHelp(std::FILE* to) {
  std::fputs(
      "yard-agent: runs tasks of a Switchyard installation on this machine.\n\n"
      "Usage: yard-agent COMMAND [flags]\n\n",
      to);
  for (const Command& command : kCommands) std::fprintf(to, "  %-13s %s\n", command.word.c_str(), command.summary);
  std::fputs(
      "\nyard-agent COMMAND --help tells more, yard-agent run --help every option. To join:\n\n"
      "  yard agent enroll NAME                 where you operate the installation: prints a string\n"
      "  sudo yard-agent enroll STRING          here: fetches a token, runs a probe task, starts the service\n\n"
      "Then say what tasks may run: in allowlist.yaml in the data folder (/var/lib/yard-agent), closed by default.\n",
      to);
}

}  // namespace

int Main(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    PrintHelp(arguments.empty() ? stderr : stdout);
    return arguments.empty() ? app::kExitUsage : app::kExitOk;
  }
  if (arguments[0] == "--version") return PrintVersion(arguments);
  std::vector<std::string> known;
  for (const Command& command : kCommands) {
    known.push_back(command.word);
    if (command.word == arguments[0]) return command.run({arguments.begin() + 1, arguments.end()});
  }
  // `yard-agent --print-config`, `yard-agent --healthcheck`: of the one long-running command.
  if (arguments[0].rfind("--", 0) == 0) return Run(arguments);
  const std::string meant = text::DidYouMean(arguments[0], known);
  return Complain(
      "yard-agent",
      absl::StrCat("unknown command \"", arguments[0], "\"",
                   meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?"), " See yard-agent --help."),
      app::kExitUsage);
}

bool TakeSwitch(Arguments& arguments, std::string_view name) {
  return std::erase(arguments, "--" + std::string(name)) != 0;
}

std::optional<std::string> TakeFlag(Arguments& arguments, std::string_view name) {
  const std::string start = "--" + std::string(name) + "=";
  std::optional<std::string> value;
  std::erase_if(arguments, [&](const std::string& argument) {
    if (argument.rfind(start, 0) != 0) return false;
    value = argument.substr(start.size());
    return true;
  });
  return value;
}

int Complain(std::string_view command, std::string_view what, int code) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(command.size()), command.data(), static_cast<int>(what.size()),
               what.data());
  return code;
}

std::string Describe(const absl::Status& status) {
  if (!DetailsOf(status).violations.empty()) return "\n" + config::FaultsText(status);
  return std::string(status.message());
}

absl::Status CheckToken(const config::v1::ExecutorConfig& config, std::string* agent_name) {
  SY_ASSIGN_OR_RETURN(const HubAccess hub, FindHub(config));
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  rpc::AlarmTimer timer;
  rpc::FileTokenSource tokens(hub.token_file, clock);
  const rpc::Caller caller(clock, *rng, timer, &tokens);
  absl::Status last;
  for (const std::string& address : hub.addresses) {
    rpc::ChannelOptions options;
    options.target = address;
    options.tls = hub.tls;
    SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, rpc::MakeChannel(options));
    const auto stub = agent::v1::AgentAdminService::NewStub(channel);
    const auto answer =
        rpc::CallUnary(caller, *stub, &agent::v1::AgentAdminService::StubInterface::GetSelfStatus,
                       agent::v1::GetSelfStatusRequest(), {.timeout = absl::Seconds(5), .idempotent = true});
    if (answer.ok()) {
      if (agent_name != nullptr) *agent_name = answer->agent().name();
      return absl::OkStatus();
    }
    last = answer.status();
    if (last.code() != absl::StatusCode::kUnavailable && last.code() != absl::StatusCode::kDeadlineExceeded)
      return last;
  }
  return last;
}

}  // namespace switchyard::executor

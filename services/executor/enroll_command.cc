#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/app/command_line.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/lifecycle.h"
#include "services/executor/commands.h"
#include "services/executor/enrollment.h"
#include "services/executor/files.h"

namespace switchyard::executor {
namespace {

const app::Program kEnrollProgram = {
    .name = "yard-agent enroll",
    .summary = "joins an installation.",
    .help =
        "STRING is what `yard agent enroll NAME` printed; \"-\" reads it from standard input. The hub exchanges it "
        "for\n"
        "this machine's token, kept with mode 0600 in data_dir, and sends a probe task: this command ends well when "
        "it\n"
        "was received, run and completed. Started as root it works as the user that owns data_dir, and starts the\n"
        "service yard-agent where systemd knows it.\n\n"
        "STRING is a secret while it is good: other users of this machine see what stands on a command line, shells\n"
        "keep it; \"-\" avoids both.\n\n"
        "  --no-start              do not start the service\n"
        "  --force                 also when this machine is enrolled, and its token works or its hub is away",
    .service = "yard-agent",
    .sections = {"hub", "sandbox", "backends"},
    .usage = "STRING [flags]"};

std::string ReadStdin() {
  return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
}

void Tell(std::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(stdout);
}

int EnrollHere(const config::v1::ExecutorConfig& config, const agent::v1::EnrollmentBundle& bundle, bool force) {
  constexpr const char* kName = "yard-agent enroll";
  ConfigureLog(kEnrollProgram.service, LogLevel::kError);
  rpc::RouteGrpcLog();
  if (IsLocked(config.data_dir())) {
    return Complain(
        kName, absl::StrCat("a yard-agent runs on ", config.data_dir(), "; stop it first: systemctl stop yard-agent"),
        app::kExitError);
  }
  if (!force && access(TokenFile(config).c_str(), F_OK) == 0) {
    std::string name;
    const absl::Status works = CheckToken(config, &name);
    if (works.ok()) {
      return Complain(kName,
                      absl::StrCat("this machine is enrolled as ", name, ", and its token works; --force replaces it"),
                      app::kExitError);
    }
    const bool useless =
        absl::IsUnauthenticated(works) || absl::IsPermissionDenied(works) || ReasonOf(works) == "NOT_ENROLLED";
    if (!useless) {
      return Complain(kName,
                      absl::StrCat("this machine is enrolled, and whether its token works could not be asked: ",
                                   Describe(works), "; --force replaces it"),
                      app::kExitError);
    }
  }
  if (const absl::Status status = Redeem(config, bundle, Tell); !status.ok()) {
    return Complain(kName, Describe(status), app::kExitError);
  }
  const absl::StatusOr<std::string> ready = RunUntilProbed(config, absl::Seconds(90), Tell);
  if (!ready.ok()) return Complain(kName, Describe(ready.status()), app::kExitError);
  Tell(absl::StrCat(*ready, " is one of the installation's agents"));
  return app::kExitOk;
}

// The user that the service runs as; nothing when that is the one we are.
std::optional<passwd> ServiceUser(const std::string& data_dir) {
  if (geteuid() != 0) return std::nullopt;
  struct stat info {};
  if (stat(data_dir.c_str(), &info) != 0 || info.st_uid == 0) return std::nullopt;
  const passwd* user = getpwuid(info.st_uid);
  if (user == nullptr) return std::nullopt;
  return *user;
}

// In a child, so that this process can still start the service. Before any thread.
int EnrollAs(const passwd& user, const config::v1::ExecutorConfig& config, const agent::v1::EnrollmentBundle& bundle,
             bool force) {
  const pid_t child = fork();
  if (child == 0) {
    if (initgroups(user.pw_name, user.pw_gid) != 0 || setgid(user.pw_gid) != 0 || setuid(user.pw_uid) != 0) {
      std::_Exit(Complain("yard-agent enroll", absl::StrCat("cannot become ", user.pw_name), app::kExitError));
    }
    const int code = EnrollHere(config, bundle, force);
    std::fflush(nullptr);
    std::_Exit(code);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : app::kExitError;
}

void StartService() {
  const bool systemd = access("/run/systemd/system", F_OK) == 0;
  bool unit = false;
  for (const char* folder : {"/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"}) {
    unit = unit || access(absl::StrCat(folder, "/yard-agent.service").c_str(), F_OK) == 0;
  }
  if (geteuid() != 0 || !systemd || !unit) {
    Tell("start it: systemctl enable --now yard-agent, or by hand: yard-agent run");
    return;
  }
  const pid_t child = fork();
  if (child == 0) {
    execlp("systemctl", "systemctl", "enable", "--now", "yard-agent", static_cast<char*>(nullptr));
    std::_Exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Tell(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "the service yard-agent runs, also after a restart"
                                                     : "the service did not start; see: systemctl status yard-agent");
}

}  // namespace

int Enroll(const Arguments& given) {
  Arguments arguments = given;
  std::string text;
  if (!arguments.empty() && (arguments[0] == "-" || arguments[0].rfind("--", 0) != 0)) {
    text = arguments[0] == "-" ? ReadStdin() : arguments[0];
    arguments.erase(arguments.begin());
  }
  const bool force = TakeSwitch(arguments, "force");
  const bool no_start = TakeSwitch(arguments, "no-start");
  config::v1::ExecutorConfig config;
  const app::ParseResult parsed = app::ParseCommandLine(kEnrollProgram, arguments, config);
  if (parsed.exit.has_value()) return *parsed.exit;
  if (text.empty()) {
    return Complain("yard-agent enroll", "give the string that `yard agent enroll NAME` printed; see --help",
                    app::kExitUsage);
  }
  const absl::StatusOr<agent::v1::EnrollmentBundle> bundle = ParseEnrollment(text);
  if (!bundle.ok()) return Complain("yard-agent enroll", Describe(bundle.status()), app::kExitUsage);
  const std::optional<passwd> user = ServiceUser(config.data_dir());
  const int code = user.has_value() ? EnrollAs(*user, config, *bundle, force) : EnrollHere(config, *bundle, force);
  if (code == app::kExitOk && !no_start) StartService();
  return code;
}

}  // namespace switchyard::executor

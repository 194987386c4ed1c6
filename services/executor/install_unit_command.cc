#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/app/command_line.h"
#include "services/executor/commands.h"
#include "services/executor/files.h"
#include "services/executor/unit_text.h"

namespace switchyard::executor {
namespace {

constexpr const char* kHelp =
    "yard-agent install-unit: writes a systemd unit for this program.\n\n"
    "Usage: yard-agent install-unit [flags]\n\n"
    "The Debian package brings its own unit; this is for a program that was copied here. Needs root.\n\n"
    "  --user=NAME       who it runs as (default yard-agent; made by: useradd --system --home-dir DIR NAME)\n"
    "  --data-dir=DIR    its folder (default /var/lib/yard-agent)\n"
    "  --config=FILE     its configuration file (default: none)\n"
    "  --out=FILE        where to write it (default /etc/systemd/system/yard-agent.service)\n"
    "  --print           print it instead\n";

std::string ThisProgram() {
  char path[PATH_MAX] = {};
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : "/usr/bin/yard-agent";
}

bool IsPlain(const std::string& text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@+-") ==
         std::string::npos;
}

}  // namespace

int InstallUnit(const Arguments& given) {
  constexpr const char* kName = "yard-agent install-unit";
  Arguments arguments = given;
  if (TakeSwitch(arguments, "help")) {
    std::fputs(kHelp, stdout);
    return app::kExitOk;
  }
  const bool print = TakeSwitch(arguments, "print");
  const std::string user = TakeFlag(arguments, "user").value_or("yard-agent");
  const std::string data_dir = TakeFlag(arguments, "data-dir").value_or("/var/lib/yard-agent");
  const std::string config = TakeFlag(arguments, "config").value_or("");
  const std::string out = TakeFlag(arguments, "out").value_or("/etc/systemd/system/yard-agent.service");
  if (!arguments.empty()) {
    return Complain(kName, absl::StrCat("unknown argument ", arguments[0], "; see --help"), app::kExitUsage);
  }
  const std::string program = ThisProgram();
  for (const std::string& text : {user, data_dir, config, program}) {
    if (!IsPlain(text))
      return Complain(kName, absl::StrCat("\"", text, "\" has characters that a unit must quote"), app::kExitUsage);
  }
  std::string command = absl::StrCat(program, " run --data-dir=", data_dir);
  if (!config.empty()) absl::StrAppend(&command, " --config=", config);
  const std::string unit = absl::StrReplaceAll(
      kUnitText,
      {{"/usr/bin/yard-agent run --config=/etc/yard-agent/yard-agent.yaml", command},
       {"User=yard-agent", absl::StrCat("User=", user)},
       {"Group=yard-agent", absl::StrCat("Group=", user)},
       {"StateDirectory=yard-agent\nStateDirectoryMode=0700\n", absl::StrCat("ReadWritePaths=", data_dir, "\n")},
       {"/var/lib/yard-agent", data_dir}});
  if (print) {
    std::fputs(unit.c_str(), stdout);
    return app::kExitOk;
  }
  if (const absl::Status status = ReplaceFile(out, unit); !status.ok()) {
    return Complain(kName, Describe(status), app::kExitError);
  }
  chmod(out.c_str(), 0644);
  std::printf("wrote %s; next:\n  systemctl daemon-reload\n  yard-agent enroll STRING --data-dir=%s\n", out.c_str(),
              data_dir.c_str());
  return app::kExitOk;
}

}  // namespace switchyard::executor

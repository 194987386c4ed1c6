#include "services/executor/self_test.h"

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/strings.h"
#include "services/executor/limits.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {
namespace {

constexpr absl::Duration kProbeTime = absl::Seconds(8);

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::string ExplainSandboxFailure(std::string_view complaint) {
  const absl::string_view text = ToAbsl(complaint);
  const bool denied = absl::StrContains(text, "ermission denied") || absl::StrContains(text, "not permitted");
  if (absl::StrContains(text, "execve: No such file"))
    return "install the package bubblewrap, or set sandbox.bubblewrap";
  if (absl::StrContains(text, "execve: Permission denied") || absl::StrContains(text, "chdir: Permission denied") ||
      (absl::StrContains(text, "source path") && denied)) {
    return "the sandbox user cannot reach a file it needs: every folder above data_dir and the shim needs mode o+x";
  }
  if (absl::StrContains(text, "creating new namespace failed") || absl::StrContains(text, "No permissions to creat") ||
      absl::StrContains(text, "setting up uid map")) {
    if (FirstLine("/proc/sys/user/max_user_namespaces") == "0") {
      return "user namespaces are switched off: sysctl user.max_user_namespaces=15000";
    }
    if (FirstLine("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
      return "user namespaces are switched off for plain users: sysctl kernel.unprivileged_userns_clone=1";
    }
    if (FirstLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
      return "AppArmor restricts user namespaces: give bubblewrap a profile that allows userns";
    }
    return "a container or a security module forbids user namespaces: run the executor on the host, or allow them";
  }
  if (absl::StrContains(text, "proc") && denied) {
    return "the container hides parts of /proc, so none can be mounted inside: run it with an unmasked /proc";
  }
  if (absl::StrContains(text, "nknown option")) return "this bubblewrap is too old: 0.8 or newer is needed";
  return "";
}

ProbeResult ProbeSandbox(const SandboxHost& host, const std::string& work_folder, std::uint64_t serial,
                         Runner& runner) {
  ProbeResult result{.name = "sandbox", .ok = false, .detail = ""};
  const std::string name = absl::StrCat("self-test.", serial);
  const absl::StatusOr<std::string> workspace = MakeWorkspace(work_folder, name, host.user, "");
  if (!workspace.ok()) {
    result.detail = std::string(workspace.status().message());
    return result;
  }
  Limits limits = DefaultLimits();
  limits.time = kProbeTime;
  limits.kill_grace = absl::ZeroDuration();
  SandboxRequest request{.argv = {"/usr/bin/true"}, .workspace = *workspace};
  request.shim_arguments = KernelLimits(limits, /*own_user_namespace=*/true);
  const Evidence evidence = RunAndWait(runner, {.argv = SandboxCommand(host, request),
                                                .environment = CleanEnvironment({}, {}, true, *workspace),
                                                .directory = "/",
                                                .user = host.user,
                                                .sandboxed = true,
                                                .stdin_data = "",
                                                .limits = limits,
                                                .folder = ""});
  RemoveTree(*workspace);
  result.ok = evidence.outcome == Outcome::kSucceeded;
  if (result.ok) {
    result.detail = absl::StrCat("bubblewrap works, tasks run as uid ", host.task_uid());
    return result;
  }
  const std::string mend = ExplainSandboxFailure(evidence.message);
  result.detail = absl::StrCat("no sandbox: ", evidence.message, mend.empty() ? "" : "; ", mend);
  return result;
}

}  // namespace switchyard::executor

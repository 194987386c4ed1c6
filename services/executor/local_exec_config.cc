#include "services/executor/local_exec_config.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/executor/allowlist_file.h"
#include "services/executor/repository/repository_config.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {
namespace {

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::StatusOr<Allowlist> ReadAllowlist(const config::v1::ExecutorConfig& config) {
  const std::string& given = config.backends().local_exec().allowlist_file();
  if (!given.empty()) return LoadAllowlist(given);
  const std::string path = config.data_dir() + "/allowlist.yaml";
  if (access(path.c_str(), F_OK) != 0) return Allowlist();
  return LoadAllowlist(path);
}

}  // namespace

Limits LimitsOf(const config::v1::TaskLimitsConfig& config) {
  return {.time = DurationOf(config.time()),
          .kill_grace = DurationOf(config.kill_grace()),
          .memory_bytes = config.memory(),
          .processes = config.processes(),
          .disk_bytes = config.disk(),
          .log_bytes = config.log(),
          .output_bytes = config.output()};
}

checks::Checker::Limits CheckLimitsOf(const config::v1::TaskLimitsConfig& config) {
  checks::Checker::Limits limits;
  // Several programs, each of which may take as long as a task.
  limits.all_time = std::max(limits.all_time, 4 * DurationOf(config.time()));
  return limits;
}

absl::Status ReloadAllowlist(const config::v1::ExecutorConfig& config, Programs& programs) {
  SY_ASSIGN_OR_RETURN(Allowlist allowlist, ReadAllowlist(config));
  return programs.SetAllowlist(std::move(allowlist));
}

absl::StatusOr<std::unique_ptr<Programs>> MakePrograms(const config::v1::ExecutorConfig& config, Runner& runner) {
  SY_ASSIGN_OR_RETURN(const std::string work, PrepareWorkFolder(config.data_dir()));
  Programs::Options options{.host = PrepareSandboxHost(config.sandbox().bubblewrap(), config.sandbox().shim(),
                                                       config.sandbox().user(), config.data_dir()),
                            .hidden = {config.data_dir()},
                            .work_folder = work,
                            .limits = LimitsOf(config.limits())};
  for (const std::string& path : {config.hub().token_file(), config.hub().key_file()}) {
    if (!path.empty()) options.hidden.push_back(path);
  }
  // "file:PATH URL": what models are paid with is no task's to read.
  for (const std::string& line : config.backends().models().credentials()) {
    if (line.rfind("file:", 0) == 0) options.hidden.push_back(line.substr(5, line.rfind(' ') - 5));
  }
  for (const std::string& path : repository::SecretFiles(config.workspace())) options.hidden.push_back(path);
  if (config.sandbox().cgroups()) {
    absl::StatusOr<std::unique_ptr<Cgroups>> cgroups = Cgroups::OpenDelegated();
    if (cgroups.ok()) {
      runner.UseCgroups(*std::move(cgroups));
    } else {
      LogInfo("tasks run without control groups", {{"why", cgroups.status()}});
    }
  }
  auto programs = std::make_unique<Programs>(std::move(options), runner);
  SY_RETURN_IF_ERROR(ReloadAllowlist(config, *programs));
  return programs;
}

}  // namespace switchyard::executor

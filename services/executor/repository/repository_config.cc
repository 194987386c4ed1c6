#include "services/executor/repository/repository_config.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/config/secret.h"

namespace switchyard::executor::repository {
namespace {

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::vector<std::string> NetworkEnvironment() {
  const config::Environment environment = config::ProcessEnvironment();
  std::vector<std::string> taken;
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
                           "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"}) {
    const auto found = environment.find(name);
    if (found != environment.end()) taken.push_back(absl::StrCat(found->first, "=", found->second));
  }
  return taken;
}

}  // namespace

absl::StatusOr<RepositoryPolicy> MakePolicy(const config::v1::WorkspaceConfig& config) {
  return RepositoryPolicy::Make({config.repositories().begin(), config.repositories().end()},
                                {config.credentials().begin(), config.credentials().end()},
                                [](const std::string& reference) { return config::ResolveSecret(reference); });
}

absl::StatusOr<GitWorktrees::Options> WorktreeOptions(const config::v1::ExecutorConfig& config,
                                                      std::optional<UserIds> user) {
  const config::v1::WorkspaceConfig& workspace = config.workspace();
  GitWorktrees::Options options;
  SY_ASSIGN_OR_RETURN(options.policy, MakePolicy(workspace));
  std::error_code error;
  options.data_dir = std::filesystem::absolute(config.data_dir(), error).lexically_normal().string();
  options.user = user;
  options.network_environment = NetworkEnvironment();
  if (!workspace.git().empty()) options.git = workspace.git();
  if (!workspace.author().empty()) options.author = workspace.author();
  if (workspace.max_bytes() > 0) options.max_bytes = workspace.max_bytes();
  if (workspace.has_keep()) options.keep = DurationOf(workspace.keep());
  if (workspace.has_fetch_timeout()) options.fetch_timeout = DurationOf(workspace.fetch_timeout());
  if (config.journal().min_free() > 0) options.min_free_bytes = config.journal().min_free();
  return options;
}

absl::StatusOr<std::unique_ptr<GitWorktrees>> MakeWorktrees(const config::v1::ExecutorConfig& config,
                                                            std::optional<UserIds> user, const Clock& clock) {
  SY_ASSIGN_OR_RETURN(GitWorktrees::Options options, WorktreeOptions(config, user));
  if (options.policy.empty()) return std::unique_ptr<GitWorktrees>();
  return GitWorktrees::Create(std::move(options), clock);
}

std::vector<std::string> SecretFiles(const config::v1::WorkspaceConfig& config) {
  std::vector<std::string> files;
  for (const auto* lines : {&config.credentials(), &config.forges()}) {
    for (const std::string& line : *lines) {
      // "file:PATH URL_PREFIX", or "API_URL URL_PREFIX file:PATH".
      const std::size_t at = line.find("file:/");
      const bool first = at == 0;
      if (at == std::string::npos || (!first && line[at - 1] != ' ')) continue;
      // A file:// URL is no secret.
      if (line.compare(at, 7, "file://") == 0) continue;
      files.push_back(first ? line.substr(5, line.rfind(' ') - 5) : line.substr(at + 5));
    }
  }
  return files;
}

}  // namespace switchyard::executor::repository

// How git is called: which program, with which settings, in whose name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/repository/git_process.h"
#include "services/executor/repository/repository_policy.h"
#include "services/executor/repository/worktrees.h"
#include "services/executor/spawn.h"

namespace switchyard::executor::repository {

// A folder of settings, hooks and the program that git asks for credentials; all of it this executor's, readable by
// tasks' users. No call reads the settings of the host or of a user, asks a person, or uses another transport than its
// own. Immutable once made: thread-safe.
class GitHome {
 public:
  struct Options {
    std::string git;
    // Absolute.
    std::string folder;
    std::optional<UserIds> user;
    // "NAME <ADDRESS>".
    std::string author;
    std::vector<std::string> network_environment;
    absl::Duration fetch_timeout;
    absl::Duration local_timeout;
  };

  // Writes the folder anew. FAILED_PRECONDITION, reason WORKSPACE_FAILED or INVALID_FIELD.
  static absl::StatusOr<GitHome> Make(Options options);

  // In a task's git folder and tree, as the task's user, with no transport at all.
  GitCall InTree(const std::string& git_folder, const std::string& tree, std::vector<std::string> arguments) const;
  // In a bare mirror, as this executor, with no transport at all.
  GitCall InMirror(const std::string& mirror, std::vector<std::string> arguments) const;
  // The same, with the one transport of the URL and the credential.
  GitCall ToRemote(const std::string& mirror, const RepositoryUrl& url, const RepositoryPolicy::Credential& credential,
                   std::vector<std::string> arguments) const;
  // The settings that have the hooks refuse every branch but this one and every remote but this one.
  std::vector<std::string> HookSettings(std::string_view branch, std::string_view remote) const;

  // Any exit status is an answer.
  absl::StatusOr<GitAnswer> Run(const GitCall& call, const Stop& stop) const;
  // Its standard output without the last newline; INTERNAL, reason GIT_FAILED, when it ends otherwise than by 0.
  absl::StatusOr<std::string> Ask(const GitCall& call, const Stop& stop) const;

  const std::string& hooks() const { return hooks_; }
  const Options& options() const { return options_; }
  // As commits have it: at `time`, in UTC.
  std::vector<std::string> AuthorEnvironment(absl::Time time) const;

 private:
  explicit GitHome(Options options);
  std::vector<std::string> Environment(const std::string& git_folder) const;

  Options options_;
  std::string hooks_;
  std::string author_name_;
  std::string author_address_;
};

// What git said, without what looks like a secret or is this one; well-formed, at most 1 KiB.
std::string Cleaned(std::string_view text, std::string_view secret = "");

// Names the folders of a path that do not exist yet; of mode `mode`, whatever the umask.
absl::Status MakeFolder(const std::string& path, unsigned mode);
// Whole or not at all, in place of what is there.
absl::Status WriteWhole(const std::string& path, std::string_view content, unsigned mode);
absl::StatusOr<std::string> ReadWhole(const std::string& path);

}  // namespace switchyard::executor::repository

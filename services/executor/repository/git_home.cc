#include "services/executor/repository/git_home.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"
#include "services/executor/repository/git_texts.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::repository {
namespace {

constexpr std::size_t kMaxSaid = 1024;

absl::Status Failed(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "WORKSPACE_FAILED",
                   absl::StrCat(ToAbsl(what), ": ", strerror(errno)));
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::vector<std::string> Joined(std::vector<std::string> first, std::vector<std::string> then) {
  for (std::string& text : then) first.push_back(std::move(text));
  return first;
}

}  // namespace

absl::Status MakeFolder(const std::string& path, unsigned mode) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return Failed(absl::StrCat("cannot make ", path));
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return Failed(absl::StrCat("cannot use ", path));
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
    errno = ENOTDIR;
    return Failed(absl::StrCat(path, " must be a folder of this process' user"));
  }
  if (chmod(path.c_str(), mode) != 0) return Failed(absl::StrCat("cannot set the mode of ", path));
  return absl::OkStatus();
}

absl::Status WriteWhole(const std::string& path, std::string_view content, unsigned mode) {
  const std::string beside = path + ".new";
  unlink(beside.c_str());
  const UniqueFd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return Failed(absl::StrCat("cannot write ", beside));
  while (!content.empty()) {
    const ssize_t size = write(fd.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Failed(absl::StrCat("cannot write ", beside));
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  if (fchmod(fd.get(), mode) != 0 || rename(beside.c_str(), path.c_str()) != 0) {
    return Failed(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return Failed(absl::StrCat("cannot read ", path));
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = read(fd.get(), buffer, sizeof(buffer))) > 0 && text.size() < (1 << 20);) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

std::string Cleaned(std::string_view text, std::string_view secret) {
  std::string plain(text);
  if (!secret.empty()) plain = absl::StrReplaceAll(plain, {{ToAbsl(secret), ToAbsl(text::kRedacted)}});
  plain = text::ReplaceInvalidUtf8(text::Redact(plain));
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  absl::StripAsciiWhitespace(&plain);
  return std::string(text::TruncateUtf8(plain, kMaxSaid));
}

GitHome::GitHome(Options options) : options_(std::move(options)), hooks_(options_.folder + "/hooks") {}

absl::StatusOr<GitHome> GitHome::Make(Options options) {
  GitHome home(std::move(options));
  const std::string& author = home.options_.author;
  const std::size_t open = author.find('<');
  const std::size_t close = author.find('>');
  home.author_name_ = std::string(absl::StripAsciiWhitespace(author.substr(0, std::min(open, author.size()))));
  if (open == std::string::npos || close == std::string::npos || close != author.size() - 1 || close < open + 2 ||
      home.author_name_.empty() || author.find('\n') != std::string::npos || author.find('\0') != std::string::npos) {
    return InvalidFields({{.field = "workspace.author", .description = "is written NAME <ADDRESS>"}});
  }
  home.author_address_ = author.substr(open + 1, close - open - 1);
  SY_RETURN_IF_ERROR(MakeFolder(home.options_.folder, 0755));
  SY_RETURN_IF_ERROR(MakeFolder(home.hooks_, 0755));
  SY_RETURN_IF_ERROR(WriteWhole(home.options_.folder + "/config", kGitSettings, 0644));
  SY_RETURN_IF_ERROR(WriteWhole(home.options_.folder + "/askpass", kAskPassScript, 0755));
  for (const char* name : {"pre-commit", "pre-merge-commit", "pre-applypatch"}) {
    SY_RETURN_IF_ERROR(WriteWhole(absl::StrCat(home.hooks_, "/", name), kPreCommitHook, 0755));
  }
  SY_RETURN_IF_ERROR(WriteWhole(home.hooks_ + "/reference-transaction", kReferenceHook, 0755));
  SY_RETURN_IF_ERROR(WriteWhole(home.hooks_ + "/pre-push", kPrePushHook, 0755));
  return home;
}

std::vector<std::string> GitHome::Environment(const std::string& git_folder) const {
  return {"PATH=/usr/local/bin:/usr/bin:/bin",
          absl::StrCat("HOME=", options_.folder),
          absl::StrCat("XDG_CONFIG_HOME=", options_.folder),
          "LC_ALL=C",
          "TZ=UTC",
          absl::StrCat("GIT_DIR=", git_folder),
          "GIT_CONFIG_NOSYSTEM=1",
          absl::StrCat("GIT_CONFIG_GLOBAL=", options_.folder, "/config"),
          "GIT_ATTR_NOSYSTEM=1",
          "GIT_TERMINAL_PROMPT=0",
          "GIT_NO_LAZY_FETCH=1",
          "GIT_NO_REPLACE_OBJECTS=1",
          "GIT_LITERAL_PATHSPECS=1",
          "GIT_PAGER=cat",
          "GIT_EDITOR=/bin/false"};
}

std::vector<std::string> GitHome::AuthorEnvironment(absl::Time time) const {
  const std::string date = absl::StrCat("@", absl::ToUnixSeconds(time), " +0000");
  return {absl::StrCat("GIT_AUTHOR_NAME=", author_name_),
          absl::StrCat("GIT_AUTHOR_EMAIL=", author_address_),
          absl::StrCat("GIT_AUTHOR_DATE=", date),
          absl::StrCat("GIT_COMMITTER_NAME=", author_name_),
          absl::StrCat("GIT_COMMITTER_EMAIL=", author_address_),
          absl::StrCat("GIT_COMMITTER_DATE=", date)};
}

GitCall GitHome::InTree(const std::string& git_folder, const std::string& tree,
                        std::vector<std::string> arguments) const {
  GitCall call;
  call.arguments =
      Joined({"-c", absl::StrCat("core.hooksPath=", hooks_), "-c", "core.fsmonitor=false"}, std::move(arguments));
  call.environment =
      Joined(Environment(git_folder), {absl::StrCat("GIT_WORK_TREE=", tree),
                                       "GIT_ALLOW_PROTOCOL=", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false"});
  call.directory = tree;
  call.user = options_.user;
  call.time = options_.local_timeout;
  return call;
}

GitCall GitHome::InMirror(const std::string& mirror, std::vector<std::string> arguments) const {
  GitCall call;
  call.arguments = Joined({"-c", "core.hooksPath=/dev/null"}, std::move(arguments));
  call.environment =
      Joined(Environment(mirror), {"GIT_ALLOW_PROTOCOL=", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false"});
  call.time = options_.local_timeout;
  return call;
}

GitCall GitHome::ToRemote(const std::string& mirror, const RepositoryUrl& url,
                          const RepositoryPolicy::Credential& credential, std::vector<std::string> arguments) const {
  GitCall call;
  call.arguments = std::move(arguments);
  call.environment = Joined(Environment(mirror), options_.network_environment);
  call.environment.push_back(absl::StrCat("GIT_ALLOW_PROTOCOL=", url.scheme));
  std::string ssh = "ssh -oBatchMode=yes";
  if (!credential.key_file.empty()) absl::StrAppend(&ssh, " -oIdentitiesOnly=yes -i ", Quoted(credential.key_file));
  call.environment.push_back(absl::StrCat("GIT_SSH_COMMAND=", ssh));
  call.environment.push_back("GIT_SSH_VARIANT=ssh");
  call.environment.push_back("SSH_ASKPASS=/bin/false");
  if (credential.secret.empty()) {
    call.environment.push_back("GIT_ASKPASS=/bin/false");
  } else {
    // "NAME:PASSWORD", or a token, for which forges take any name.
    const std::size_t colon = credential.secret.find(':');
    call.secret = colon == std::string::npos ? absl::StrCat("x-access-token\n", credential.secret, "\n")
                                             : absl::StrCat(credential.secret.substr(0, colon), "\n",
                                                            credential.secret.substr(colon + 1), "\n");
    call.environment.push_back(absl::StrCat("GIT_ASKPASS=", options_.folder, "/askpass"));
  }
  call.time = options_.fetch_timeout;
  return call;
}

std::vector<std::string> GitHome::HookSettings(std::string_view branch, std::string_view remote) const {
  return {"-c", absl::StrCat("core.hooksPath=", hooks_),
          "-c", absl::StrCat("switchyard.branch=", ToAbsl(branch)),
          "-c", absl::StrCat("switchyard.remote=", ToAbsl(remote))};
}

absl::StatusOr<GitAnswer> GitHome::Run(const GitCall& call, const Stop& stop) const {
  return RunGit(options_.git, call, stop);
}

absl::StatusOr<std::string> GitHome::Ask(const GitCall& call, const Stop& stop) const {
  SY_ASSIGN_OR_RETURN(GitAnswer answer, Run(call, stop));
  if (!answer.ok()) {
    // Settings come first and say nothing to people.
    std::string command = "git";
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
      if (call.arguments[i] == "-c") {
        ++i;
      } else {
        command = absl::StrCat("git ", call.arguments[i]);
        break;
      }
    }
    return MakeError(absl::StatusCode::kInternal, "GIT_FAILED",
                     absl::StrCat(command, " ended with ", answer.exit_code, ": ", Cleaned(answer.error)));
  }
  if (!answer.output.empty() && answer.output.back() == '\n') answer.output.pop_back();
  return std::move(answer.output);
}

}  // namespace switchyard::executor::repository

#include "services/executor/repository/task_folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/repository/git_process.h"
#include "services/executor/repository/names.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::repository {
namespace {

// Above what a tree says of itself: how a file is compared is seen from its content, and nothing is filtered through
// programs.
constexpr std::string_view kAttributes = "* !diff !filter !merge\n";

}  // namespace

std::string FormatTaskRecord(const TaskRecord& record) {
  return absl::StrCat("version 1\nbase_branch ", record.base_branch, "\nbase_commit ", record.base_commit, "\nused ",
                      absl::ToUnixSeconds(record.used), "\nend\n");
}

std::optional<TaskRecord> ParseTaskRecord(const std::string& text) {
  std::map<std::string, std::string> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    values.insert(absl::StrSplit(line, absl::MaxSplits(' ', 1)));
  }
  TaskRecord record{.base_branch = values["base_branch"], .base_commit = values["base_commit"], .used = {}};
  std::int64_t used = 0;
  if (values["version"] != "1" || values.count("end") == 0 || !IsBranchName(record.base_branch) ||
      !IsObjectId(record.base_commit) || !absl::SimpleAtoi(values["used"], &used)) {
    return std::nullopt;
  }
  record.used = absl::FromUnixSeconds(used);
  return record;
}

TaskFolder::TaskFolder(const GitHome& home, std::string folder, std::string task_id)
    : home_(home), folder_(std::move(folder)), branch_(BranchOf(task_id)) {}

std::optional<TaskRecord> TaskFolder::ReadRecord() const {
  const absl::StatusOr<std::string> text = ReadWhole(folder_ + "/record");
  return text.ok() ? ParseTaskRecord(*text) : std::nullopt;
}

absl::Status TaskFolder::WriteRecord(const TaskRecord& record) const {
  return WriteWhole(folder_ + "/record", FormatTaskRecord(record), 0600);
}

absl::Status TaskFolder::GiveAway(const std::string& path) const {
  const std::optional<UserIds>& user = home_.options().user;
  if (!user.has_value() || lchown(path.c_str(), user->uid, user->gid) == 0) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "WORKSPACE_FAILED",
                   absl::StrCat("cannot give away ", path, ": ", strerror(errno)));
}

absl::Status TaskFolder::Make(const std::string& mirror, const std::string& remote, const std::string& commit,
                              const std::function<absl::Status()>& watch, const Stop& stop) const {
  Remove();
  // Others may pass, as the task's user has to, and see nothing.
  SY_RETURN_IF_ERROR(MakeFolder(folder_, 0711));
  const std::string settings =
      absl::StrCat("[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfilemode = true\n\tworktree = \"", tree(),
                   "\"\n\thooksPath = \"", home_.hooks(), "\"\n[gc]\n\tauto = 0\n[remote \"origin\"]\n\turl = \"",
                   remote, "\"\n[switchyard]\n\tbranch = ", branch_, "\n\tremote = \"", remote, "\"\n");
  std::vector<std::string> made;
  for (const char* inner : {"/tree", "/git", "/git/info", "/git/objects", "/git/objects/info", "/git/objects/pack",
                            "/git/refs", "/git/refs/heads"}) {
    made.push_back(folder_ + inner);
    SY_RETURN_IF_ERROR(MakeFolder(made.back(), 0700));
  }
  const std::pair<const char*, std::string> files[] = {
      {"/git/config", settings},
      {"/git/HEAD", absl::StrCat("ref: ", reference(), "\n")},
      {"/git/info/attributes", std::string(kAttributes)},
      {"/git/objects/info/alternates", absl::StrCat(mirror, "/objects\n")}};
  for (const auto& [name, content] : files) {
    made.push_back(folder_ + name);
    SY_RETURN_IF_ERROR(WriteWhole(made.back(), content, 0600));
  }
  // What is inside first: nobody else gets in before the folder itself is given away, so that no name stands for
  // anything but what was made here.
  for (auto path = made.rbegin(); path != made.rend(); ++path) SY_RETURN_IF_ERROR(GiveAway(*path));
  return Reset(commit, watch, stop);
}

absl::Status TaskFolder::Reset(const std::string& commit, const std::function<absl::Status()>& watch,
                               const Stop& stop) const {
  SY_RETURN_IF_ERROR(home_.Ask(Call({"symbolic-ref", "HEAD", reference()}), stop).status());
  SY_RETURN_IF_ERROR(home_.Ask(Call({"update-ref", "--no-deref", reference(), commit}), stop).status());
  OpenFolders();
  GitCall files = Call({"read-tree", "--reset", "-u", commit});
  files.watch = watch;
  // As long as a fetch may take: it writes as much.
  files.time = std::max(files.time, home_.options().fetch_timeout);
  SY_RETURN_IF_ERROR(home_.Ask(files, stop).status());
  return home_.Ask(Call({"clean", "-f", "-f", "-d", "-q"}), stop).status();
}

void TaskFolder::RunAsTask(const std::string& program, std::vector<std::string> arguments) const {
  GitCall call;
  call.user = home_.options().user;
  call.environment = {"PATH=/usr/bin:/bin"};
  call.arguments = std::move(arguments);
  call.time = home_.options().local_timeout;
  const Stop never(false);
  static_cast<void>(RunGit(program, call, never));
}

void TaskFolder::RemoveLocks() const {
  std::vector<std::string> arguments = {"-f", "--"};
  for (const std::string& name : {std::string("index.lock"), std::string("HEAD.lock"), std::string("config.lock"),
                                  std::string("packed-refs.lock"), reference() + ".lock"}) {
    arguments.push_back(absl::StrCat(git(), "/", name));
  }
  RunAsTask("/bin/rm", std::move(arguments));
}

void TaskFolder::OpenFolders() const {
  // Before it goes into those that it cannot read, the others all at once.
  RunAsTask("/usr/bin/find", {tree(),  "-type", "d",  "!", "-perm", "-700",  "(",     "!",     "-perm", "-500", "-exec",
                              "chmod", "u+rwx", "{}", ";", "-o",    "-exec", "chmod", "u+rwx", "{}",    "+",    ")"});
}

void TaskFolder::RemoveInTree(const std::string& path) const {
  RunAsTask("/bin/rm", {"-rf", "--", absl::StrCat(tree(), "/", path)});
}

absl::StatusOr<std::string> TaskFolder::Head(const Stop& stop) const {
  SY_ASSIGN_OR_RETURN(
      const GitAnswer answer,
      home_.Run(Call({"rev-parse", "--verify", "-q", "--end-of-options", reference() + "^{commit}"}), stop));
  const std::string commit = FirstLine(answer.output);
  return answer.ok() && IsObjectId(commit) ? commit : "";
}

bool TaskFolder::Mend(const Stop& stop) const {
  struct stat info {};
  const std::optional<UserIds>& user = home_.options().user;
  const uid_t owner = user.has_value() ? user->uid : geteuid();
  for (const std::string& path : {git(), tree()}) {
    if (lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != owner) return false;
  }
  RemoveLocks();
  const absl::StatusOr<std::string> head = Head(stop);
  if (!head.ok() || head->empty()) return false;
  if (home_.Ask(Call({"write-tree"}), stop).ok()) return true;
  // The files stay: they count as changes that are not committed.
  unlink((git() + "/index").c_str());
  return home_.Ask(Call({"read-tree", *head}), stop).ok();
}

void TaskFolder::Remove() const {
  unlink((folder_ + "/record").c_str());
  RemoveTree(folder_);
}

}  // namespace switchyard::executor::repository

#include "services/executor/edits/workspace_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/edits/folder_walk.h"

namespace switchyard::executor::edits {
namespace {

// No plan is made of a larger file.
constexpr std::size_t kMostFileBytes = std::size_t{64} << 20;
constexpr int kMaxDepth = 128;
constexpr int kMaxNames = 1000;

absl::Status Changed(std::string_view path) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "SNAPSHOT_CHANGED",
                   absl::StrCat(ToAbsl(path), " has changed since it was read"));
}

bool Unsupported(int error) { return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP; }

// One plan on its way to the disk. Until it is done, all that it did can be taken back by renaming and removing alone,
// which needs no room on the disk.
class Application {
 public:
  Application(int root, const ApplyOptions& options) : root_(root), options_(options) {}

  absl::StatusOr<Plan> Run(const Plan& plan) {
    absl::Status status = All(plan);
    if (!status.ok()) return TakeBack(std::move(status));
    for (const Work& work : works_) {
      if (work.backup) unlinkat(work.folder, work.temporary.c_str(), 0);
    }
    return std::move(undo_);
  }

 private:
  struct Work {
    const FileChange* change = nullptr;
    int folder = -1;
    std::string name;
    // Of the new content, then, once that is in its place, of the old one.
    std::string temporary;
    bool staged = false;
    bool committed = false;
    bool backup = false;
    struct stat before {};
  };
  struct MadeFolder {
    int parent = -1;
    std::string name;
  };

  absl::Status All(const Plan& plan) {
    for (const FileChange& change : plan.changes) SY_RETURN_IF_ERROR(Prepare(change));
    for (Work& work : works_) SY_RETURN_IF_ERROR(Stage(work));
    for (Work& work : works_) SY_RETURN_IF_ERROR(Commit(work));
    // What was in place before the renames is what the plan was made of, or nothing holds.
    for (const Work& work : works_) SY_RETURN_IF_ERROR(CheckBackup(work));
    return absl::OkStatus();
  }

  absl::Status MayStep(std::string_view path) {
    if (options_.may_step && !options_.may_step(steps_)) return SystemFault("write", path, EIO);
    ++steps_;
    return absl::OkStatus();
  }

  absl::Status Prepare(const FileChange& change) {
    const absl::StatusOr<std::string> normal = CheckPath(change.path);
    if (!normal.ok()) return normal.status();
    if (*normal != change.path)
      return MakeError(absl::StatusCode::kInvalidArgument, "BAD_PATH", "the path is not normal");
    Work work{.change = &change, .name = NameOf(change.path)};
    SY_ASSIGN_OR_RETURN(work.folder, Folder(FolderOf(change.path), change.kind == ChangeKind::kCreate, change.path));
    SY_ASSIGN_OR_RETURN(Entry entry, ReadEntry(work.folder, work.name, kMostFileBytes, &work.before));
    const bool there = entry.kind == EntryKind::kFile;
    if (change.kind == ChangeKind::kCreate) {
      if (entry.kind != EntryKind::kMissing) return Changed(change.path);
      undo_.changes.push_back(
          {.kind = ChangeKind::kDelete, .path = change.path, .sha256_before = Sha256Hex(change.content)});
    } else {
      if (!there || Sha256Hex(entry.content) != change.sha256_before) return Changed(change.path);
      FileChange back{.path = change.path, .content = std::move(entry.content), .mode = entry.mode};
      back.kind = change.kind == ChangeKind::kDelete ? ChangeKind::kCreate : ChangeKind::kModify;
      if (change.kind == ChangeKind::kModify) back.sha256_before = Sha256Hex(change.content);
      undo_.changes.push_back(std::move(back));
    }
    works_.push_back(std::move(work));
    return absl::OkStatus();
  }

  // Opened once; `make`: made when it is missing.
  absl::StatusOr<int> Folder(std::string_view path, bool make, std::string_view whole) {
    if (const auto known = folders_.find(path); known != folders_.end()) return known->second.get();
    UniqueFd opened;
    if (path.empty()) {
      opened = OpenPlace(root_, ".");
    } else {
      SY_ASSIGN_OR_RETURN(const int parent, Folder(FolderOf(path), make, whole));
      const std::string name = NameOf(path);
      opened = OpenPlace(parent, name.c_str());
      if (!opened.valid() && make && WhyNoFolder(parent, name.c_str()) == EntryKind::kMissing) {
        SY_RETURN_IF_ERROR(MakeFolder(parent, name, path));
        opened = OpenPlace(parent, name.c_str());
        // By what was opened, whatever stands under that name by now.
        struct stat owner {};
        const bool give = opened.valid() && geteuid() == 0;
        if (give && (fstat(parent, &owner) != 0 ||
                     fchownat(opened.get(), "", owner.st_uid, owner.st_gid, AT_EMPTY_PATH) != 0)) {
          return SystemFault("give away the folder", path, errno);
        }
      }
    }
    if (!opened.valid()) return Changed(whole);
    return folders_.emplace(std::string(path), std::move(opened)).first->second.get();
  }

  absl::Status MakeFolder(int parent, const std::string& name, std::string_view path) {
    SY_RETURN_IF_ERROR(MayStep(path));
    if (mkdirat(parent, name.c_str(), 0755) != 0) return SystemFault("make the folder", path, errno);
    made_.push_back({.parent = parent, .name = name});
    return absl::OkStatus();
  }

  // A name that nobody has, in the place where the file is.
  std::string NewName() { return absl::StrCat(ToAbsl(kTemporaryPrefix), getpid(), "-", ++names_); }

  absl::Status Stage(Work& work) {
    const FileChange& change = *work.change;
    if (change.kind == ChangeKind::kDelete) return absl::OkStatus();
    SY_RETURN_IF_ERROR(MayStep(change.path));
    UniqueFd file;
    for (int tries = 0; tries < kMaxNames && !file.valid(); ++tries) {
      work.temporary = NewName();
      file.Reset(
          openat(work.folder, work.temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      if (!file.valid() && errno != EEXIST) break;
    }
    if (!file.valid()) return SystemFault("write", change.path, errno);
    work.staged = true;
    SY_RETURN_IF_ERROR(MayStep(change.path));
    if (const absl::Status status = WriteAll(file.get(), change.content); !status.ok()) {
      return MakeError(absl::StatusCode::kInternal, "WRITE_FAILED",
                       absl::StrCat("cannot write ", change.path, ": ", std::string(status.message())));
    }
    struct stat owner = work.before;
    const bool modify = change.kind == ChangeKind::kModify;
    if (!modify && fstat(work.folder, &owner) != 0) return SystemFault("look at the folder of", change.path, errno);
    const bool root = geteuid() == 0;
    // Nobody but root can give files away; the group is kept where it may be.
    if (fchown(file.get(), root ? owner.st_uid : static_cast<uid_t>(-1),
               root || modify ? owner.st_gid : static_cast<gid_t>(-1)) != 0 &&
        root) {
      return SystemFault("give away", change.path, errno);
    }
    const mode_t mode = modify ? work.before.st_mode & 0777 : change.mode & 0777;
    if (fchmod(file.get(), mode) != 0) return SystemFault("set the mode of", change.path, errno);
    if (options_.sync && fsync(file.get()) != 0) return SystemFault("write", change.path, errno);
    return absl::OkStatus();
  }

  absl::Status Commit(Work& work) {
    const std::string& path = work.change->path;
    SY_RETURN_IF_ERROR(MayStep(path));
    int error = 0;
    switch (work.change->kind) {
      case ChangeKind::kCreate:
        error = PutNew(work);
        break;
      case ChangeKind::kModify:
        error = Exchange(work);
        break;
      case ChangeKind::kDelete:
        error = PutAside(work);
        break;
    }
    if (error == EEXIST || error == ENOENT) return Changed(path);
    if (error != 0) return SystemFault("write", path, error);
    work.committed = true;
    return absl::OkStatus();
  }

  // These return errno.
  static int PutNew(Work& work) {
    if (renameat2(work.folder, work.temporary.c_str(), work.folder, work.name.c_str(), RENAME_NOREPLACE) == 0) {
      work.staged = false;
      return 0;
    }
    if (!Unsupported(errno)) return errno;
    if (linkat(work.folder, work.temporary.c_str(), work.folder, work.name.c_str(), 0) != 0) return errno;
    unlinkat(work.folder, work.temporary.c_str(), 0);
    work.staged = false;
    return 0;
  }

  int Exchange(Work& work) {
    if (renameat2(work.folder, work.temporary.c_str(), work.folder, work.name.c_str(), RENAME_EXCHANGE) == 0) {
      work.staged = false;
      work.backup = true;
      return 0;
    }
    if (!Unsupported(errno)) return errno;
    const std::string aside = NewName();
    if (linkat(work.folder, work.name.c_str(), work.folder, aside.c_str(), 0) != 0) return errno;
    if (renameat(work.folder, work.temporary.c_str(), work.folder, work.name.c_str()) != 0) {
      const int error = errno;
      unlinkat(work.folder, aside.c_str(), 0);
      return error;
    }
    work.temporary = aside;
    work.staged = false;
    work.backup = true;
    return 0;
  }

  int PutAside(Work& work) {
    work.temporary = NewName();
    int done = renameat2(work.folder, work.name.c_str(), work.folder, work.temporary.c_str(), RENAME_NOREPLACE);
    if (done != 0 && Unsupported(errno))
      done = renameat(work.folder, work.name.c_str(), work.folder, work.temporary.c_str());
    if (done != 0) return errno;
    work.backup = true;
    return 0;
  }

  absl::Status CheckBackup(const Work& work) {
    if (!work.backup) return absl::OkStatus();
    SY_ASSIGN_OR_RETURN(const Entry entry, ReadEntry(work.folder, work.temporary, kMostFileBytes, nullptr));
    if (entry.kind != EntryKind::kFile || Sha256Hex(entry.content) != work.change->sha256_before)
      return Changed(work.change->path);
    return absl::OkStatus();
  }

  absl::Status TakeBack(absl::Status status) {
    std::string lost;
    for (auto work = works_.rbegin(); work != works_.rend(); ++work) {
      if (work->staged) unlinkat(work->folder, work->temporary.c_str(), 0);
      if (!work->committed) continue;
      const int undone = work->backup
                             ? renameat(work->folder, work->temporary.c_str(), work->folder, work->name.c_str())
                             : unlinkat(work->folder, work->name.c_str(), 0);
      if (undone != 0) absl::StrAppend(&lost, lost.empty() ? "" : ", ", work->change->path);
    }
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) {
      unlinkat(folder->parent, folder->name.c_str(), AT_REMOVEDIR);
    }
    if (lost.empty()) return status;
    return MakeError(absl::StatusCode::kInternal, "WRITE_FAILED",
                     absl::StrCat(std::string(status.message()), "; could not be put back: ", lost));
  }

  const int root_;
  const ApplyOptions& options_;
  // By path below the root.
  std::map<std::string, UniqueFd, std::less<>> folders_;
  std::vector<MadeFolder> made_;
  std::vector<Work> works_;
  Plan undo_;
  int steps_ = 0;
  int names_ = 0;
};

std::uint64_t RemoveBelow(int folder, int depth) {
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const list = copy >= 0 ? fdopendir(copy) : nullptr;
  if (list == nullptr) {
    if (copy >= 0) close(copy);
    return 0;
  }
  std::uint64_t removed = 0;
  while (const dirent* entry = readdir(list)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == ".git") continue;
    if (name.substr(0, kTemporaryPrefix.size()) == kTemporaryPrefix) {
      removed += unlinkat(folder, entry->d_name, 0) == 0 ? 1 : 0;
    } else if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && depth < kMaxDepth) {
      const UniqueFd inner = OpenPlace(folder, entry->d_name);
      if (inner.valid()) removed += RemoveBelow(inner.get(), depth + 1);
    }
  }
  closedir(list);
  return removed;
}

}  // namespace

absl::StatusOr<WorkspaceFiles> WorkspaceFiles::Open(const std::string& folder) {
  UniqueFd root = OpenPlace(AT_FDCWD, folder.c_str());
  if (!root.valid()) {
    return MakeError(absl::StatusCode::kInternal, "WORKSPACE_FAILED",
                     absl::StrCat("cannot open ", folder, ": ", strerror(errno)));
  }
  return WorkspaceFiles(std::move(root));
}

absl::StatusOr<Entry> WorkspaceFiles::Read(std::string_view path, std::size_t max_bytes) {
  SY_ASSIGN_OR_RETURN(const std::string normal, CheckPath(path));
  const Parent parent = OpenParent(root_.get(), normal);
  if (parent.kind != EntryKind::kFolder) return Entry{.kind = parent.kind};
  return ReadEntry(parent.folder.get(), NameOf(normal), max_bytes, nullptr);
}

absl::StatusOr<Plan> WorkspaceFiles::Apply(const Plan& plan, const ApplyOptions& options) {
  return Application(root_.get(), options).Run(plan);
}

std::uint64_t WorkspaceFiles::RemoveLeftovers() { return RemoveBelow(root_.get(), 0); }

}  // namespace switchyard::executor::edits

#include "services/executor/loop/site.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/checks/folder.h"
#include "services/executor/edits/workspace_files.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{16} << 20;

class WorktreeSite final : public Site {
 public:
  explicit WorktreeSite(std::unique_ptr<repository::Worktree> worktree) : worktree_(std::move(worktree)) {}

  const std::string& folder() const override { return worktree_->facts().folder; }
  checks::ChangeView* changes() override { return &worktree_->changes(); }
  repository::Worktree* worktree() override { return worktree_.get(); }

  absl::StatusOr<int> Save(const repository::Stop& stop) override {
    SY_ASSIGN_OR_RETURN(repository::Snapshot snapshot, worktree_->Save(stop));
    snapshots_.push_back(std::move(snapshot));
    return static_cast<int>(snapshots_.size()) - 1;
  }
  absl::Status Return(int saved, const repository::Stop& stop) override {
    return worktree_->Restore(snapshots_[static_cast<std::size_t>(saved)], stop);
  }
  absl::Status Reset(const repository::Stop& stop) override {
    SY_ASSIGN_OR_RETURN(const repository::Standing standing, worktree_->Compare(/*fetch=*/false, stop));
    return worktree_->Restore({.tree = standing.commit}, stop);
  }
  absl::StatusOr<std::string> Commit(const std::string& message, const repository::Stop& stop) override {
    SY_ASSIGN_OR_RETURN(const repository::Commitment commitment, worktree_->Commit(message, stop));
    return commitment.commit;
  }
  void End(bool keep) override { worktree_->Release(keep ? repository::Release::kKeep : repository::Release::kRemove); }

 private:
  const std::unique_ptr<repository::Worktree> worktree_;
  std::vector<repository::Snapshot> snapshots_;
};

// Remembers the files that edits have touched; others are not the loop's.
class FolderSite final : public Site {
 public:
  FolderSite(std::string folder, edits::WorkspaceFiles files) : folder_(std::move(folder)), files_(std::move(files)) {}

  const std::string& folder() const override { return folder_; }

  void Applied(const edits::Plan& plan) override {
    for (const edits::FileChange& change : plan.changes) touched_.insert(change.path);
  }

  absl::StatusOr<int> Save(const repository::Stop&) override {
    State state;
    for (const std::string& path : touched_) {
      SY_ASSIGN_OR_RETURN(edits::Entry entry, files_.Read(path, kMostFileBytes));
      if (entry.kind == edits::EntryKind::kFile) state.emplace(path, std::move(entry));
    }
    states_[++saved_] = std::move(state);
    return saved_;
  }

  absl::Status Return(int saved, const repository::Stop&) override {
    const State& wanted = states_[saved];
    edits::Plan plan;
    for (const std::string& path : touched_) {
      SY_ASSIGN_OR_RETURN(const edits::Entry now, files_.Read(path, kMostFileBytes));
      const bool there = now.kind == edits::EntryKind::kFile;
      const auto found = wanted.find(path);
      if (found == wanted.end()) {
        if (there) {
          plan.changes.push_back({.kind = edits::ChangeKind::kDelete,
                                  .path = path,
                                  .content = "",
                                  .sha256_before = Sha256Hex(now.content)});
        }
        continue;
      }
      if (there && now.content == found->second.content) continue;
      plan.changes.push_back({.kind = there ? edits::ChangeKind::kModify : edits::ChangeKind::kCreate,
                              .path = path,
                              .content = found->second.content,
                              .sha256_before = there ? Sha256Hex(now.content) : "",
                              .mode = found->second.mode});
    }
    return files_.Apply(plan).status();
  }
  void Forget(int saved) override { states_.erase(saved); }

  absl::StatusOr<std::string> Commit(const std::string&, const repository::Stop&) override { return std::string(); }
  void End(bool) override {
    if (const std::uint64_t left = RemoveTree(folder_); left > 0) {
      LogWarning("a task's folder could not be removed whole", {{"folder", folder_}, {"left", left}});
    }
  }

 private:
  using State = std::map<std::string, edits::Entry>;

  const std::string folder_;
  edits::WorkspaceFiles files_;
  std::set<std::string> touched_;
  std::map<int, State> states_;
  int saved_ = 0;
};

// What tools put there; nobody writes it, and there is a lot of it.
bool IsClutter(std::string_view path) {
  for (const std::string_view folder :
       {"node_modules/", "__pycache__/", ".venv/", ".tox/", ".mypy_cache/", ".pytest_cache/"}) {
    const std::size_t at = path.find(folder);
    if (at != std::string_view::npos && (at == 0 || path[at - 1] == '/')) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Site> MakeWorktreeSite(std::unique_ptr<repository::Worktree> worktree) {
  return std::make_unique<WorktreeSite>(std::move(worktree));
}

absl::StatusOr<std::unique_ptr<Site>> MakeFolderSite(std::string folder) {
  SY_ASSIGN_OR_RETURN(edits::WorkspaceFiles files, edits::WorkspaceFiles::Open(folder));
  return std::make_unique<FolderSite>(std::move(folder), std::move(files));
}

FileList ListFiles(const std::string& folder, std::size_t most) {
  FileList list;
  absl::StatusOr<checks::Folder> opened = checks::Folder::Open(folder);
  if (!opened.ok()) return list;
  // What cannot be read is not shown.
  opened
      ->Walk([&](const std::string& path, checks::EntryKind kind) {
        if (kind != checks::EntryKind::kFile || IsClutter(path)) return true;
        if (list.files.size() >= most) {
          list.cut = true;
          return false;
        }
        const absl::StatusOr<checks::OpenFile> file = opened->OpenAt(path, /*follow=*/false);
        list.files.push_back({.path = path, .bytes = file.ok() ? file->bytes() : 0});
        return true;
      })
      .IgnoreError();
  std::sort(list.files.begin(), list.files.end(), [](const FileFact& a, const FileFact& b) { return a.path < b.path; });
  return list;
}

}  // namespace switchyard::executor::loop

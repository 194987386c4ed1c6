#include "services/executor/edits/resolve.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "services/executor/edits/file_edits.h"

namespace switchyard::executor::edits {
namespace {

class Resolver {
 public:
  Resolver(const ParsedAnswer& answer, FileView& files, const ResolveOptions& options)
      : answer_(answer), files_(files), options_(options), room_{.looks = {options.limits.looks}} {}

  Resolution Resolve() {
    out_.faults = answer_.faults;
    for (const Edit& edit : answer_.edits) {
      out_.verdicts.push_back({.number = edit.number, .answer_line = edit.line, .path = edit.path});
    }
    for (std::size_t i = 0; i < answer_.edits.size(); ++i) {
      if (answer_.edits[i].kind == EditKind::kRename) AddRename(i);
    }
    for (std::size_t i = 0; i < answer_.edits.size(); ++i) {
      if (answer_.edits[i].kind != EditKind::kRename) AddToFile(i);
    }
    for (auto& [path, file] : by_path_) ResolveFile(path, file);
    if (out_.ok()) CheckTogether();
    if (out_.ok()) {
      MakePlan();
    }
    return std::move(out_);
  }

 private:
  // What the edits make of one file.
  struct File {
    std::vector<std::size_t> edits;
    std::size_t rename = kNowhere;
    std::string new_path;
    Entry entry;
    FileEdits::Result result;
  };

  void Refuse(std::size_t at, BlockStatus status, std::string message) {
    out_.verdicts[at].status = status;
    out_.verdicts[at].message = std::move(message);
  }

  // Normal, or empty when it was refused.
  std::string Path(std::size_t at, const std::string& path) {
    absl::StatusOr<std::string> normal = CheckPath(path);
    if (normal.ok()) return *std::move(normal);
    Refuse(at, BlockStatus::kBadPath, std::string(normal.status().message()));
    return "";
  }

  Entry Read(const std::string& path, std::string& fault) {
    const std::size_t most = std::min(options_.limits.file_bytes,
                                      options_.limits.total_bytes - std::min(read_, options_.limits.total_bytes));
    absl::StatusOr<Entry> entry = files_.Read(path, most);
    if (!entry.ok()) {
      fault = absl::StrCat("it cannot be read: ", std::string(entry.status().message()));
      return {.kind = EntryKind::kSpecial};
    }
    read_ += entry->content.size();
    fault = EntryFault(entry->kind, options_.limits);
    return *std::move(entry);
  }

  void AddRename(std::size_t at) {
    const Edit& edit = answer_.edits[at];
    const std::string from = Path(at, edit.path);
    if (from.empty()) return;
    const std::string to = Path(at, edit.new_path);
    if (to.empty()) return;
    out_.verdicts[at].path = from;
    if (from == to) return Refuse(at, BlockStatus::kNoChange, "both paths are the same");
    std::string fault;
    const Entry target = Read(to, fault);
    if (!fault.empty()) return Refuse(at, BlockStatus::kBadPath, absl::StrCat(to, ": ", fault));
    std::string source_fault;
    Entry source = Read(from, source_fault);
    if (!source_fault.empty()) return Refuse(at, BlockStatus::kBadPath, std::move(source_fault));
    if (source.kind == EntryKind::kMissing) {
      if (target.kind == EntryKind::kFile) return Refuse(at, BlockStatus::kAlreadyApplied, "");
      return Refuse(at, BlockStatus::kNotFound, "there is no such file");
    }
    if (target.kind != EntryKind::kMissing) {
      return Refuse(at, BlockStatus::kConflict,
                    absl::StrCat(to, " is there already; delete it in an answer of its own first"));
    }
    File& file = by_path_[from];
    if (file.rename != kNowhere) return Refuse(at, BlockStatus::kConflict, "the file is renamed twice");
    if (!targets_.emplace(to, at).second)
      return Refuse(at, BlockStatus::kConflict, absl::StrCat("another block makes ", to));
    file.rename = at;
    file.new_path = to;
    file.entry = std::move(source);
    renamed_[to] = from;
  }

  void AddToFile(std::size_t at) {
    std::string path = Path(at, answer_.edits[at].path);
    if (path.empty()) return;
    out_.verdicts[at].path = path;
    if (const auto renamed = renamed_.find(path); renamed != renamed_.end()) path = renamed->second;
    by_path_[path].edits.push_back(at);
  }

  void ResolveFile(const std::string& path, File& file) {
    if (file.rename != kNowhere && targets_.contains(path)) {
      Refuse(file.rename, BlockStatus::kConflict, "renames cannot follow one upon another; rename in several answers");
    }
    if (file.rename == kNowhere) {
      std::string fault;
      file.entry = Read(path, fault);
      if (!fault.empty()) {
        for (const std::size_t at : file.edits) Refuse(at, BlockStatus::kBadPath, fault);
        return;
      }
    }
    if (file.edits.empty()) {
      file.result.content = file.entry.content;
      return;
    }
    std::vector<const Edit*> edits;
    std::vector<BlockVerdict*> verdicts;
    for (const std::size_t at : file.edits) {
      edits.push_back(&answer_.edits[at]);
      verdicts.push_back(&out_.verdicts[at]);
    }
    FileEdits work(path, file.entry, options_, room_);
    file.result = work.Resolve(edits, verdicts, file.rename != kNowhere);
  }

  // What no single file can tell: folders that would have to be files, and the size of it all.
  void CheckTogether() {
    std::size_t written = 0;
    std::map<std::string, std::size_t, std::less<>> made;
    for (const auto& [path, file] : by_path_) {
      written += file.result.content.size();
      const bool missing = file.entry.kind == EntryKind::kMissing;
      if (file.rename != kNowhere) {
        made.emplace(file.new_path, file.rename);
      } else if (missing && !file.result.removed) {
        made.emplace(path, file.edits.front());
      }
    }
    for (const auto& [path, at] : made) {
      for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        if (made.contains(std::string_view(path).substr(0, slash))) {
          Refuse(at, BlockStatus::kConflict, "another block makes a file where this one needs a folder");
        }
      }
    }
    if (written > options_.limits.total_bytes && !out_.verdicts.empty()) {
      Refuse(out_.verdicts.size() - 1, BlockStatus::kRefused,
             absl::StrCat("all files together would be larger than ", options_.limits.total_bytes, " bytes"));
    }
  }

  void MakePlan() {
    std::map<std::string, FileChange> changes;
    for (auto& [path, file] : by_path_) {
      const bool there = file.entry.kind == EntryKind::kFile;
      FileChange change{.path = path, .mode = file.entry.mode};
      if (there) change.sha256_before = Sha256Hex(file.entry.content);
      if (file.rename != kNowhere) {
        FileChange made{.kind = ChangeKind::kCreate,
                        .path = file.new_path,
                        .content = std::move(file.result.content),
                        .mode = file.entry.mode};
        changes[file.new_path] = std::move(made);
        change.kind = ChangeKind::kDelete;
      } else if (file.result.removed) {
        if (!there) continue;
        change.kind = ChangeKind::kDelete;
      } else {
        if (there && file.result.content == file.entry.content) continue;
        change.kind = there ? ChangeKind::kModify : ChangeKind::kCreate;
        if (!there) change.mode = file.result.executable ? 0755 : 0644;
        change.content = std::move(file.result.content);
      }
      changes[path] = std::move(change);
    }
    for (auto& [path, change] : changes) out_.plan.changes.push_back(std::move(change));
  }

  const ParsedAnswer& answer_;
  FileView& files_;
  const ResolveOptions& options_;
  Room room_;
  std::size_t read_ = 0;
  Resolution out_;
  // By the path of the snapshot.
  std::map<std::string, File> by_path_;
  std::map<std::string, std::size_t, std::less<>> targets_;
  // New path to old.
  std::map<std::string, std::string> renamed_;
};

}  // namespace

bool Harmless(BlockStatus status) {
  return status == BlockStatus::kApplies || status == BlockStatus::kAlreadyApplied || status == BlockStatus::kNoChange;
}

bool Resolution::ok() const { return refused() == 0; }

int Resolution::refused() const {
  const auto bad = std::count_if(verdicts.begin(), verdicts.end(),
                                 [](const BlockVerdict& verdict) { return !Harmless(verdict.status); });
  return static_cast<int>(bad) + static_cast<int>(faults.size());
}

Resolution Resolve(const ParsedAnswer& answer, FileView& files, const ResolveOptions& options) {
  return Resolver(answer, files, options).Resolve();
}

}  // namespace switchyard::executor::edits

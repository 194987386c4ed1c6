#include "services/executor/repository/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/executor/process_table.h"
#include "services/executor/repository/names.h"
#include "services/executor/workspace.h"

namespace switchyard::executor::repository {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxEntries = 5'000'000;
constexpr absl::Duration kLookForStop = absl::Milliseconds(50);
constexpr std::size_t kManyPacks = 40;
constexpr std::size_t kFolderName = 32;

std::vector<std::string> FoldersIn(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_directory(error) && !at->is_symlink(error)) names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::size_t PacksIn(const std::string& mirror) {
  std::size_t packs = 0;
  std::error_code error;
  for (fs::directory_iterator at(mirror + "/objects/pack", error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".pack") ++packs;
  }
  return packs;
}

}  // namespace

Store::Use::~Use() {
  MutexLock lock(store_.mutex_);
  store_.used_tasks_.erase(folder_);
}

Store::Lock::~Lock() {
  MutexLock lock(store_.mutex_);
  store_.locked_.erase(repository_);
  store_.freed_.NotifyAll();
}

Store::Store(GitWorktrees::Options options, const Clock& clock, GitHome home, std::string root)
    : options_(std::move(options)), clock_(clock), home_(std::move(home)), root_(std::move(root)) {}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(GitWorktrees::Options options, const Clock& clock) {
  const std::string root = options.data_dir + "/repositories";
  // They stand in settings and in lists of paths.
  if (root.empty() || root[0] != '/' || root.find_first_of("\"\\\n") != std::string::npos) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "WORKSPACE_FAILED",
                     absl::StrCat("data_dir must be an absolute path without quotes: ", root));
  }
  SY_RETURN_IF_ERROR(MakeFolder(root, 0711));
  EndLeftSandboxes(root);
  SY_ASSIGN_OR_RETURN(GitHome home, GitHome::Make({.git = options.git,
                                                   .folder = root + "/git",
                                                   .user = options.user,
                                                   .author = options.author,
                                                   .network_environment = options.network_environment,
                                                   .fetch_timeout = options.fetch_timeout,
                                                   .local_timeout = options.local_timeout}));
  auto store = std::unique_ptr<Store>(new Store(std::move(options), clock, std::move(home), root));
  for (const std::string& repository : store->Repositories()) {
    for (const std::string& task : store->Tasks(repository)) {
      if (!store->TaskIn(repository, task).ReadRecord().has_value()) store->RemoveTask(repository, task);
      store->Measure(store->TaskIn(repository, task).folder());
    }
    const std::string folder = MirrorOf(repository);
    SY_RETURN_IF_ERROR(Mirror(store->home_, RepositoryUrl(), {}, folder).Mend());
    store->Measure(folder);
  }
  return store;
}

std::string Store::FolderOf(const RepositoryUrl& url) const {
  return absl::StrCat(root_, "/", Sha256Hex(url.Key()).substr(0, kFolderName));
}

TaskFolder Store::TaskIn(const std::string& repository, const std::string& task_id) const {
  return TaskFolder(home_, absl::StrCat(repository, "/tasks/", task_id), task_id);
}

std::unique_ptr<Store::Use> Store::UseTask(const std::string& folder) {
  MutexLock lock(mutex_);
  if (!used_tasks_.insert(folder).second) return nullptr;
  return std::make_unique<Use>(*this, folder);
}

bool Store::OthersUse(const std::string& repository, const std::string& folder) const {
  MutexLock lock(mutex_);
  for (auto used = used_tasks_.lower_bound(repository + "/");
       used != used_tasks_.end() && absl::StartsWith(*used, repository + "/"); ++used) {
    if (*used != folder) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<Store::Lock>> Store::LockRepository(const std::string& repository, const Stop& stop) {
  MutexLock lock(mutex_);
  while (locked_.count(repository) > 0) {
    if (stop.load()) return absl::CancelledError("cancelled while another task fetched");
    freed_.WaitFor(mutex_, kLookForStop);
  }
  locked_.insert(repository);
  return std::make_unique<Lock>(*this, repository);
}

bool Store::TakeUnclean(const std::string& repository) {
  MutexLock lock(mutex_);
  return unclean_.erase(repository) > 0;
}

void Store::MarkUnclean(const std::string& repository) {
  MutexLock lock(mutex_);
  unclean_.insert(repository);
}

std::uint64_t Store::Total() const {
  MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [folder, bytes] : sizes_) sum += bytes;
  return sum;
}

absl::Status Store::Room(std::uint64_t more) const {
  const std::uint64_t total = Total() + more;
  if (total >= options_.max_bytes) {
    return MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                     absl::StrCat("clones and worktrees take ", total, " bytes of the ", options_.max_bytes,
                                  " that workspace.max_bytes gives them"));
  }
  struct statvfs disk {};
  if (statvfs(root_.c_str(), &disk) != 0) return absl::OkStatus();
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free >= options_.min_free_bytes) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                   absl::StrCat("only ", free, " bytes are free on the disk of ", options_.data_dir));
}

absl::Status Store::MakeRoom() {
  if (Room().ok()) return absl::OkStatus();
  RemoveOld();
  RemoveForRoom();
  return Room();
}

std::function<absl::Status()> Store::Watch(std::string folder) {
  const std::uint64_t before = MeasureFolder(folder, kMaxEntries).bytes;
  return [this, folder = std::move(folder), before] {
    const std::uint64_t now = MeasureFolder(folder, kMaxEntries).bytes;
    return Room(now - std::min(now, before));
  };
}

void Store::Measure(const std::string& folder) {
  const std::uint64_t bytes = MeasureFolder(folder, kMaxEntries).bytes;
  MutexLock lock(mutex_);
  if (bytes > 0) {
    sizes_[folder] = bytes;
  } else {
    sizes_.erase(folder);
  }
}

absl::Status Store::Touch(const std::string& repository, const RepositoryUrl& url) {
  SY_RETURN_IF_ERROR(MakeFolder(repository, 0711));
  SY_RETURN_IF_ERROR(MakeFolder(repository + "/tasks", 0711));
  SY_RETURN_IF_ERROR(WriteWhole(repository + "/url", url.ToString() + "\n", 0600));
  return WriteWhole(repository + "/used", absl::StrCat(absl::ToUnixSeconds(clock_.Now()), "\n"), 0600);
}

absl::Time Store::LastUse(const std::string& repository) const {
  const absl::StatusOr<std::string> text = ReadWhole(repository + "/used");
  std::int64_t seconds = 0;
  if (text.ok() && absl::SimpleAtoi(*text, &seconds)) return absl::FromUnixSeconds(seconds);
  return absl::InfinitePast();
}

std::vector<std::string> Store::Repositories() const {
  std::vector<std::string> all;
  for (const std::string& name : FoldersIn(root_)) {
    const bool is_hash = name.size() == kFolderName && name.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (is_hash) all.push_back(absl::StrCat(root_, "/", name));
  }
  return all;
}

std::vector<std::string> Store::Tasks(const std::string& repository) const {
  std::vector<std::string> all;
  for (std::string& name : FoldersIn(repository + "/tasks")) {
    if (IsTaskId(name)) all.push_back(std::move(name));
  }
  return all;
}

bool Store::InUse(const std::string& repository) const {
  MutexLock lock(mutex_);
  const auto used = used_tasks_.lower_bound(repository + "/");
  return (used != used_tasks_.end() && absl::StartsWith(*used, repository + "/")) || locked_.count(repository) > 0;
}

bool Store::RemoveTask(const std::string& repository, const std::string& task_id) {
  const TaskFolder task = TaskIn(repository, task_id);
  const std::unique_ptr<Use> use = UseTask(task.folder());
  if (use == nullptr) return false;
  task.Remove();
  Measure(task.folder());
  return true;
}

bool Store::RemoveRepository(const std::string& repository) {
  {
    MutexLock lock(mutex_);
    const auto used = used_tasks_.lower_bound(repository + "/");
    if (used != used_tasks_.end() && absl::StartsWith(*used, repository + "/")) return false;
    if (!locked_.insert(repository).second) return false;
  }
  const Lock held(*this, repository);
  if (!Tasks(repository).empty()) return false;
  RemoveTree(repository);
  Measure(MirrorOf(repository));
  return true;
}

std::vector<Store::Kept> Store::Idle() const {
  std::vector<Kept> idle;
  for (const std::string& repository : Repositories()) {
    const std::vector<std::string> tasks = Tasks(repository);
    for (const std::string& task : tasks) {
      const std::optional<TaskRecord> record = TaskIn(repository, task).ReadRecord();
      idle.push_back({repository, task, record.has_value() ? record->used : absl::InfinitePast()});
    }
    if (tasks.empty() && !InUse(repository)) idle.push_back({repository, "", LastUse(repository)});
  }
  std::stable_sort(idle.begin(), idle.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  return idle;
}

void Store::TidyMirrors() {
  for (const std::string& repository : Repositories()) {
    if (stop_sweeping_ || InUse(repository) || PacksIn(MirrorOf(repository)) < kManyPacks) continue;
    const absl::StatusOr<std::unique_ptr<Lock>> lock = LockRepository(repository, stop_sweeping_);
    if (!lock.ok()) continue;
    const Mirror mirror(home_, RepositoryUrl(), {}, MirrorOf(repository));
    if (const absl::Status status = mirror.Tidy(stop_sweeping_); !status.ok()) {
      LogWarning("a clone could not be packed", {{"folder", repository}, {"error", status}});
    }
    Measure(MirrorOf(repository));
  }
}

void Store::Sweep() {
  if (stop_sweeping_) return;
  RemoveOld();
  TidyMirrors();
  RemoveForRoom();
}

void Store::RemoveOld() {
  const absl::Time now = clock_.Now();
  for (const Kept& kept : Idle()) {
    if (kept.task.empty() || now - kept.used < options_.keep) continue;
    if (RemoveTask(kept.repository, kept.task)) LogInfo("a kept worktree went, by its age", {{"task", kept.task}});
  }
}

// A mirror may go once its last worktree has.
void Store::RemoveForRoom() {
  for (bool more = true; more && !Room().ok();) {
    more = false;
    for (const Kept& kept : Idle()) {
      const bool went = kept.task.empty() ? RemoveRepository(kept.repository) : RemoveTask(kept.repository, kept.task);
      if (!went) continue;
      LogInfo("room was made", {{"folder", kept.repository}, {"task", kept.task}});
      more = true;
      break;
    }
  }
}

}  // namespace switchyard::executor::repository

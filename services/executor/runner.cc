#include "services/executor/runner.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "services/executor/child.h"

namespace switchyard::executor {
namespace {

constexpr std::array kEvents = {ChildEvent::kStatus, ChildEvent::kControl, ChildEvent::kOutput,
                                ChildEvent::kError,  ChildEvent::kInit,    ChildEvent::kExit};
constexpr std::uint64_t kWake = ~0ull;
constexpr std::uint64_t kMaxFolderEntries = 200000;
constexpr int kMaxWaitMillis = 60000;

// A measure of a folder under way on another thread, which may outlive the run.
struct FolderWatch {
  std::atomic<bool> busy{false};
  std::atomic<bool> ready{false};
  FolderUsage usage;
  std::atomic<bool> unwanted{false};
};

std::uint64_t Key(RunId id, ChildEvent event) { return id << 8 | static_cast<std::uint64_t>(event); }

}  // namespace

class Runner::Loop {
 public:
  Loop(const Clock& clock, Executor& slow, Options options) : clock_(clock), slow_(slow), options_(options) {}
  ~Loop() { Stop(); }

  void UseCgroups(std::unique_ptr<Cgroups> cgroups) { cgroups_ = std::move(cgroups); }

  absl::Status Start() {
    epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
    wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kWake}};
    if (!epoll_.valid() || !wake_.valid() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
      return MakeError(absl::StatusCode::kInternal, "SPAWN_FAILED", absl::StrCat("epoll: ", strerror(errno)));
    }
    MutexLock lock(mutex_);
    open_ = true;
    thread_ = std::thread([this] { Supervise(); });
    return absl::OkStatus();
  }

  void Stop() {
    {
      MutexLock lock(mutex_);
      open_ = false;
      stopping_ = true;
    }
    Wake();
    if (thread_.joinable()) thread_.join();
  }

  absl::StatusOr<RunId> Run(RunSpec spec, RunObserver& observer) {
    RunId id = 0;
    {
      MutexLock lock(mutex_);
      if (!open_) return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the executor is stopping");
      if (running_ >= options_.max_runs) {
        return MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_RUNS",
                         absl::StrCat(options_.max_runs, " programs run already"));
      }
      ++running_;
      id = ++last_;
      starts_.emplace_back(id, std::make_unique<Child>(std::move(spec), observer, options_.give_up_after));
    }
    Wake();
    return id;
  }

  void Cancel(RunId id, bool at_once) {
    {
      MutexLock lock(mutex_);
      if (!open_ || cancels_.size() >= 4 * options_.max_runs) return;
      cancels_.emplace_back(id, at_once);
    }
    Wake();
  }

  std::size_t running() const {
    MutexLock lock(mutex_);
    return running_;
  }

 private:
  struct Entry {
    std::unique_ptr<Child> child;
    // Descriptors as epoll knows them, by event.
    std::array<int, kEvents.size()> polled;
    std::shared_ptr<FolderWatch> folder;  // Shared with the measuring thread.
    absl::Time folder_due;
  };

  void Wake() {
    const std::uint64_t one = 1;
    if (wake_.valid()) [[maybe_unused]]
      const ssize_t written = write(wake_.get(), &one, sizeof(one));
  }

  void Supervise() {
    absl::Time watch_due = clock_.Now();
    for (;;) {
      std::vector<std::pair<RunId, std::unique_ptr<Child>>> starts;
      std::vector<std::pair<RunId, bool>> cancels;
      bool stopping = false;
      {
        MutexLock lock(mutex_);
        starts.swap(starts_);
        cancels.swap(cancels_);
        stopping = stopping_;
      }
      absl::Time now = clock_.Now();
      for (auto& [id, child] : starts) Launch(id, std::move(child), now);
      for (const auto& [id, at_once] : cancels) {
        if (const auto found = runs_.find(id); found != runs_.end()) {
          Child& child = *found->second.child;
          const absl::Duration grace = at_once ? absl::ZeroDuration() : child.spec().limits.kill_grace;
          child.End(Outcome::kCancelled, "CANCELLED", "cancelled", grace, now);
        }
      }
      if (stopping) {
        for (auto& [id, entry] : runs_) {
          entry.child->End(Outcome::kCancelled, "EXECUTOR_STOPPED", "the executor stopped", absl::ZeroDuration(), now);
        }
      }
      if (now >= watch_due && !runs_.empty()) {
        Watch(now);
        watch_due = now + options_.watch_interval;
      }
      absl::Time next = runs_.empty() ? absl::InfiniteFuture() : watch_due;
      for (auto at = runs_.begin(); at != runs_.end();) {
        Entry& entry = at->second;
        next = std::min(next, entry.child->Tick(now));
        if (entry.child->gone(now)) {
          at = Finish(at, now);
        } else {
          Poll(at->first, entry);
          ++at;
        }
      }
      if (stopping && runs_.empty()) return;
      Wait(next, now);
    }
  }

  void Wait(absl::Time next, absl::Time now) {
    const std::int64_t millis =
        next == absl::InfiniteFuture()
            ? kMaxWaitMillis
            : std::clamp<std::int64_t>(absl::ToInt64Milliseconds(next - now) + 1, 0, kMaxWaitMillis);
    epoll_event events[64];
    const int count = epoll_wait(epoll_.get(), events, 64, static_cast<int>(millis));
    now = clock_.Now();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[i].data.u64;
      if (key == kWake) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const ssize_t size = read(wake_.get(), &ignored, sizeof(ignored));
        continue;
      }
      const auto found = runs_.find(key >> 8);
      if (found == runs_.end()) continue;
      const auto event = static_cast<ChildEvent>(key & 0xff);
      // A closed descriptor leaves epoll by itself.
      found->second.child->Handle(event, now);
      Poll(found->first, found->second);
    }
  }

  // Tells epoll of descriptors that are new.
  void Poll(RunId id, Entry& entry) {
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      const int fd = entry.child->descriptor(kEvents[i]);
      if (fd == entry.polled[i]) continue;
      entry.polled[i] = fd;
      if (fd < 0) continue;
      epoll_event event{.events = EPOLLIN, .data = {.u64 = Key(id, kEvents[i])}};
      if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        LogError("cannot watch a process", {{"error", strerror(errno)}});
      }
    }
  }

  void Launch(RunId id, std::unique_ptr<Child> child, absl::Time now) {
    if (cgroups_ != nullptr) {
      absl::StatusOr<std::unique_ptr<TaskCgroup>> group =
          cgroups_->Make(id, child->spec().limits, child->own_processes());
      if (group.ok()) {
        child->SetCgroup(*std::move(group));
      } else {
        LogWarning("a task runs without a control group", {{"error", group.status()}});
      }
    }
    if (const absl::Status status = child->Launch(now); !status.ok()) {
      Evidence evidence;
      evidence.outcome = Outcome::kNotStarted;
      evidence.reason = ReasonOf(status);
      evidence.message = std::string(status.message());
      evidence.executor_fault = true;
      evidence.started = evidence.ended = now;
      Release();
      child->observer().OnEnded(std::move(evidence));
      return;
    }
    Entry entry{.child = std::move(child), .polled = {}, .folder = std::make_shared<FolderWatch>(), .folder_due = now};
    entry.polled.fill(-1);
    Poll(id, runs_.emplace(id, std::move(entry)).first->second);
  }

  std::map<RunId, Entry>::iterator Finish(std::map<RunId, Entry>::iterator at, absl::Time now) {
    const std::unique_ptr<Child> child = std::move(at->second.child);
    at->second.folder->unwanted = true;
    const auto next = runs_.erase(at);
    Evidence evidence = child->Finish(now);
    Release();
    child->observer().OnEnded(std::move(evidence));
    return next;
  }

  void Release() {
    MutexLock lock(mutex_);
    --running_;
  }

  void Watch(absl::Time now) {
    const ProcessTable table = ProcessTable::Read();
    for (auto& [id, entry] : runs_) {
      entry.child->Observe(table, now);
      FolderWatch& folder = *entry.folder;
      if (folder.ready.exchange(false)) {
        entry.child->ObserveFolder(folder.usage, now);
        folder.busy = false;
      }
      if (entry.child->spec().folder.empty() || now < entry.folder_due || folder.busy.exchange(true)) continue;
      entry.folder_due = now + 2 * options_.watch_interval;
      const absl::Status queued = slow_.Run([watch = entry.folder, path = entry.child->spec().folder] {
        if (watch->unwanted) return;
        watch->usage = MeasureFolder(path, kMaxFolderEntries);
        watch->ready = true;
      });
      if (!queued.ok()) folder.busy = false;
    }
  }

  const Clock& clock_;
  Executor& slow_;
  const Options options_;
  std::unique_ptr<Cgroups> cgroups_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::thread thread_;
  // Of the supervising thread only.
  std::map<RunId, Entry> runs_;
  mutable Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  RunId last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<RunId, std::unique_ptr<Child>>> starts_ ABSL_GUARDED_BY(mutex_);
  // Whether at once.
  std::vector<std::pair<RunId, bool>> cancels_ ABSL_GUARDED_BY(mutex_);
};

Runner::Runner(const Clock& clock, Executor& slow, Options options)
    : loop_(std::make_unique<Loop>(clock, slow, options)) {}
Runner::~Runner() = default;
void Runner::UseCgroups(std::unique_ptr<Cgroups> cgroups) { loop_->UseCgroups(std::move(cgroups)); }
absl::Status Runner::Start() { return loop_->Start(); }
void Runner::Stop() { loop_->Stop(); }
absl::StatusOr<RunId> Runner::Run(RunSpec spec, RunObserver& observer) { return loop_->Run(std::move(spec), observer); }
void Runner::Cancel(RunId id) { loop_->Cancel(id, false); }
void Runner::Kill(RunId id) { loop_->Cancel(id, true); }
std::size_t Runner::running() const { return loop_->running(); }

Evidence RunAndWait(Runner& runner, RunSpec spec) {
  class Waiter final : public RunObserver {
   public:
    void OnStarted() override {}
    void OnLog(LogChunk) override {}
    void OnEnded(Evidence evidence) override {
      MutexLock lock(mutex_);
      evidence_ = std::move(evidence);
      done_ = true;
      changed_.NotifyAll();
    }
    Evidence Wait() {
      MutexLock lock(mutex_);
      while (!done_) changed_.Wait(mutex_);
      return std::move(evidence_);
    }

   private:
    Mutex mutex_;
    CondVar changed_;
    bool done_ ABSL_GUARDED_BY(mutex_) = false;
    Evidence evidence_ ABSL_GUARDED_BY(mutex_);
  };
  Waiter waiter;
  const absl::StatusOr<RunId> id = runner.Run(std::move(spec), waiter);
  if (id.ok()) return waiter.Wait();
  Evidence evidence;
  evidence.reason = ReasonOf(id.status());
  evidence.message = std::string(id.status().message());
  evidence.executor_fault = true;
  return evidence;
}

}  // namespace switchyard::executor

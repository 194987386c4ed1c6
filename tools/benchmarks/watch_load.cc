#include "tools/benchmarks/watch_load.h"

#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::bench {
namespace {

constexpr std::int64_t kMostResumptions = 100'000;

}  // namespace

struct WatchLoad::Stream final : grpc::ClientReadReactor<v1::WatchTasksResponse> {
  Stream(WatchLoad& load, Watcher& watcher) : load(load), watcher(watcher) {}
  void OnReadDone(bool ok) override {
    if (!ok) return;
    load.Take(watcher, message);
    StartRead(&message);
  }
  void OnDone(const grpc::Status& status) override { load.Closed(watcher, status); }

  WatchLoad& load;
  Watcher& watcher;
  grpc::ClientContext context;
  v1::WatchTasksRequest request;
  v1::WatchTasksResponse message;
};

struct WatchLoad::Watcher {
  int number = 0;
  std::unique_ptr<Stream> stream;
  // Kept until the next one opens: a reactor may not go while its last reaction runs.
  std::unique_ptr<Stream> former;
  mutable Mutex mutex;
  Seen seen ABSL_GUARDED_BY(mutex);
  std::string token ABSL_GUARDED_BY(mutex);
};

void WatchLoad::Seen::Add(std::string_view task_id, int ordinal) {
  ++events;
  sum += absl::HashOf(ToAbsl(task_id), ordinal);
}

WatchLoad::WatchLoad(Client& client, int watchers) : client_(client) {
  for (int i = 0; i < watchers; ++i) watchers_.emplace_back(std::make_unique<Watcher>())->number = i;
}

WatchLoad::~WatchLoad() { Stop(); }

absl::Status WatchLoad::Start() {
  for (auto& watcher : watchers_) {
    {
      MutexLock lock(mutex_);
      ++open_;
    }
    Open(*watcher);
  }
  return absl::OkStatus();
}

void WatchLoad::Stop() {
  MutexLock lock(mutex_);
  if (std::exchange(stopping_, true)) return;
  for (auto& watcher : watchers_) {
    if (watcher->stream != nullptr) watcher->stream->context.TryCancel();
  }
  while (open_ > 0) changed_.Wait(mutex_);
}

void WatchLoad::Open(Watcher& watcher) {
  auto stream = std::make_unique<Stream>(*this, watcher);
  client_.Prepare(stream->context, absl::InfiniteDuration());
  {
    MutexLock lock(watcher.mutex);
    stream->request.set_resume_token(watcher.token);
  }
  Stream& opened = *stream;
  {
    MutexLock lock(mutex_);
    if (stopping_) {
      if (--open_ == 0) changed_.NotifyAll();
      return;
    }
    watcher.former = std::exchange(watcher.stream, std::move(stream));
    client_.queue(watcher.number).async()->WatchTasks(&opened.context, &opened.request, &opened);
    opened.StartRead(&opened.message);
    opened.StartCall();
  }
}

void WatchLoad::Take(Watcher& watcher, const v1::WatchTasksResponse& message) {
  const absl::Time now = WallNow();
  for (const v1::TaskEvent& event : message.events()) {
    Finished(now - absl::FromUnixNanos(event.time().seconds() * 1'000'000'000 + event.time().nanos()));
  }
  MutexLock lock(watcher.mutex);
  for (const v1::TaskEvent& event : message.events()) watcher.seen.Add(event.task_id(), event.ordinal());
  if (!message.resume_token().empty()) watcher.token = message.resume_token();
}

void WatchLoad::Closed(Watcher& watcher, const grpc::Status& status) {
  {
    MutexLock lock(mutex_);
    if (stopping_) {
      if (--open_ == 0) changed_.NotifyAll();
      return;
    }
  }
  if (resumed_.fetch_add(1) < kMostResumptions) return Open(watcher);
  Failed(absl::StrCat("watches keep ending: ", status.error_message()));
  MutexLock lock(mutex_);
  if (--open_ == 0) changed_.NotifyAll();
}

std::vector<WatchLoad::Seen> WatchLoad::seen() const {
  std::vector<Seen> all;
  for (const auto& watcher : watchers_) {
    MutexLock lock(watcher->mutex);
    all.push_back(watcher->seen);
  }
  return all;
}

void WatchLoad::ForgetSeen() {
  for (const auto& watcher : watchers_) {
    MutexLock lock(watcher->mutex);
    watcher->seen = {};
  }
}

}  // namespace switchyard::bench

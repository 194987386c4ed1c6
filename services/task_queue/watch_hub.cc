#include "services/task_queue/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/task_convert.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr int kBatchesPerPage = 64;
constexpr int kPagesPerTurn = 4;
// A watcher that wants nothing of what happens still learns how far it is.
constexpr absl::Duration kTokenPeriod = absl::Seconds(5);
constexpr std::size_t kCatchUpBuffer = 8;
// A message is sent once it holds this much: the usual bound of clients is 4 MiB. Batches are not torn, since tokens
// name whole ones.
constexpr std::size_t kMessageBytes = 1u << 20;

std::size_t AddEvent(const PublishedEvent& event, v1::WatchTasksResponse& message) {
  v1::TaskEvent* added = message.add_events();
  ToProto(event, added);
  return added->ByteSizeLong();
}

}  // namespace

std::string EncodeResumeToken(std::string_view incarnation, const EventPosition& position) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(ToAbsl(incarnation), ":", position.transaction, ":", position.sequence));
}

absl::StatusOr<ResumePoint> DecodeResumeToken(std::string_view token) {
  std::string text;
  if (token.size() > 200 || !absl::WebSafeBase64Unescape(ToAbsl(token), &text)) return ResumeTokenInvalid();
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  ResumePoint point;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &point.position.transaction) ||
      !absl::SimpleAtoi(parts[2], &point.position.sequence)) {
    return ResumeTokenInvalid();
  }
  point.incarnation = parts[0];
  return point;
}

bool WatchHub::Watcher::Wants(const PublishedEvent& event) const {
  if (!kinds.empty() && !kinds[static_cast<std::size_t>(event.event.kind)]) return false;
  if (tasks.empty() && projects.empty()) return true;
  return tasks.contains(event.task) || projects.contains(event.project);
}

WatchHub::WatchHub(TaskStore& store, const Clock& clock, Limits limits)
    : store_(store), clock_(clock), limits_(limits) {}

absl::Status WatchHub::Open(const v1::WatchTasksRequest& request, std::shared_ptr<Stream> stream) {
  auto watcher = std::make_shared<Watcher>();
  watcher->stream = stream;
  for (const std::string& text : request.task_ids()) {
    SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(text));
    watcher->tasks.insert(id);
  }
  watcher->projects.insert(request.projects().begin(), request.projects().end());
  if (!request.kinds().empty()) {
    watcher->kinds.resize(v1::EventKind_ARRAYSIZE);
    for (const int kind : request.kinds()) {
      if (v1::EventKind_IsValid(kind)) watcher->kinds[kind] = true;
    }
  }
  watcher->last_taken = clock_.Now();
  watcher->from_now = request.resume_token().empty();
  std::string incarnation;
  if (!watcher->from_now) {
    SY_ASSIGN_OR_RETURN(ResumePoint point, DecodeResumeToken(request.resume_token()));
    incarnation = std::move(point.incarnation);
    watcher->position = point.position;
  }
  MutexLock lock(mutex_);
  if (live_.size() + behind_.size() >= limits_.max_watchers) {
    return TooManyWatchers(static_cast<int>(limits_.max_watchers));
  }
  if (!watcher->from_now && begun_ && incarnation != incarnation_) return ResumeTokenExpired();
  behind_.push_back(watcher);
  stream->OnClosed([this, watcher] {
    MutexLock closing(mutex_);
    std::erase(live_, watcher);
    std::erase(behind_, watcher);
  });
  return absl::OkStatus();
}

std::string WatchHub::Token(const EventPosition& position) const { return EncodeResumeToken(incarnation_, position); }

void WatchHub::Begin(const std::string& incarnation, const EventPosition& position) {
  MutexLock lock(mutex_);
  incarnation_ = incarnation;
  position_ = position;
  begun_ = true;
  // They continue from where they stand, through the log.
  behind_.insert(behind_.end(), live_.begin(), live_.end());
  live_.clear();
}

void WatchHub::Publish(const std::vector<EventBatch>& batches) {
  if (batches.empty()) return;
  MutexLock lock(mutex_);
  position_ = batches.back().position;
  std::vector<std::shared_ptr<const v1::WatchTasksResponse>> all;
  const absl::Time now = clock_.Now();
  std::vector<WatcherPtr> kept;
  kept.reserve(live_.size());
  for (const WatcherPtr& watcher : live_) {
    bool taken = true;
    if (watcher->everything() && watcher->position < batches.front().position) {
      if (all.empty()) all = Messages(batches);
      // The same messages for all that want everything: shared, never changed again.
      for (auto message = all.begin(); taken && message != all.end(); ++message) {
        taken = watcher->stream->Offer(*message);
      }
      watcher->position = position_;
    } else {
      taken = Deliver(*watcher, batches);
    }
    watcher->last_taken = now;
    if (taken) {
      kept.push_back(watcher);
    } else {
      watcher->stream->CloseWith(WatchTooSlow());
    }
  }
  live_ = std::move(kept);
}

std::vector<std::shared_ptr<const v1::WatchTasksResponse>> WatchHub::Messages(
    const std::vector<EventBatch>& batches) const {
  std::vector<std::shared_ptr<const v1::WatchTasksResponse>> messages;
  auto message = std::make_shared<v1::WatchTasksResponse>();
  std::size_t bytes = 0;
  for (const EventBatch& batch : batches) {
    for (const PublishedEvent& event : batch.events) bytes += AddEvent(event, *message);
    if (bytes < kMessageBytes && &batch != &batches.back()) continue;
    message->set_resume_token(Token(batch.position));
    messages.push_back(std::move(message));
    message = std::make_shared<v1::WatchTasksResponse>();
    bytes = 0;
  }
  return messages;
}

bool WatchHub::Deliver(Watcher& watcher, const std::vector<EventBatch>& batches) {
  v1::WatchTasksResponse message;
  EventPosition reached = watcher.position;
  std::size_t bytes = 0;
  const absl::Time now = clock_.Now();
  const auto send = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    message.set_resume_token(Token(reached));
    if (!watcher.stream->Offer(std::exchange(message, {}))) return false;
    bytes = 0;
    watcher.position = reached;
    watcher.last_token = watcher.last_taken = now;
    return true;
  };
  for (const EventBatch& batch : batches) {
    if (batch.position <= watcher.position) continue;
    for (const PublishedEvent& event : batch.events) {
      if (watcher.Wants(event)) bytes += AddEvent(event, message);
    }
    reached = batch.position;
    if (bytes >= kMessageBytes && !send()) return false;
  }
  if (bytes == 0 && now - watcher.last_token < kTokenPeriod) {
    watcher.position = reached;
    return true;
  }
  return send();
}

absl::StatusOr<bool> WatchHub::CatchUp() {
  std::vector<WatcherPtr> behind;
  {
    MutexLock lock(mutex_);
    if (!begun_) return false;
    behind = behind_;
  }
  bool more = false;
  for (const WatcherPtr& watcher : behind) {
    SY_ASSIGN_OR_RETURN(const bool again, CatchUpOne(watcher));
    more = more || again;
  }
  return more;
}

absl::StatusOr<bool> WatchHub::CatchUpOne(const WatcherPtr& watcher) {
  if (!watcher->checked && !watcher->from_now) {
    SY_ASSIGN_OR_RETURN(const EventPosition begin, store_.EventsBegin());
    if (watcher->position < begin) {
      watcher->stream->CloseWith(ResumeTokenExpired());
      MutexLock lock(mutex_);
      std::erase(behind_, watcher);
      return false;
    }
  }
  watcher->checked = true;
  for (int page = 0; page < kPagesPerTurn; ++page) {
    EventPosition published;
    {
      MutexLock lock(mutex_);
      published = position_;
      if (std::find(behind_.begin(), behind_.end(), watcher) == behind_.end()) return false;
      const bool fresh = watcher->from_now;
      if (fresh) watcher->position = position_;
      if (watcher->position >= position_) {
        // At or past what the pump has published: from here on it is told with the others.
        watcher->from_now = false;
        watcher->last_token = absl::InfinitePast();
        std::erase(behind_, watcher);
        if (Deliver(*watcher, {})) {
          live_.push_back(watcher);
        } else {
          watcher->stream->CloseWith(WatchTooSlow());
        }
        return false;
      }
    }
    const absl::Time now = clock_.Now();
    if (watcher->stream->buffered() >= kCatchUpBuffer) {
      if (now - watcher->last_taken > limits_.patience) watcher->stream->CloseWith(WatchTooSlow());
      return false;
    }
    SY_ASSIGN_OR_RETURN(EventPage events, store_.ReadEvents(watcher->position, kBatchesPerPage));
    MutexLock lock(mutex_);
    // Batches past the pump's position come with the pump.
    std::erase_if(events.batches, [this](const EventBatch& batch)
                                      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return batch.position > position_; });
    if (events.batches.empty()) {
      // Nothing up to what was published before the read; what was published since was not looked for.
      watcher->position = published;
      continue;
    }
    if (!Deliver(*watcher, events.batches)) {
      // What it did not take is read again, once there is room.
      if (now - watcher->last_taken > limits_.patience) watcher->stream->CloseWith(WatchTooSlow());
      return false;
    }
  }
  return true;
}

std::size_t WatchHub::watchers() const {
  MutexLock lock(mutex_);
  return live_.size() + behind_.size();
}

}  // namespace switchyard::task_queue

#include "services/task_queue/watch_hub.h"

#include <algorithm>
#include <optional>
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

// Of the bound of all buffers, once it was reached.
constexpr double kRoomAgain = 0.75;

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
  const auto kind = static_cast<std::size_t>(event.event.kind);
  if (!kinds.empty() && (kind >= kinds.size() || !kinds[kind])) return false;
  if (tasks.empty() && projects.empty()) return true;
  return tasks.contains(event.task) || projects.contains(event.project);
}

WatchHub::Concerned::Concerned(const std::vector<EventBatch>& batches) {
  for (const EventBatch& batch : batches) {
    for (const PublishedEvent& event : batch.events) {
      tasks.insert(event.task);
      projects.insert(ToAbsl(event.project));
    }
  }
}

bool WatchHub::Concerned::Includes(const Watcher& watcher) const {
  if (watcher.tasks.empty() && watcher.projects.empty()) return true;
  return std::any_of(watcher.tasks.begin(), watcher.tasks.end(),
                     [this](const TaskId& id) { return tasks.contains(id); }) ||
         std::any_of(watcher.projects.begin(), watcher.projects.end(),
                     [this](const std::string& project) { return projects.contains(project); });
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
  if (!watcher->from_now) {
    SY_ASSIGN_OR_RETURN(ResumePoint point, DecodeResumeToken(request.resume_token()));
    watcher->incarnation = std::move(point.incarnation);
    watcher->position = point.position;
  }
  {
    MutexLock lock(mutex_);
    if (live_.size() + behind_.size() >= limits_.max_watchers) {
      return TooManyWatchers(static_cast<int>(limits_.max_watchers));
    }
    behind_.push_back(watcher);
  }
  stream->OnClosed([this, watcher] {
    MutexLock closing(mutex_);
    std::erase(live_, watcher);
    std::erase(behind_, watcher);
  });
  return absl::OkStatus();
}

void WatchHub::Begin(const std::string& incarnation, const EventPosition& position) {
  std::vector<WatcherPtr> ended;
  {
    MutexLock lock(mutex_);
    // They continue from where they stand, through the log.
    behind_.insert(behind_.end(), live_.begin(), live_.end());
    live_.clear();
    if (begun_ && incarnation != incarnation_) ended.swap(behind_);
    incarnation_ = incarnation;
    position_ = position;
    begun_ = true;
  }
  for (const WatcherPtr& watcher : ended) watcher->stream->CloseWith(ResumeTokenExpired());
}

void WatchHub::Publish(const std::vector<EventBatch>& batches) {
  if (batches.empty()) return;
  std::vector<WatcherPtr> live;
  std::string incarnation;
  {
    MutexLock lock(mutex_);
    // Who becomes live from here on stands behind these.
    position_ = batches.back().position;
    incarnation = incarnation_;
    live = live_;
  }
  const absl::Time now = clock_.Now();
  std::vector<std::shared_ptr<const v1::WatchTasksResponse>> all;
  std::optional<Concerned> concerned;
  std::vector<WatcherPtr> slow;
  std::size_t bytes = 0;
  for (const WatcherPtr& watcher : live) {
    bool taken = true;
    if (watcher->everything() && watcher->position < batches.front().position) {
      if (all.empty()) all = Messages(batches, incarnation);
      // The same messages for all that want everything: shared, never changed again.
      for (auto message = all.begin(); taken && message != all.end(); ++message) {
        taken = watcher->stream->Offer(*message);
      }
      watcher->position = batches.back().position;
    } else {
      if (!concerned.has_value()) concerned.emplace(batches);
      taken = Deliver(*watcher, batches, concerned->Includes(*watcher), incarnation, now);
    }
    watcher->last_taken = now;
    if (taken) {
      bytes += watcher->stream->buffered_bytes();
    } else {
      slow.push_back(watcher);
    }
  }
  live_bytes_ = bytes;
  if (buffered_bytes() > limits_.max_bytes) MakeRoom(live, slow);
  for (const WatcherPtr& watcher : slow) Close(watcher, WatchTooSlow());
}

void WatchHub::MakeRoom(const std::vector<WatcherPtr>& live, std::vector<WatcherPtr>& slow) {
  std::vector<std::pair<std::size_t, WatcherPtr>> by_bytes;
  for (const WatcherPtr& watcher : live) by_bytes.emplace_back(watcher->stream->buffered_bytes(), watcher);
  std::sort(by_bytes.begin(), by_bytes.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  const auto enough = static_cast<std::size_t>(static_cast<double>(limits_.max_bytes) * kRoomAgain);
  for (auto& [bytes, watcher] : by_bytes) {
    if (bytes == 0 || buffered_bytes() <= enough) return;
    live_bytes_ -= std::min<std::size_t>(bytes, live_bytes_);
    slow.push_back(std::move(watcher));
  }
}

void WatchHub::Close(const WatcherPtr& watcher, const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    std::erase(live_, watcher);
    std::erase(behind_, watcher);
  }
  watcher->stream->CloseWith(status);
}

std::vector<std::shared_ptr<const v1::WatchTasksResponse>> WatchHub::Messages(const std::vector<EventBatch>& batches,
                                                                              const std::string& incarnation) {
  std::vector<std::shared_ptr<const v1::WatchTasksResponse>> messages;
  auto message = std::make_shared<v1::WatchTasksResponse>();
  std::size_t bytes = 0;
  for (const EventBatch& batch : batches) {
    for (const PublishedEvent& event : batch.events) bytes += AddEvent(event, *message);
    if (bytes < kMessageBytes && &batch != &batches.back()) continue;
    message->set_resume_token(EncodeResumeToken(incarnation, batch.position));
    messages.push_back(std::move(message));
    message = std::make_shared<v1::WatchTasksResponse>();
    bytes = 0;
  }
  return messages;
}

bool WatchHub::Deliver(Watcher& watcher, const std::vector<EventBatch>& batches, bool concerned,
                       const std::string& incarnation, absl::Time now) {
  v1::WatchTasksResponse message;
  EventPosition reached = watcher.position;
  std::size_t bytes = 0;
  const auto send = [&] {
    message.set_resume_token(EncodeResumeToken(incarnation, reached));
    if (!watcher.stream->Offer(std::exchange(message, {}))) return false;
    bytes = 0;
    watcher.position = reached;
    watcher.last_token = watcher.last_taken = now;
    return true;
  };
  for (const EventBatch& batch : batches) {
    if (batch.position <= watcher.position) continue;
    if (concerned) {
      for (const PublishedEvent& event : batch.events) {
        if (watcher.Wants(event)) bytes += AddEvent(event, message);
      }
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
  std::size_t bytes = 0;
  for (const WatcherPtr& watcher : behind) {
    SY_ASSIGN_OR_RETURN(const bool again, CatchUpOne(watcher));
    more = more || again;
    bytes += watcher->stream->buffered_bytes();
  }
  behind_bytes_ = bytes;
  return more;
}

absl::StatusOr<bool> WatchHub::CheckToken(const WatcherPtr& watcher, const std::string& incarnation) {
  bool valid = watcher->incarnation == incarnation;
  if (valid) {
    SY_ASSIGN_OR_RETURN(const EventPosition begin, store_.EventsBegin());
    // Asked of the database: another replica may be ahead of this one. What lies beyond was never given out here, and
    // waiting for it would be a gap that nobody sees.
    SY_ASSIGN_OR_RETURN(const EventPosition limit, store_.EventsLimit());
    valid = begin <= watcher->position && watcher->position <= limit;
  }
  if (!valid) Close(watcher, ResumeTokenExpired());
  return valid;
}

absl::StatusOr<bool> WatchHub::CatchUpOne(const WatcherPtr& watcher) {
  std::string incarnation;
  {
    MutexLock lock(mutex_);
    incarnation = incarnation_;
  }
  if (!watcher->checked && !watcher->from_now) {
    SY_ASSIGN_OR_RETURN(const bool valid, CheckToken(watcher, incarnation));
    if (!valid) return false;
  }
  watcher->checked = true;
  for (int page = 0; page < kPagesPerTurn; ++page) {
    const absl::Time now = clock_.Now();
    EventPosition published;
    bool live = false;
    bool taken = true;
    {
      MutexLock lock(mutex_);
      // Gone, or of another life than the one that this turn reads.
      if (std::find(behind_.begin(), behind_.end(), watcher) == behind_.end() || incarnation != incarnation_) {
        return false;
      }
      published = position_;
      if (watcher->from_now) watcher->position = position_;
      if (watcher->position >= position_) {
        // At or past what the pump has published: from here on it is told with the others.
        watcher->from_now = false;
        watcher->last_token = watcher->last_taken = now;
        v1::WatchTasksResponse message;
        message.set_resume_token(EncodeResumeToken(incarnation_, watcher->position));
        taken = watcher->stream->Enqueue(std::move(message));
        live = true;
        std::erase(behind_, watcher);
        if (taken) live_.push_back(watcher);
      }
    }
    if (live) {
      if (taken) {
        watcher->stream->Flush();
      } else {
        Close(watcher, WatchTooSlow());
      }
      return false;
    }
    const std::size_t room = buffered_bytes() < limits_.max_bytes ? kCatchUpBuffer : 1;
    if (watcher->stream->buffered() >= room) {
      if (now - watcher->last_taken > limits_.patience) Close(watcher, WatchTooSlow());
      return false;
    }
    SY_ASSIGN_OR_RETURN(EventPage events, store_.ReadEvents(watcher->position, kBatchesPerPage));
    // The pump will find out too, and end it.
    if (events.incarnation != incarnation) return false;
    {
      // Batches past the pump's position come with the pump.
      MutexLock lock(mutex_);
      const EventPosition end = position_;
      std::erase_if(events.batches, [&end](const EventBatch& batch) { return batch.position > end; });
    }
    if (events.batches.empty()) {
      // Nothing up to what was published before the read; what was published since was not looked for.
      watcher->position = published;
      continue;
    }
    if (!Deliver(*watcher, events.batches, /*concerned=*/true, incarnation, now)) {
      // What it did not take is read again, once there is room.
      if (now - watcher->last_taken > limits_.patience) Close(watcher, WatchTooSlow());
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

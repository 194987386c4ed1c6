#include "services/agent_hub/report_lane.h"

#include <algorithm>
#include <utility>

namespace switchyard::agent_hub {
namespace {

// Of one agent in one call.
constexpr std::size_t kShare = 128;
constexpr std::size_t kCallBytes = 2u << 20;
// Of streams that are over; beyond, the time for accepting or the grace settles what they are about.
constexpr std::size_t kMaxLeft = 10'000;
constexpr absl::Duration kFirstReportPause = absl::Milliseconds(50);
constexpr absl::Duration kMaxReportPause = absl::Seconds(2);

bool IsOfHub(const Report& report) {
  return report.number == 0 && report.body == nullptr &&
         (report.kind == ReportKind::kReject || report.kind == ReportKind::kReleased);
}

}  // namespace

bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    // Of this hub's own token: a person can mend it.
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

void ReportLane::Add(StreamId stream, const AgentId& agent, std::int64_t epoch, Report report) {
  Queue& queue = queues_[stream];
  queue.agent = agent;
  queue.epoch = epoch;
  queue.bytes += report.bytes;
  bytes_ += report.bytes;
  ++count_;
  queue.reports.push_back(std::move(report));
  Enqueue(stream, queue);
}

void ReportLane::Enqueue(StreamId stream, Queue& queue) {
  if (queue.queued || queue.under_way > 0 || queue.reports.empty()) return;
  queue.queued = true;
  ready_.push_back(stream);
}

void ReportLane::Forget(StreamId stream) {
  const auto found = queues_.find(stream);
  if (found == queues_.end()) return;
  Queue& queue = found->second;
  const bool any = std::any_of(queue.reports.begin(), queue.reports.end(), IsOfHub);
  if (!any || left_ >= kMaxLeft) return Erase(stream);
  if (!std::exchange(queue.left, true)) ++left_;
  if (Purge(queue)) Erase(stream);
}

void ReportLane::Erase(StreamId stream) {
  const auto found = queues_.find(stream);
  bytes_ -= found->second.bytes;
  count_ -= found->second.reports.size();
  left_ -= found->second.left ? 1 : 0;
  queues_.erase(found);
}

bool ReportLane::Purge(Queue& queue) {
  const auto first = queue.reports.begin() + static_cast<std::ptrdiff_t>(queue.under_way);
  const auto rest = std::remove_if(first, queue.reports.end(), [&](const Report& report) {
    if (IsOfHub(report)) return false;
    queue.bytes -= report.bytes;
    bytes_ -= report.bytes;
    --count_;
    return true;
  });
  queue.reports.erase(rest, queue.reports.end());
  return queue.reports.empty();
}

std::optional<ReportLane::Call> ReportLane::Next(absl::Time now) {
  if (calls_.size() >= static_cast<std::size_t>(rules_.report_calls) || now < resume_at_) return std::nullopt;
  // After a failure one call feels the way.
  if (pause_ > absl::ZeroDuration() && !calls_.empty()) return std::nullopt;
  Call call;
  std::vector<std::pair<StreamId, std::size_t>> parts;
  std::size_t bytes = 0;
  while (!ready_.empty() && call.reports.size() < static_cast<std::size_t>(rules_.report_batch) && bytes < kCallBytes) {
    const StreamId stream = ready_.front();
    ready_.pop_front();
    const auto found = queues_.find(stream);
    if (found == queues_.end() || !found->second.queued) continue;
    Queue& queue = found->second;
    queue.queued = false;
    for (const Report& report : queue.reports) {
      if (queue.under_way >= kShare || call.reports.size() >= static_cast<std::size_t>(rules_.report_batch)) break;
      if (!call.reports.empty() && bytes + report.bytes > kCallBytes) break;
      call.reports.push_back({queue.agent, queue.epoch, report});
      bytes += report.bytes;
      ++queue.under_way;
    }
    if (queue.under_way == 0) {
      Enqueue(stream, queue);
      break;
    }
    parts.emplace_back(stream, queue.under_way);
  }
  if (call.reports.empty()) return std::nullopt;
  call.id = BatchId{++last_batch_};
  calls_.emplace(call.id, std::move(parts));
  return call;
}

void ReportLane::Retreat(absl::Time now) {
  pause_ = std::min(std::max(pause_ * 2, kFirstReportPause), kMaxReportPause);
  resume_at_ = now + pause_;
}

std::vector<ReportLane::Settled> ReportLane::Done(BatchId id, absl::StatusOr<std::vector<absl::Status>> answers,
                                                  absl::Time now) {
  std::vector<Settled> settled;
  const auto found = calls_.find(id);
  if (found == calls_.end()) return settled;
  const std::vector<std::pair<StreamId, std::size_t>> parts = std::move(found->second);
  calls_.erase(found);
  bool failed = false;
  std::size_t next = 0;
  for (const auto& [stream, count] : parts) {
    const std::size_t first = next;
    next += count;
    const auto entry = queues_.find(stream);
    if (entry == queues_.end()) continue;
    Queue& queue = entry->second;
    queue.under_way = 0;
    for (std::size_t i = first; i < next; ++i) {
      absl::Status status = !answers.ok()         ? answers.status()
                            : i < answers->size() ? (*answers)[i]
                                                  : absl::UnknownError("the answer is too short");
      // Later ones of the same agent wait too, so that they stay in order.
      if (IsPassing(status)) {
        failed = true;
        break;
      }
      Report report = std::move(queue.reports.front());
      queue.reports.pop_front();
      queue.bytes -= report.bytes;
      bytes_ -= report.bytes;
      --count_;
      settled.push_back({stream, std::move(report), std::move(status)});
    }
    if (queue.left && Purge(queue)) {
      Erase(stream);
      continue;
    }
    Enqueue(stream, queue);
  }
  if (failed) {
    Retreat(now);
  } else {
    pause_ = absl::ZeroDuration();
  }
  return settled;
}

std::size_t ReportLane::waiting(StreamId stream) const {
  const auto found = queues_.find(stream);
  return found == queues_.end() ? 0 : found->second.reports.size();
}

std::size_t ReportLane::waiting_bytes(StreamId stream) const {
  const auto found = queues_.find(stream);
  return found == queues_.end() ? 0 : found->second.bytes;
}

}  // namespace switchyard::agent_hub

#include "services/task_queue/verifying_feed.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr int kTasksPerMessage = 1'000;
// However wrong the mark is, a round over everything mends it.
constexpr absl::Duration kFullRound = absl::Minutes(1);
// Another replica's news may come late, and its clock be behind.
constexpr absl::Duration kSlack = absl::Minutes(1);

TaskId Below(const TaskId& task) { return TaskId(Uuid::LowestAt(task.uuid().time() - kSlack)); }

void Send(VerifyingFeed::Stream& stream, const std::shared_ptr<const v1::WatchVerifyingResponse>& message) {
  if (!stream.Offer(message)) stream.CloseWith(VerifyingFeedOverrun());
}

std::vector<std::shared_ptr<const v1::WatchVerifyingResponse>> ToMessages(const std::vector<JudgingTask>& tasks) {
  std::vector<std::shared_ptr<const v1::WatchVerifyingResponse>> messages;
  for (std::size_t from = 0; from < tasks.size(); from += kTasksPerMessage) {
    auto message = std::make_shared<v1::WatchVerifyingResponse>();
    for (std::size_t i = from; i < std::min(tasks.size(), from + kTasksPerMessage); ++i) {
      v1::VerifyingTask& task = *message->add_tasks();
      task.set_task_id(tasks[i].id.ToString());
      task.set_generation(ToInt(tasks[i].generation));
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace

absl::Status VerifyingFeed::Open(const v1::WatchVerifyingRequest&, std::shared_ptr<Stream> stream) {
  {
    MutexLock lock(mutex_);
    // While nobody watched, nothing lowered it.
    if (streams_.empty()) low_ = TaskId();
    streams_.push_back(stream);
    watching_.store(streams_.size());
  }
  // Afterwards: of one that is over already it is called at once.
  stream->OnClosed([this, raw = stream.get()] {
    MutexLock lock(mutex_);
    std::erase_if(streams_, [raw](const StreamPtr& other) { return other.get() == raw; });
    watching_.store(streams_.size());
  });
  return executor_.Run([this, stream = std::move(stream)] { Scan(stream); });
}

void VerifyingFeed::Scan(const StreamPtr& stream) {
  TaskId after;
  for (;;) {
    const absl::StatusOr<std::vector<JudgingTask>> tasks = store_.ScanJudging(after, per_tick_);
    if (!tasks.ok()) return stream->CloseWith(tasks.status());
    for (const auto& message : ToMessages(*tasks)) Send(*stream, message);
    if (static_cast<int>(tasks->size()) < per_tick_) return;
    after = tasks->back().id;
  }
}

void VerifyingFeed::Push(const TaskId& task, Generation generation) {
  if (readers() == 0) return;
  {
    MutexLock lock(mutex_);
    low_ = std::min(low_, Below(task));
  }
  SendToAll({{task, generation}});
}

absl::Status VerifyingFeed::Tick() {
  if (readers() == 0) return absl::OkStatus();
  const absl::Time now = clock_.Now();
  const bool begins = last_ == TaskId();
  if (begins) {
    if (now < round_at_) return absl::OkStatus();
    round_at_ = now + round_;
    MutexLock lock(mutex_);
    if (now >= full_round_at_) {
      full_round_at_ = now + kFullRound;
      low_ = TaskId();
    }
    last_ = low_;
  }
  SY_ASSIGN_OR_RETURN(const std::vector<JudgingTask> tasks, store_.ScanJudging(last_, per_tick_));
  if (begins) {
    MutexLock lock(mutex_);
    // What was pushed since the scan began was told then; it is told again by the next full round at the latest.
    if (!tasks.empty()) low_ = std::max(low_, Below(tasks.front().id));
  }
  last_ = static_cast<int>(tasks.size()) < per_tick_ ? TaskId() : tasks.back().id;
  SendToAll(tasks);
  return absl::OkStatus();
}

void VerifyingFeed::SendToAll(const std::vector<JudgingTask>& tasks) {
  if (tasks.empty()) return;
  std::vector<StreamPtr> streams;
  {
    MutexLock lock(mutex_);
    streams = streams_;
  }
  const auto messages = ToMessages(tasks);
  // Without the lock, which the closing of a stream takes.
  for (const StreamPtr& stream : streams) {
    for (const auto& message : messages) Send(*stream, message);
  }
}

}  // namespace switchyard::task_queue

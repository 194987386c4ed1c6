#include "tools/yard/follow.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "tools/yard/errors.h"
#include "tools/yard/event_stream.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr absl::Duration kFirstLook = absl::Milliseconds(200);
constexpr absl::Duration kLongestLook = absl::Seconds(5);
constexpr absl::Duration kFollowPatience = absl::Minutes(5);
constexpr absl::Duration kInterruptible = absl::Milliseconds(100);
constexpr std::size_t kMaxWatched = 1'000;

struct Followed {
  tq::Task task;
  bool reached = false;
  std::string shown_state;
  int last_ordinal = 0;
};

class Follower {
 public:
  Follower(Session& session, const std::vector<std::string>& ids, const FollowOptions& options)
      : session_(session), ids_(ids), options_(options) {
    for (const std::string& id : ids) followed_[id];
  }

  absl::StatusOr<std::vector<tq::Task>> Run() {
    SY_ASSIGN_OR_RETURN(const absl::Duration limit, session_.Timeout(absl::InfiniteDuration()));
    session_.BeginWaiting();
    SY_ASSIGN_OR_RETURN(TaskQueueStub * stub, session_.tasks());
    const absl::Time deadline = session_.Now() + limit;
    tq::WatchTasksRequest watch;
    if (followed_.size() <= kMaxWatched) {
      for (const auto& [id, followed] : followed_) watch.add_task_ids(id);
    }
    EventStream stream(session_.caller(), *stub, watch);
    stream.Start();
    absl::Duration pause = kFirstLook;
    bool watching = true;
    while (true) {
      SY_RETURN_IF_ERROR(LookAtAll());
      if (Done()) break;
      if (session_.Now() >= deadline) return TimedOut();
      const absl::Time next_look = std::min(session_.Now() + pause, deadline);
      pause = std::min(pause * 2, kLongestLook);
      look_now_ = false;
      while (!look_now_ && session_.Now() < next_look) {
        if (options_.interrupted && options_.interrupted()) return Interrupted();
        absl::Duration rest = next_look - session_.Now();
        if (options_.interrupted) rest = std::min(rest, kInterruptible);
        absl::StatusOr<EventStream::Batch> batch = EventStream::Batch();
        if (watching) batch = stream.Next(rest);
        if (!watching) {
          session_.caller().timer().Sleep(rest);
        } else if (batch.ok()) {
          Take(*batch);
        } else {
          watching = false;
        }
      }
    }
    std::vector<tq::Task> tasks;
    for (const std::string& id : ids_) tasks.push_back(followed_[id].task);
    return tasks;
  }

 private:
  bool Done() const {
    return std::all_of(followed_.begin(), followed_.end(), [](const auto& entry) { return entry.second.reached; });
  }

  absl::Status Interrupted() const {
    return LocalError(absl::StatusCode::kCancelled, "INTERRUPTED",
                      absl::StrCat("stopped watching ", ids_.front(), "; it goes on without us"),
                      absl::StrCat("yard logs -f ", ids_.front(), ", or to end it: yard task cancel ", ids_.front()));
  }

  absl::Status TimedOut() const {
    std::string names;
    for (const auto& [id, followed] : followed_) {
      if (!followed.reached && names.size() < 200) {
        absl::StrAppend(&names, names.empty() ? "" : ", ", id, " is ", StateText(followed.task));
      }
    }
    return LocalError(absl::StatusCode::kDeadlineExceeded, "WAIT_TIMED_OUT",
                      absl::StrCat("stopped waiting: ", names, "; it goes on without us"),
                      absl::StrCat("yard task wait ", ids_.front()));
  }

  absl::Status LookAtAll() {
    for (auto& [id, followed] : followed_) {
      if (followed.reached) continue;
      const absl::Status status = Look(id, followed);
      if (status.ok()) {
        away_since_ = absl::InfiniteFuture();
        answered_ = true;
        continue;
      }
      const bool away =
          status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
      if (!away || !(answered_ || options_.answered)) return status;
      if (away_since_ == absl::InfiniteFuture()) {
        away_since_ = session_.Now();
        session_.Remark("the server is away; trying again");
      }
      if (session_.Now() - away_since_ > kFollowPatience) return status;
      return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  // The task first: once it is final, all its events are there to list.
  absl::Status Look(const std::string& id, Followed& followed) {
    tq::GetTaskRequest request;
    request.set_task_id(id);
    SY_ASSIGN_OR_RETURN(tq::GetTaskResponse answer, session_.Call(&TaskQueueStub::GetTask, request));
    followed.task = std::move(*answer.mutable_task());
    if (options_.on_event) {
      SY_RETURN_IF_ERROR(CatchUp(id, followed));
    } else if (const std::string state = StateText(followed.task); state != followed.shown_state) {
      session_.Progress(absl::StrCat(id, "  ", state));
      followed.shown_state = state;
    }
    if (options_.on_look) options_.on_look(followed.task);
    followed.reached = Reached(followed.task, options_.until);
    return absl::OkStatus();
  }

  absl::Status CatchUp(const std::string& id, Followed& followed) {
    tq::ListTaskEventsRequest request;
    request.set_task_id(id);
    SY_ASSIGN_OR_RETURN(const tq::ListTaskEventsResponse answer,
                        session_.Call(&TaskQueueStub::ListTaskEvents, request));
    for (const tq::TaskEvent& event : answer.events()) {
      if (event.ordinal() <= followed.last_ordinal) continue;
      followed.last_ordinal = event.ordinal();
      options_.on_event(event);
    }
    return absl::OkStatus();
  }

  void Take(const EventStream::Batch& batch) {
    if (batch.gap) look_now_ = true;
    for (const tq::TaskEvent& event : batch.events) {
      const auto found = followed_.find(event.task_id());
      if (found == followed_.end() || found->second.reached) continue;
      Followed& followed = found->second;
      const bool next = event.ordinal() == followed.last_ordinal + 1;
      // What ends the wait, changes the display or leaves a gap is worth a look at once.
      look_now_ = look_now_ || !options_.on_event || !next || event.kind() == tq::EVENT_KIND_FINISHED ||
                  event.kind() == tq::EVENT_KIND_ACCEPTED || event.kind() == tq::EVENT_KIND_EVIDENCE;
      if (!options_.on_event || !next) continue;
      followed.last_ordinal = event.ordinal();
      options_.on_event(event);
    }
  }

  Session& session_;
  const std::vector<std::string>& ids_;
  const FollowOptions& options_;
  std::map<std::string, Followed> followed_;
  bool look_now_ = false;
  bool answered_ = false;
  absl::Time away_since_ = absl::InfiniteFuture();
};

}  // namespace

Milestone ParseMilestone(std::string_view text) {
  if (text == "accepted") return Milestone::kAccepted;
  return text == "verifying" ? Milestone::kVerifying : Milestone::kFinal;
}

bool Reached(const tq::Task& task, Milestone milestone) {
  if (IsFinal(task.state())) return true;
  if (task.state() == tq::TASK_STATE_VERIFYING) return milestone != Milestone::kFinal;
  return task.state() == tq::TASK_STATE_RUNNING && milestone == Milestone::kAccepted;
}

absl::StatusOr<std::vector<tq::Task>> FollowTasks(Session& session, const std::vector<std::string>& ids,
                                                  const FollowOptions& options) {
  return Follower(session, ids, options).Run();
}

absl::Status VerdictOn(const std::vector<tq::Task>& tasks) {
  std::string message;
  std::string_view first;
  for (const tq::Task& task : tasks) {
    if (!IsFailure(task.state())) continue;
    if (first.empty()) first = task.id();
    if (message.size() > 500) continue;
    absl::StrAppend(&message, message.empty() ? "" : "; ", "task ", task.id(), " is ", Text(task.state()));
    if (!task.failure().reason().empty()) absl::StrAppend(&message, " (", task.failure().reason(), ")");
  }
  if (first.empty()) return absl::OkStatus();
  return LocalError(absl::StatusCode::kFailedPrecondition, "TASK_FAILED", message,
                    absl::StrCat("yard task show ", ToAbsl(first)));
}

}  // namespace switchyard::yard

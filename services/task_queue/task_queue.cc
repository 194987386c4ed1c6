#include "services/task_queue/task_queue.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

// Each round that fails met a concurrent writer of the same row; more than a few is a storm.
constexpr int kMaxRounds = 5;

Move MakeMove(const Rules& rules, absl::Time now, const TaskRecord& before, const TaskRecord& after,
              const Command& command) {
  Move move{.from = before.stage(),
            .generation = before.generation,
            .revision = before.revision,
            .next = &after,
            // A limit that has passed already: sweeps look only for what becomes due.
            .due = std::max(DueTime(rules, after), now)};
  const int last = before.timeline.empty() ? 0 : before.timeline.back().ordinal;
  move.new_events = after.timeline.empty() ? 0 : after.timeline.back().ordinal - last;
  if (!before.awaits.empty()) move.settled = SettledBy(before, after);
  if (const auto* assign = std::get_if<Assign>(&command.what)) {
    move.shard_epoch = assign->shard_epoch;
    move.session_epoch = assign->session_epoch;
    move.agent = assign->agent;
  } else if (const auto* report = std::get_if<Report>(&command.what)) {
    move.session_epoch = report->session_epoch;
    move.agent = report->agent;
  }
  return move;
}

// Where the specification names what the task waits for: its dependencies in their order, then the task it continues.
std::string FieldOf(const std::vector<Awaited>& awaits, std::size_t index) {
  return awaits[index].any_end ? "spec.continues_task_id" : absl::StrCat("spec.dependencies[", index, "].task_id");
}

}  // namespace

// One command on its way to an answer.
struct TaskQueue::Attempted {
  std::size_t index = 0;
  // What the decision was based upon; null: to be read.
  std::shared_ptr<const TaskRecord> base;
  // Read in this batch, not remembered from before.
  bool fresh = false;
  std::shared_ptr<TaskRecord> next;
  Answered answered;
};

absl::Status TaskQueue::Submit(TaskBatch& batch, absl::Span<Submission> submissions,
                               absl::Span<absl::StatusOr<Submitted>> answers) {
  const absl::Time now = clock_.Now();
  SY_ASSIGN_OR_RETURN(const StandingMap standings, StandingsOf(batch, submissions));
  std::vector<NewTask> tasks;
  std::vector<std::size_t> indexes;
  tasks.reserve(submissions.size());
  indexes.reserve(submissions.size());
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    const std::vector<Awaited>& awaits = submissions[i].task.record.awaits;
    std::vector<EndedTask> ended;
    const auto unknown = std::find_if(awaits.begin(), awaits.end(), [&](const Awaited& awaited) {
      const Standing standing = standings.at(awaited.task);
      if (standing > Standing::kLive) ended.push_back({awaited.task, standing == Standing::kSucceeded});
      return standing == Standing::kUnknown;
    });
    if (unknown != awaits.end()) {
      answers[i] = DependencyNotFound(unknown->task, FieldOf(awaits, unknown - awaits.begin()));
      continue;
    }
    // Copied, not moved: a batch that fails may be run again.
    NewTask& task = tasks.emplace_back(submissions[i].task);
    indexes.push_back(i);
    task.record.id = ids_.New<TaskId>();
    Begin(submissions[i].start_time, now, task.record, ended);
    // As a later replay will know it: from the id alone.
    task.record.create_time = task.record.id.uuid().time();
  }
  SY_ASSIGN_OR_RETURN(const std::vector<InsertOutcome> outcomes, batch.Insert(tasks, now));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    absl::StatusOr<Submitted>& answer = answers[indexes[i]];
    switch (outcomes[i].kind) {
      case InsertOutcome::Kind::kInserted:
        answer = Submitted{.id = tasks[i].record.id,
                           .create_time = tasks[i].record.id.uuid().time(),
                           .record = std::make_shared<const TaskRecord>(std::move(tasks[i].record)),
                           .spec = std::make_shared<const GivenSpec>(GivenSpec{
                               .spec = std::move(tasks[i].spec), .traceparent = std::move(tasks[i].traceparent)})};
        break;
      case InsertOutcome::Kind::kReplayed:
        answer = Submitted{.id = outcomes[i].id, .create_time = outcomes[i].id.uuid().time(), .replayed = true};
        break;
      case InsertOutcome::Kind::kRequestIdReused:
        answer = RequestIdReused(tasks[i].request_id);
        break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TaskQueue::StandingMap> TaskQueue::StandingsOf(TaskBatch& batch,
                                                              absl::Span<const Submission> submissions) {
  StandingMap standings;
  std::vector<TaskId> ids;
  for (const Submission& submission : submissions) {
    for (const Awaited& awaited : submission.task.record.awaits) {
      if (standings.try_emplace(awaited.task, Standing::kUnknown).second) ids.push_back(awaited.task);
    }
  }
  if (ids.empty()) return standings;
  SY_ASSIGN_OR_RETURN(const std::vector<Standing> found, batch.Standings(ids));
  for (std::size_t i = 0; i < ids.size(); ++i) standings[ids[i]] = found[i];
  return standings;
}

absl::Status TaskQueue::Execute(TaskBatch& batch, absl::Span<const Command> commands,
                                absl::Span<absl::StatusOr<Executed>> answers) {
  const absl::Time now = clock_.Now();
  std::vector<Attempted> pending(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    pending[i].index = i;
    pending[i].base = cache_.Find(commands[i].id).record;
  }
  for (int round = 0; round < kMaxRounds && !pending.empty(); ++round) {
    std::vector<TaskId> unread;
    for (const Attempted& item : pending) {
      if (item.base == nullptr) unread.push_back(commands[item.index].id);
    }
    std::vector<LoadedTask> read;
    if (!unread.empty()) {
      SY_ASSIGN_OR_RETURN(read, LoadEach(batch, unread));
    }
    std::size_t next_read = 0;
    std::vector<Attempted> again;
    std::vector<Attempted> moving;
    for (Attempted& item : pending) {
      const Command& command = commands[item.index];
      if (item.base == nullptr) {
        LoadedTask& row = read[next_read++];
        if (!row.ok() || !row->has_value()) {
          answers[item.index] = row.ok() ? TaskNotFound(command.id) : row.status();
          continue;
        }
        item.base = std::make_shared<const TaskRecord>(**std::move(row));
        item.fresh = true;
      }
      item.next = std::make_shared<TaskRecord>(*item.base);
      const absl::StatusOr<Answered> decided = Decide(rules_, command, now, *item.next);
      if (decided.ok() && !decided->unchanged) {
        item.answered = *decided;
        moving.push_back(std::move(item));
      } else if (!item.fresh) {
        // What was remembered may be out of date: neither refuse nor repeat an answer on its word.
        item.base = nullptr;
        again.push_back(std::move(item));
      } else if (decided.ok()) {
        answers[item.index] = Executed{.state = decided->state, .record = nullptr, .spec = nullptr};
      } else {
        answers[item.index] = decided.status();
      }
    }
    std::vector<Move> moves;
    moves.reserve(moving.size());
    for (const Attempted& item : moving) {
      moves.push_back(MakeMove(rules_, now, *item.base, *item.next, commands[item.index]));
    }
    if (!moves.empty()) {
      SY_ASSIGN_OR_RETURN(const std::vector<MoveOutcome> outcomes, batch.Apply(moves, now));
      for (std::size_t i = 0; i < moving.size(); ++i) {
        Attempted& item = moving[i];
        const TaskId& id = commands[item.index].id;
        switch (outcomes[i]) {
          case MoveOutcome::kApplied:
            answers[item.index] =
                Executed{.state = item.answered.state, .record = std::move(item.next), .spec = nullptr};
            break;
          case MoveOutcome::kStaleShardEpoch:
            answers[item.index] = StaleShardEpoch(id);
            break;
          case MoveOutcome::kStaleSession:
            answers[item.index] = StaleSession(id, moves[i].agent);
            break;
          case MoveOutcome::kChanged:
            cache_.Erase(id);
            item.base = nullptr;
            again.push_back(std::move(item));
            break;
        }
      }
    }
    pending = std::move(again);
  }
  for (const Attempted& item : pending) answers[item.index] = TooMuchContention(commands[item.index].id);
  return AttachSpecs(batch, commands, answers);
}

absl::Status TaskQueue::AttachSpecs(TaskBatch& batch, absl::Span<const Command> commands,
                                    absl::Span<absl::StatusOr<Executed>> answers) {
  std::vector<TaskId> unread;
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!std::holds_alternative<Assign>(commands[i].what) || !answers[i].ok()) continue;
    answers[i]->spec = cache_.Find(commands[i].id).spec;
    if (answers[i]->spec != nullptr) continue;
    unread.push_back(commands[i].id);
    indexes.push_back(i);
  }
  if (unread.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(std::vector<GivenSpec> specs, batch.LoadSpecs(unread));
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    answers[indexes[i]]->spec = std::make_shared<const GivenSpec>(std::move(specs[i]));
  }
  return absl::OkStatus();
}

void TaskQueue::Learn(const Submitted& submitted) {
  if (submitted.record != nullptr) cache_.Put(submitted.record, submitted.spec);
}

void TaskQueue::Learn(const Executed& executed) {
  if (executed.record != nullptr) cache_.Put(executed.record, executed.spec);
}

}  // namespace switchyard::task_queue

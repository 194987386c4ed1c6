#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/follow.h"
#include "tools/yard/log_follower.h"
#include "tools/yard/run_view.h"
#include "tools/yard/submission.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

// After a task is final, what its hub has not stored yet comes within this time.
constexpr absl::Duration kLateChunks = absl::Seconds(2);

Answer IdAnswer(const tq::SubmitTaskResponse& submitted) {
  Answer answer;
  answer.table.columns = {{"ID"}};
  answer.table.rows = {{{submitted.task_id()}}};
  answer.card = OneLine(submitted.task_id()) + "\n";
  answer.names = {submitted.task_id()};
  answer.whole = ToJson(submitted);
  return answer;
}

// To the end, or until the user has enough.
absl::StatusOr<tq::Task> Follow(Session& session, const std::string& id, RunView& view) {
  FollowOptions options;
  options.answered = true;
  options.interrupted = session.host().interrupted;
  options.on_event = [&view](const tq::TaskEvent& event) { view.OnEvent(event); };
  options.on_look = [&view](const tq::Task& task) { view.OnLook(task); };
  absl::StatusOr<std::vector<tq::Task>> tasks = FollowTasks(session, {id}, options);
  if (tasks.ok()) return std::move(tasks->front());
  if (ReasonOf(tasks.status()) != "INTERRUPTED" || !session.invocation().Has("cancel-on-interrupt")) {
    return tasks.status();
  }
  tq::CancelTasksRequest cancel;
  cancel.mutable_selection()->add_task_ids(id);
  cancel.set_reason("interrupted at the terminal");
  SY_RETURN_IF_ERROR(session.Call(&TaskQueueStub::CancelTasks, cancel).status());
  // Another interruption ends the program.
  options.interrupted = nullptr;
  SY_ASSIGN_OR_RETURN(tasks, FollowTasks(session, {id}, options));
  return std::move(tasks->front());
}

}  // namespace

absl::Status Run(Session& session) {
  SY_ASSIGN_OR_RETURN(const std::vector<tq::SubmitTaskRequest> requests, RequestsFromFlags(session));
  if (session.invocation().Has("dry-run")) {
    session.Show(DryRunAnswer(requests));
    return absl::OkStatus();
  }
  if (requests.size() != 1) {
    return UsageError("SEVERAL_TASKS", absl::StrCat("the file holds ", requests.size(), " tasks; run follows one"),
                      "yard task submit -f FILE --wait");
  }
  const bool detach = session.invocation().Has("detach");
  // --timeout is then about the wait.
  if (!detach) session.BeginWaiting();
  SY_ASSIGN_OR_RETURN(const tq::SubmitTaskResponse submitted, session.Call(&TaskQueueStub::SubmitTask, requests[0]));
  const std::string& id = submitted.task_id();
  if (detach || session.style().format == Format::kName) session.Show(IdAnswer(submitted));
  if (detach) return absl::OkStatus();

  // From here on there is something to say to whoever leaves.
  session.host().interrupted();
  RunView view(session, id);
  view.Submitted(submitted.replayed());
  std::unique_ptr<LogFollower> log;
  const absl::StatusOr<AgentAdminStub*> hub = session.hub();
  if (hub.ok()) {
    agent::v1::ReadTaskLogRequest request;
    request.set_task_id(id);
    log = std::make_unique<LogFollower>(session, **hub, std::move(request),
                                        [&view](const agent::v1::TaskLogChunk& chunk) { view.OnChunk(chunk); });
  }
  const absl::StatusOr<tq::Task> task = Follow(session, id, view);
  // The output that came last explains the end best. What a missing log would have said is in the result.
  if (log != nullptr && task.ok()) {
    const bool ran = !task->history().empty();
    const absl::Status rest = log->Finish(ran ? kLateChunks : absl::ZeroDuration());
    if (!rest.ok()) session.Remark(absl::StrCat("the output may be incomplete: ", rest.message()));
  }
  log.reset();
  SY_RETURN_IF_ERROR(task.status());
  view.Finished(*task);
  if (session.style().structured() && session.style().format != Format::kJsonl) {
    Answer answer;
    answer.whole = ToJson(*task);
    session.Show(answer);
  }
  if (task->state() == tq::TASK_STATE_CANCELLED && session.host().interrupted()) {
    return LocalError(absl::StatusCode::kCancelled, "INTERRUPTED", absl::StrCat("task ", id, " was cancelled"));
  }
  return VerdictOn({*task});
}

}  // namespace switchyard::yard

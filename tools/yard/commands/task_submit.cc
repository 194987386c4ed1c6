#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/follow.h"
#include "tools/yard/submission.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr int kBatch = 1'000;

absl::Status ItemFailure(const tq::ItemError& error, std::size_t index) {
  return LocalError(static_cast<absl::StatusCode>(error.code()), error.reason(),
                    absl::StrCat("task ", index + 1, ": ", error.message()));
}

// Ids in the order of the requests; the first failure after all went out.
struct Submitted {
  Json results = Json::array();
  std::vector<std::string> ids;
  std::vector<bool> replayed;
  absl::Status failure;
};

absl::StatusOr<Submitted> SubmitOne(Session& session, const tq::SubmitTaskRequest& request) {
  SY_ASSIGN_OR_RETURN(const tq::SubmitTaskResponse answer, session.Call(&TaskQueueStub::SubmitTask, request));
  Submitted submitted;
  submitted.ids.push_back(answer.task_id());
  submitted.replayed.push_back(answer.replayed());
  submitted.results.push_back(ToJson(answer));
  return submitted;
}

absl::StatusOr<Submitted> SubmitMany(Session& session, const std::vector<tq::SubmitTaskRequest>& requests) {
  Submitted submitted;
  for (std::size_t from = 0; from < requests.size(); from += kBatch) {
    tq::SubmitTasksRequest batch;
    for (std::size_t i = from; i < std::min(requests.size(), from + kBatch); ++i) *batch.add_tasks() = requests[i];
    auto answer = session.Call(&TaskQueueStub::SubmitTasks, batch, Repeat::kSafe, absl::Seconds(60));
    if (!answer.ok()) {
      if (submitted.ids.empty()) return answer.status();
      submitted.failure = answer.status();
      return submitted;
    }
    for (int i = 0; i < answer->results_size(); ++i) {
      const tq::SubmitTasksResult& result = answer->results(i);
      submitted.results.push_back(ToJson(result));
      if (result.has_error()) {
        if (submitted.failure.ok()) submitted.failure = ItemFailure(result.error(), from + static_cast<std::size_t>(i));
        continue;
      }
      submitted.ids.push_back(result.task().task_id());
      submitted.replayed.push_back(result.task().replayed());
    }
  }
  return submitted;
}

Answer SubmittedAnswer(const Submitted& submitted) {
  Answer answer;
  answer.table.columns = {{"ID"}, {.title = "NOTE", .wide = true}};
  for (std::size_t i = 0; i < submitted.ids.size(); ++i) {
    answer.table.rows.push_back({{submitted.ids[i]}, {submitted.replayed[i] ? "was submitted before" : ""}});
  }
  answer.names = submitted.ids;
  answer.items.assign(submitted.results.begin(), submitted.results.end());
  answer.whole = submitted.results.size() == 1 ? submitted.results[0] : Json{{"results", submitted.results}};
  return answer;
}

absl::Status FollowSubmitted(Session& session, const std::vector<std::string>& ids) {
  FollowOptions options;
  options.until = ParseMilestone(session.invocation().Get("wait"));
  options.answered = true;
  const OutputStyle& style = session.style();
  const bool several = ids.size() > 1;
  if (session.invocation().Has("follow")) {
    options.on_event = [&session, &style, several](const tq::TaskEvent& event) {
      if (style.structured()) {
        session.host().out << JsonLine(ToJson(event)) << '\n';
      } else {
        session.host().out << EventLine(event, several, style);
      }
      session.host().out.flush();
    };
  }
  SY_ASSIGN_OR_RETURN(const std::vector<tq::Task> tasks, FollowTasks(session, ids, options));
  if (style.structured() && !session.invocation().Has("follow")) {
    Answer answer;
    for (const tq::Task& task : tasks) answer.items.push_back(ToJson(task));
    answer.whole = answer.items.size() == 1 ? answer.items[0] : Json{{"tasks", answer.items}};
    session.Show(answer);
  }
  SY_RETURN_IF_ERROR(VerdictOn(tasks));
  for (const tq::Task& task : tasks) {
    const std::string usage = UsageText(LastUsage(task));
    session.Remark(absl::StrCat(task.id(), " is ", StateText(task), usage.empty() ? "" : ": ", usage));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TaskSubmit(Session& session) {
  SY_ASSIGN_OR_RETURN(const std::vector<tq::SubmitTaskRequest> requests, RequestsFromFlags(session));
  if (session.invocation().Has("dry-run")) {
    session.Show(DryRunAnswer(requests));
    return absl::OkStatus();
  }
  const bool stays = session.invocation().Has("wait") || session.invocation().Has("follow");
  // --timeout is then about the wait.
  if (stays) session.BeginWaiting();
  Submitted submitted;
  if (requests.size() == 1) {
    SY_ASSIGN_OR_RETURN(submitted, SubmitOne(session, requests[0]));
  } else {
    SY_ASSIGN_OR_RETURN(submitted, SubmitMany(session, requests));
  }
  // One document per run: with a structured format the final task takes its place.
  if (!(stays && session.style().structured())) session.Show(SubmittedAnswer(submitted));
  SY_RETURN_IF_ERROR(submitted.failure);
  return stays ? FollowSubmitted(session, submitted.ids) : absl::OkStatus();
}

absl::Status TaskWait(Session& session) {
  FollowOptions options;
  options.until = ParseMilestone(session.invocation().Get("for"));
  SY_ASSIGN_OR_RETURN(const std::vector<tq::Task> tasks, FollowTasks(session, session.invocation().arguments, options));
  Answer answer;
  google::protobuf::RepeatedPtrField<tq::Task> list;
  for (const tq::Task& task : tasks) {
    *list.Add() = task;
    answer.items.push_back(ToJson(task));
    answer.names.push_back(task.id());
  }
  answer.table = TaskTable(list, session.times());
  answer.whole = answer.items.size() == 1 ? answer.items[0] : Json{{"tasks", answer.items}};
  session.Show(answer);
  for (const tq::Task& task : tasks) {
    if (!Marks(LastUsage(task)).empty()) session.Remark(absl::StrCat(task.id(), ": ", UsageText(LastUsage(task))));
  }
  return VerdictOn(tasks);
}

}  // namespace switchyard::yard

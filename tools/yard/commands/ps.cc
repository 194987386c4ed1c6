#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/yard/agent_names.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/paging.h"
#include "tools/yard/spec_flags.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

// Since it was accepted, or given to an agent, until its end.
std::string RunningFor(const tq::Task& task, absl::Time now) {
  const absl::Time begin = FromProto(task.has_accept_time() ? task.accept_time() : task.assign_time());
  if (begin == absl::InfinitePast()) return "";
  return SpanText(
      std::max((task.has_finish_time() ? FromProto(task.finish_time()) : now) - begin, absl::ZeroDuration()));
}

// What models the tasks work on that are with an agent now, by task and generation; what they reported is not there
// yet. A router that does not answer is asked once.
class LiveModels {
 public:
  explicit LiveModels(Session& session) : session_(session) {}

  void Load(const google::protobuf::RepeatedPtrField<tq::Task>& tasks) {
    models_.clear();
    const bool wanted = std::any_of(tasks.begin(), tasks.end(), [](const tq::Task& task) {
      return !IsFinal(task.state()) && !task.agent_id().empty() && !task.spec().has_command();
    });
    if (!wanted || away_) return;
    router::v1::ListDecisionsRequest request;
    request.set_page_size(200);
    const auto answer = session_.Call(&RouterStub::ListDecisions, request, Repeat::kNever, absl::Seconds(2));
    away_ = !answer.ok();
    if (away_) return;
    for (const router::v1::Decision& decision : answer->decisions()) {
      if (decision.state() != router::v1::DECISION_STATE_HELD) continue;
      const router::v1::Routing& routing = decision.routing();
      models_[{decision.task_id(), decision.generation()}] =
          absl::StrCat(routing.endpoint().model(), " at ", routing.endpoint().endpoint(),
                       routing.fallback() ? absl::StrCat(" FALLBACK (", routing.fallback_reason(), ")") : "");
    }
  }

  std::string Of(const tq::Task& task) const {
    const auto found = models_.find({task.id(), task.generation()});
    if (found != models_.end() && !IsFinal(task.state())) return found->second;
    std::vector<std::string> text = Marks(LastUsage(task));
    text.insert(text.begin(), ModelText(LastUsage(task)));
    return absl::StrJoin(text, " ");
  }

 private:
  Session& session_;
  bool away_ = false;
  std::map<std::pair<std::string, std::int64_t>, std::string> models_;
};

Table RunningTable(const google::protobuf::RepeatedPtrField<tq::Task>& tasks, AgentNames& names,
                   const LiveModels& models, const ViewTimes& times, bool all) {
  Table table;
  table.empty_note = all ? "No tasks." : "Nothing runs; yard ps --all shows what waits and what is over.";
  table.columns = {{"ID"},
                   {"STATE"},
                   {"AGENT"},
                   {.title = "ATTEMPT", .right = true},
                   {.title = "GEN", .right = true},
                   {"LANE"},
                   {.title = "RUNNING", .right = true},
                   {.title = "AGE", .right = true},
                   {.title = "PROJECT", .wide = true},
                   {.title = "BY", .wide = true},
                   {"MODEL"},
                   {"TITLE"}};
  for (const tq::Task& task : tasks) {
    const bool live = !IsFinal(task.state());
    table.rows.push_back({{task.id()},
                          {StateText(task), ToneOf(task.state())},
                          {names.Of(task.agent_id())},
                          {absl::StrCat(task.attempts() + (live ? 1 : 0))},
                          {absl::StrCat(task.generation())},
                          {Text(task.spec().lane())},
                          {RunningFor(task, times.now)},
                          {SpanText(std::max(times.now - FromProto(task.create_time()), absl::ZeroDuration()))},
                          {task.spec().project()},
                          {task.principal()},
                          {models.Of(task)},
                          {TitleOf(task.spec())}});
  }
  return table;
}

absl::Status Once(Session& session, AgentNames& names, LiveModels& models) {
  const bool all = session.invocation().Has("all");
  tq::ListTasksRequest request;
  *request.mutable_filter() = FilterFromFlags(session.invocation(), session.Now());
  if (!all) {
    for (const tq::TaskState state : {tq::TASK_STATE_ASSIGNED, tq::TASK_STATE_RUNNING, tq::TASK_STATE_VERIFYING}) {
      request.mutable_filter()->add_states(state);
    }
    request.set_order(tq::LIST_ORDER_OLDEST_FIRST);
  }
  tq::ListTasksResponse found;
  SY_RETURN_IF_ERROR(ListPages(session, &TaskQueueStub::ListTasks, request, found));
  Answer answer;
  answer.whole = ToJson(found);
  answer.whole.erase("next_page_token");
  if (!answer.whole.contains("tasks")) answer.whole["tasks"] = Json::array();
  for (const tq::Task& task : found.tasks()) {
    answer.items.push_back(ToJson(task));
    answer.names.push_back(task.id());
  }
  const bool table = !session.style().structured() && session.style().format != Format::kName;
  if (table) {
    models.Load(found.tasks());
    answer.table = RunningTable(found.tasks(), names, models, session.times(), all);
  }
  session.Show(answer);
  if (!found.next_page_token().empty()) session.Progress("more: give a larger --limit");
  return absl::OkStatus();
}

}  // namespace

absl::Status Ps(Session& session) {
  AgentNames names(session);
  LiveModels models(session);
  if (session.invocation().Has("watch")) names.Load();
  return ListAgainAndAgain(session, [&](Session& again) { return Once(again, names, models); });
}

}  // namespace switchyard::yard

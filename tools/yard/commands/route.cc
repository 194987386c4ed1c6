#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/paging.h"
#include "tools/yard/route_view.h"
#include "tools/yard/spec_file.h"
#include "tools/yard/spec_flags.h"
#include "tools/yard/submission.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace rt = router::v1;
namespace tq = task_queue::v1;

constexpr std::size_t kMaxSimulated = 10'000;
constexpr std::size_t kTitle = 200;

void AddOffers(const Session& session, rt::ExplainRouteRequest& request) {
  for (const std::string& name : session.invocation().All("offers")) request.add_offered(name);
}

// The specification that the command line describes; what follows "--" is a prompt here.
absl::StatusOr<tq::TaskSpec> SpecOf(Session& session) {
  Invocation invocation = session.invocation();
  invocation.arguments.clear();
  if (invocation.rest.has_value() && !invocation.rest->empty()) {
    if (invocation.Has("prompt"))
      return UsageError("TWO_PROMPTS", "--prompt and a prompt after '--' exclude each other");
    // As it stands: neither @ nor - means a file here.
    std::vector<tq::SubmitTaskRequest> requests(1);
    requests[0].mutable_spec()->mutable_prompt()->set_instruction(absl::StrJoin(*invocation.rest, " "));
    invocation.rest.reset();
    if (invocation.Has("file")) return UsageError("TWO_EXECUTABLES", "a prompt and -f exclude each other");
    SY_RETURN_IF_ERROR(ApplySpecFlags(invocation, "", session.Now(), *requests[0].mutable_spec()));
    return requests[0].spec();
  }
  if (!invocation.Has("prompt") && !invocation.Has("file")) {
    return UsageError("MISSING_ARGUMENT", "say which task: its id, or a prompt after '--', or -f FILE",
                      "yard route explain -- 'Explain the failing test'");
  }
  SY_ASSIGN_OR_RETURN(std::vector<tq::SubmitTaskRequest> requests, RequestsFrom(session, std::move(invocation)));
  if (requests.size() == 1) return std::move(*requests[0].mutable_spec());
  return UsageError("SEVERAL_TASKS", absl::StrCat("the file holds ", requests.size(), " tasks; explain looks at one"),
                    "yard route simulate FILE");
}

// One specification per line of JSON, per document of YAML, or per line of text. Empty lines are passed over.
absl::StatusOr<std::vector<tq::TaskSpec>> SpecsOf(Session& session, const std::string& name) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadInput(session, name));
  const std::string file = name == "-" ? "standard input" : name;
  const auto ends = [&](std::string_view end) {
    return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  std::vector<tq::TaskSpec> specs;
  const auto add = [&](std::vector<tq::SubmitTaskRequest> requests) {
    for (tq::SubmitTaskRequest& request : requests) specs.push_back(std::move(*request.mutable_spec()));
  };
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (ends(".yaml") || ends(".yml") || ends(".json") || text.compare(std::min(first, text.size()), 3, "---") == 0) {
    SY_ASSIGN_OR_RETURN(std::vector<tq::SubmitTaskRequest> requests, ParseTasks(text, file));
    add(std::move(requests));
  } else {
    const bool json = first != std::string::npos && text[first] == '{';
    std::size_t number = 0;
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = std::min(text.find('\n', from), text.size());
      std::string line = text.substr(from, end - from);
      from = end + 1;
      ++number;
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      if (line.empty()) continue;
      if (json) {
        SY_ASSIGN_OR_RETURN(std::vector<tq::SubmitTaskRequest> requests,
                            ParseTasks(line, absl::StrCat(file, " line ", number)));
        add(std::move(requests));
      } else {
        specs.emplace_back().mutable_prompt()->set_instruction(line);
      }
    }
  }
  if (specs.size() <= kMaxSimulated) return specs;
  return UsageError("TOO_MANY", absl::StrCat(file, " holds ", specs.size(), " tasks; at most ", kMaxSimulated));
}

// What is wrong with this one task and not with the router.
bool OfTheTask(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) || absl::IsFailedPrecondition(status);
}

std::string ErrorOf(const absl::Status& status) {
  std::string text(ToStd(status.message()));
  for (const FieldViolation& violation : DetailsOf(status).violations) {
    absl::StrAppend(&text, "; ", violation.field, ": ", violation.description);
  }
  return text;
}

absl::Status ListDecisionsOnce(Session& session) {
  const Invocation& invocation = session.invocation();
  constexpr long kMaxPage = 200;
  long limit = invocation.Number("limit").value_or(50);
  if (limit == 0) limit = 1'000'000'000;
  rt::ListDecisionsRequest request;
  request.set_page_token(invocation.Get("page-token"));
  request.set_task_id(invocation.Get("task"));
  request.set_project(invocation.Get("project"));
  request.set_model(invocation.Get("model"));
  request.set_fallbacks_only(invocation.Has("fallbacks"));
  request.set_mismatches_only(invocation.Has("mismatches"));
  rt::ListDecisionsResponse all;
  do {
    request.set_page_size(static_cast<int>(std::min(kMaxPage, limit - all.decisions_size())));
    SY_ASSIGN_OR_RETURN(rt::ListDecisionsResponse page, session.Call(&RouterStub::ListDecisions, request));
    all.mutable_decisions()->MergeFrom(page.decisions());
    all.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && all.decisions_size() < limit);
  Answer answer;
  answer.table = DecisionTable(all.decisions(), session.times());
  answer.whole = ToJson(all);
  if (!answer.whole.contains("decisions")) answer.whole["decisions"] = Json::array();
  for (const rt::Decision& decision : all.decisions()) {
    answer.items.push_back(ToJson(decision));
    answer.names.push_back(decision.decision_id());
  }
  session.Show(answer);
  RemarkMore(session, all.next_page_token());
  return absl::OkStatus();
}

}  // namespace

absl::Status RouteExplain(Session& session) {
  const Invocation& invocation = session.invocation();
  rt::ExplainRouteRequest request;
  AddOffers(session, request);
  if (!invocation.arguments.empty()) {
    const std::string& task = invocation.arguments[0];
    if (!Uuid::Parse(task).ok()) {
      return UsageError("NOT_A_TASK", absl::StrCat("'", task, "' is no task's id; a prompt stands after '--'"),
                        "yard route explain -- 'Explain the failing test'");
    }
    const bool described =
        std::any_of(invocation.command->flags.begin(), invocation.command->flags.end(),
                    [&](const Flag& flag) { return flag.name != "offers" && invocation.Has(flag.name); });
    if (described || invocation.rest.has_value()) {
      return UsageError("BAD_COMBINATION",
                        "a task's id stands alone: flags and prompts describe a task that is not there");
    }
    request.set_task_id(task);
  } else {
    SY_ASSIGN_OR_RETURN(*request.mutable_spec(), SpecOf(session));
  }
  SY_ASSIGN_OR_RETURN(const rt::ExplainRouteResponse explained, session.Call(&RouterStub::ExplainRoute, request));
  Answer answer;
  answer.whole = ToJson(explained.explanation());
  answer.card = ExplanationCard(explained.explanation(), session.times(), session.style());
  if (const rt::RoutedEndpoint* const chosen = Chosen(explained.explanation())) {
    answer.names = {absl::StrCat(chosen->endpoint(), "/", chosen->model())};
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status RouteSimulate(Session& session) {
  SY_ASSIGN_OR_RETURN(std::vector<tq::TaskSpec> specs, SpecsOf(session, session.invocation().arguments[0]));
  std::vector<Simulated> rows;
  Answer answer;
  answer.whole = {{"results", Json::array()}};
  int failed = 0;
  for (tq::TaskSpec& spec : specs) {
    rt::ExplainRouteRequest request;
    AddOffers(session, request);
    SY_RETURN_IF_ERROR(ApplySpecFlags(session.invocation(), "", session.Now(), spec));
    *request.mutable_spec() = std::move(spec);
    Simulated& row = rows.emplace_back();
    row.title = TitleOf(request.spec()).substr(0, kTitle);
    auto explained = session.Call(&RouterStub::ExplainRoute, request);
    Json item = {{"number", rows.size()}, {"title", row.title}};
    if (explained.ok()) {
      row.explanation = std::move(*explained->mutable_explanation());
      item["explanation"] = ToJson(row.explanation);
    } else if (OfTheTask(explained.status())) {
      row.error = ErrorOf(explained.status());
      item["error"] = row.error;
      ++failed;
    } else {
      return explained.status();
    }
    const rt::RoutedEndpoint* const chosen = Chosen(row.explanation);
    answer.names.push_back(chosen == nullptr ? "-" : absl::StrCat(chosen->endpoint(), "/", chosen->model()));
    answer.whole["results"].push_back(item);
    answer.items.push_back(std::move(item));
  }
  answer.table = SimulationTable(rows);
  answer.whole["summary"] = SimulationSummary(rows);
  session.Show(answer);
  if (!rows.empty()) session.Remark(SimulationSummary(rows));
  if (failed == 0) return absl::OkStatus();
  return UsageError("BAD_TASKS", absl::StrCat(failed, " of ", rows.size(), " could not be routed"));
}

absl::Status RouteList(Session& session) { return ListAgainAndAgain(session, ListDecisionsOnce); }

}  // namespace switchyard::yard

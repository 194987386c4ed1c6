#include "tools/yard/bulk.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "tools/yard/errors.h"
#include "tools/yard/spec_flags.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr std::size_t kMaxIds = 1'000;

std::string Count(int tasks) { return tasks == 1 ? "1 task" : absl::StrCat(tasks, " tasks"); }

absl::Status Confirm(Session& session, std::string_view verb, int matched) {
  if (session.invocation().Has("yes")) return absl::OkStatus();
  Host& host = session.host();
  if (!host.in_is_terminal || !host.err_is_terminal) {
    return UsageError("CONFIRMATION_REQUIRED",
                      absl::StrCat("would ", ToAbsl(verb), " ", Count(matched), "; there is no terminal to ask on"),
                      "add --yes");
  }
  host.err << verb << ' ' << Count(matched) << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(host.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return LocalError(absl::StatusCode::kCancelled, "NOT_CONFIRMED", "nothing was changed");
}

absl::Status ShowOutcome(Session& session, const BulkVerb& verb, const BulkOutcome& outcome, bool dry_run) {
  Answer answer;
  answer.table.columns = {{"ID"}, {"RESULT"}};
  answer.table.empty_note = dry_run ? "" : "No task matches.";
  answer.whole = {{"matched", outcome.matched}, {"dry_run", dry_run}, {"results", Json::array()}};
  absl::Status failure;
  int done = 0;
  for (const tq::BulkResult& result : outcome.results) {
    const bool refused = result.has_error();
    answer.table.rows.push_back(
        {{result.task_id()},
         {refused ? absl::StrCat(result.error().reason(), ": ", result.error().message()) : std::string(verb.done),
          refused ? Tone::kBad : Tone::kGood}});
    answer.whole["results"].push_back(ToJson(result));
    answer.items.push_back(ToJson(result));
    if (!refused) {
      ++done;
      answer.names.push_back(result.task_id());
    } else if (failure.ok()) {
      failure = LocalError(static_cast<absl::StatusCode>(result.error().code()), result.error().reason(),
                           absl::StrCat(result.task_id(), ": ", result.error().message()));
    }
  }
  if (dry_run) answer.card = absl::StrCat("would ", ToAbsl(verb.verb), " ", Count(outcome.matched), "\n");
  session.Show(answer);
  const int refused = outcome.results.size() - done;
  if (!dry_run && outcome.results.size() > 1) {
    session.Remark(
        absl::StrCat(Count(done), " ", ToAbsl(verb.done), refused > 0 ? absl::StrCat(", ", refused, " refused") : ""));
  }
  return failure;
}

absl::Status ByIds(Session& session, const BulkVerb& verb, bool dry_run) {
  const std::vector<std::string>& ids = session.invocation().arguments;
  BulkOutcome all;
  for (std::size_t from = 0; from < ids.size(); from += kMaxIds) {
    tq::TaskSelection selection;
    for (std::size_t i = from; i < std::min(ids.size(), from + kMaxIds); ++i) selection.add_task_ids(ids[i]);
    SY_ASSIGN_OR_RETURN(const BulkOutcome part, verb.call(selection, dry_run));
    all.matched += part.matched;
    all.results.MergeFrom(part.results);
  }
  return ShowOutcome(session, verb, all, dry_run);
}

absl::Status ByFilter(Session& session, const BulkVerb& verb, bool dry_run) {
  tq::TaskSelection selection;
  *selection.mutable_filter() = FilterFromFlags(session.invocation(), session.Now());
  if (selection.filter().states().empty()) {
    selection.mutable_filter()->mutable_states()->Add(verb.states.begin(), verb.states.end());
  }
  SY_ASSIGN_OR_RETURN(const BulkOutcome counted, verb.call(selection, true));
  if (dry_run || counted.matched == 0) return ShowOutcome(session, verb, counted, dry_run);
  SY_RETURN_IF_ERROR(Confirm(session, verb.verb, counted.matched));
  selection.set_expected_count(counted.matched);
  SY_ASSIGN_OR_RETURN(const BulkOutcome outcome, verb.call(selection, false));
  return ShowOutcome(session, verb, outcome, false);
}

}  // namespace

absl::Status RunBulk(Session& session, const BulkVerb& verb) {
  const Invocation& invocation = session.invocation();
  const bool filter = HasFilter(invocation);
  const bool dry_run = invocation.Has("dry-run");
  if (filter && !invocation.arguments.empty()) {
    return UsageError("IDS_AND_FILTER", "give ids or a filter, not both");
  }
  if (!filter && invocation.arguments.empty()) {
    return UsageError("MISSING_ARGUMENT", absl::StrCat("say which tasks to ", ToAbsl(verb.verb), ": ids or a filter"),
                      absl::StrCat("yard ", ToAbsl(invocation.command->path), " --help"));
  }
  return filter ? ByFilter(session, verb, dry_run) : ByIds(session, verb, dry_run);
}

}  // namespace switchyard::yard

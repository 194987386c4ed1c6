#include "tools/yard/tree_routes.h"

#include <algorithm>
#include <initializer_list>

#include "tools/yard/tree_flags.h"
#include "tools/yard/tree_work.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;

const Flag kOffers = {.name = "offers",
                      .placeholder = "NAME",
                      .help =
                          "Decide as if agents offered just this, such as credential:env:NAME; default: what the "
                          "connected ones do.",
                      .repeated = true};
std::vector<Flag> SpecFlagsWithout(std::initializer_list<std::string_view> names) {
  std::vector<Flag> flags = TaskSpecFlags();
  std::erase_if(flags, [&](const Flag& flag) { return std::count(names.begin(), names.end(), flag.name) > 0; });
  return flags;
}

std::vector<Flag> ExplainFlags() {
  std::vector<Flag> flags = SpecFlagsWithout({"idempotency-key"});
  flags.insert(flags.begin(),
               {.name = "prompt", .placeholder = "TEXT|@FILE|-", .help = "The same as after --; @FILE reads a file."});
  flags.push_back(kOffers);
  return flags;
}

std::vector<Flag> SimulateFlags() {
  std::vector<Flag> flags = SpecFlagsWithout({"file", "idempotency-key", "system", "workdir", "env"});
  flags.push_back(kOffers);
  return flags;
}

}  // namespace

std::vector<Command> RouteCommands() {
  return {
      {.path = "route explain",
       .summary = "Say which model a task gets or would get, and why: tier, candidates, scores, rejections.",
       .details = "Of an existing task, or of one that is described by the flags of yard run and not submitted. "
                  "Nothing is stored, reserved or spent.",
       .arguments = {{.name = "TASK", .kind = Kind::kTaskId, .help = "Id of a task.", .required = false}},
       .flags = ExplainFlags(),
       .examples = {"yard route explain ID", "yard route explain -- Explain the failing test",
                    "yard route explain --role coder --local-only -o wide -- 'Fix the race in the pool'",
                    "yard route explain -f task.yaml -o json"},
       .rest = "PROMPT"},
      {.path = "route simulate",
       .summary = "Say where each of many tasks would go, and what they would cost together.",
       .details = "FILE holds one prompt a line, or one specification in JSON a line, or documents of YAML; - is "
                  "standard input. Flags hold for each of them. Nothing is stored, reserved or spent; each is decided "
                  "as if it were the only one. Exit code 2 when a line could not be read.",
       .arguments = {{.name = "FILE", .kind = Kind::kFile, .help = "Prompts or specifications."}},
       .flags = SimulateFlags(),
       .examples = {"yard route simulate prompts.txt", "yard route simulate specs.jsonl --local-only -o wide",
                    "yard route simulate - -o jsonl < prompts.txt"}},
      {.path = "route list",
       .summary = "List decisions, newest first: model, endpoint, cost, fallbacks and mismatches.",
       .flags = {{.name = "task", .kind = Kind::kTaskId, .placeholder = "ID", .help = "Of this task."},
                 {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project."},
                 {.name = "model", .placeholder = "NAME", .help = "For this model, as its endpoint calls it."},
                 {.name = "fallbacks", .kind = Kind::kNone, .help = "Only where the first choice was not used."},
                 {.name = "mismatches", .kind = Kind::kNone, .help = "Only where another model answered."},
                 {.name = "limit",
                  .letter = 'n',
                  .kind = Kind::kNumber,
                  .placeholder = "N",
                  .help = "At most this many in all (default 50; 0 for all)."},
                 {.name = "page-token", .placeholder = "TOKEN", .help = "Continue after a former listing."},
                 kWatch},
       .examples = {"yard route list", "yard route list --task ID -o wide", "yard route list --fallbacks -p web",
                    "yard route list --mismatches -o json"}},
      {.path = "budget set",
       .summary = "Add or change a cap on what may be spent; what is not named stays.",
       .details =
           "A call counts against every budget that fits it: of its project, of its provider, of its model, or of all. "
           "Before each call its upper estimate is held, so that calls at the same time never overspend. Work that a "
           "spent budget stands against waits for the next period (hold), goes to local endpoints (local-only), or "
           "waits until a person changes something (refuse). Where a budget applies, a model without a known price is "
           "not used.",
       .arguments = {{.name = "NAME", .help = "Name of the budget."}},
       .flags =
           {{.name = "limit",
             .placeholder = "DOLLARS",
             .help = "Most that may be spent in a period, such as 5.00; 0: nothing. Needed for a new one."},
            {.name = "per",
             .kind = Kind::kChoice,
             .placeholder = "PERIOD",
             .help = "Its period, in UTC. Needed for a new one.",
             .choices = {"hour", "day", "week", "month"}},
            {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Only work of this project."},
            {.name = "provider", .placeholder = "NAME", .help = "Only calls to this provider."},
            {.name = "model", .placeholder = "NAME", .help = "Only this model, as the table calls it."},
            {.name = "policy",
             .kind = Kind::kChoice,
             .placeholder = "POLICY",
             .help = "What becomes of work when it is spent; default hold.",
             .choices = {"hold", "local-only", "refuse"}},
            {.name = "warn", .kind = Kind::kNumber, .placeholder = "PERCENT", .help = "Warn from here; default 80."}},
       .examples = {"yard budget set all --limit 20 --per day",
                    "yard budget set web-cloud --limit 5.00 --per month --project web --policy local-only",
                    "yard budget set all --limit 30"}},
      {.path = "budget list",
       .summary = "List budgets with what is spent and held in the present period.",
       .flags = {kWatch},
       .examples = {"yard budget list", "yard budget list -o json"}},
      {.path = "budget remove",
       .summary = "Remove budgets; what they capped is free to be spent.",
       .arguments = {{.name = "NAME", .help = "Names of budgets.", .repeated = true}},
       .examples = {"yard budget remove all"}},
  };
}

}  // namespace switchyard::yard

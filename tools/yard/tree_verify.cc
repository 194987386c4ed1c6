#include "tools/yard/tree_verify.h"

#include "tools/yard/tree_flags.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;

const Flag kGeneration = {.name = "generation",
                          .kind = Kind::kNumber,
                          .placeholder = "N",
                          .help = "Of this assignment; default: the newest."};
const Argument kTask = {.name = "TASK", .kind = Kind::kTaskId, .help = "Id of the task."};

std::vector<Flag> PolicyFlags() {
  return {
      {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project; default: of every one."},
      {.name = "tier",
       .kind = Kind::kChoice,
       .placeholder = "TIER",
       .help = "Of work by models of this tier; default: of every one.",
       .choices = {"small", "medium", "large"}},
      {.name = "require",
       .placeholder = "CHECK",
       .help = "A check that must be among the steps and pass, such as no_secrets; replaces those before.",
       .repeated = true},
      {.name = "judge",
       .kind = Kind::kChoice,
       .placeholder = "WHEN",
       .help = "When another model judges.",
       .choices = {"never", "complex", "always"}},
      {.name = "judge-required",
       .kind = Kind::kChoice,
       .placeholder = "YES|NO",
       .help = "Whether a missing or unclear judgement holds the work back.",
       .choices = {"yes", "no"}},
      {.name = "least-confidence",
       .kind = Kind::kNumber,
       .placeholder = "PERCENT",
       .help = "A judgement that is less sure counts for none."},
      {.name = "least-severity",
       .kind = Kind::kChoice,
       .placeholder = "SEVERITY",
       .help = "Issues below it hold nothing back.",
       .choices = {"low", "medium", "high"}},
      {.name = "judge-timeout", .kind = Kind::kDuration, .placeholder = "TIME", .help = "How long a judge may take."},
      {.name = "partial",
       .kind = Kind::kChoice,
       .placeholder = "YES|NO",
       .help = "Whether work that passed in part may end as partial.",
       .choices = {"yes", "no"}},
      {.name = "merge",
       .kind = Kind::kChoice,
       .placeholder = "YES|NO",
       .help = "Whether rules alone may merge anything at all.",
       .choices = {"yes", "no"}},
      {.name = "merge-files", .kind = Kind::kNumber, .placeholder = "N", .help = "Most files of what they merge."},
      {.name = "merge-lines", .kind = Kind::kNumber, .placeholder = "N", .help = "Most lines of it."},
      {.name = "merge-path", .placeholder = "GLOB", .help = "Paths that it may touch.", .repeated = true},
      {.name = "merge-never", .placeholder = "GLOB", .help = "Paths that it may not touch.", .repeated = true},
      {.name = "merge-behind",
       .kind = Kind::kNumber,
       .placeholder = "N",
       .help = "Commits that the base branch may be ahead by."},
  };
}

}  // namespace

std::vector<Command> VerifyCommands() {
  return {
      {.path = "verify list",
       .summary = "List verifications, newest first: verdict, reason, judge, what became of the work.",
       .flags = {{.name = "task", .kind = Kind::kTaskId, .placeholder = "ID", .help = "Of this task."},
                 {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project."},
                 {.name = "state",
                  .kind = Kind::kChoice,
                  .placeholder = "STATE",
                  .help = "In this state.",
                  .choices = {"judging", "decided", "concluded", "superseded"}},
                 {.name = "verdict",
                  .kind = Kind::kChoice,
                  .placeholder = "VERDICT",
                  .help = "With this verdict.",
                  .choices = {"succeeded", "partial", "failed"}},
                 {.name = "model", .placeholder = "NAME", .help = "Of work by this model, as reported."},
                 {.name = "limit",
                  .letter = 'n',
                  .kind = Kind::kNumber,
                  .placeholder = "N",
                  .help = "At most this many in all (default 50; 0 for all)."},
                 {.name = "page-token", .placeholder = "TOKEN", .help = "Continue after a former listing."},
                 kWatch},
       .examples = {"yard verify list", "yard verify list --verdict failed -p web -o wide",
                    "yard verify list --task ID -o json"}},
      {.path = "verify show",
       .summary =
           "Show one verification: verdict and findings, each step with its evidence, iterations, judge, change.",
       .arguments = {kTask},
       .flags = {kGeneration,
                 {.name = "evidence", .kind = Kind::kNone, .help = "All evidence, not only its first line."}},
       .examples = {"yard verify show ID", "yard verify show ID --evidence", "yard verify show ID -o json"}},
      {.path = "verify run",
       .summary = "Say what the rules of today make of a stored report.",
       .details = "Changes nothing, neither the task nor the record. Exit code 10 when the verdict would be failed.",
       .arguments = {kTask},
       .flags = {kGeneration},
       .examples = {"yard verify run ID"}},
      {.path = "verify calibration",
       .summary = "Say how well verdicts and judges agreed with what became of the work.",
       .flags = {{.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project."},
                 {.name = "within",
                  .kind = Kind::kDuration,
                  .placeholder = "TIME",
                  .help = "Decided within this time (default 90d)."}},
       .examples = {"yard verify calibration", "yard verify calibration -p web --within 30d -o json"}},
      {.path = "verify mark",
       .summary = "Record what became of a task's work; good and bad are a person's word.",
       .arguments = {kTask,
                     {.name = "OUTCOME",
                      .kind = Kind::kChoice,
                      .help = "What became of it.",
                      .choices = {"good", "bad", "merged", "rejected", "reverted"}}},
       .flags = {{.name = "note", .placeholder = "TEXT", .help = "Why, for other people."}},
       .examples = {"yard verify mark ID good", "yard verify mark ID reverted --note 'broke the build'"}},
      {.path = "verify policy",
       .summary = "List, set or remove what a project's work must pass; of several that fit, the more exact one holds.",
       .details =
           "set changes what is named and leaves the rest; a new policy begins as the built-in one. set and remove "
           "mean the policy of exactly this --project and --tier.",
       .arguments =
           {{.name = "ACTION", .kind = Kind::kChoice, .help = "What to do.", .choices = {"list", "set", "remove"}}},
       .flags = PolicyFlags(),
       .examples = {"yard verify policy list", "yard verify policy set -p web --require no_secrets --judge complex",
                    "yard verify policy set --judge never", "yard verify policy remove -p web --tier small"}},
  };
}

}  // namespace switchyard::yard

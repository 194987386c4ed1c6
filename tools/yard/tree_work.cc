#include "tools/yard/tree_work.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;
using Flags = std::vector<Flag>;

const std::vector<std::string_view> kLanes = {"urgent", "high", "normal", "low"};

}  // namespace

Flags TaskSpecFlags() {
  return {
      {.name = "file",
       .letter = 'f',
       .kind = Kind::kFile,
       .placeholder = "FILE",
       .help = "A task specification in YAML or JSON (- for standard input); several documents make a batch. Flags "
               "override the file."},
      {.name = "title", .placeholder = "TEXT", .help = "One line for lists."},
      {.name = "description", .placeholder = "TEXT", .help = "More about the task."},
      {.name = "lane", .kind = Kind::kChoice, .placeholder = "LANE", .help = "Lane.", .choices = kLanes},
      {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Project."},
      {.name = "type", .placeholder = "TYPE", .help = "What kind of work this is, such as docs or refactor."},
      {.name = "role", .placeholder = "ROLE", .help = "The role whose profile chooses the model."},
      {.name = "complexity",
       .kind = Kind::kChoice,
       .placeholder = "LEVEL",
       .help = "How hard the work is.",
       .choices = {"trivial", "standard", "complex"}},
      {.name = "capability", .placeholder = "NAME", .help = "What an agent must offer.", .repeated = true},
      {.name = "model", .placeholder = "NAME", .help = "On this model only; else it waits."},
      {.name = "endpoint", .placeholder = "NAME", .help = "At this endpoint only; else it waits."},
      {.name = "allow-fallback",
       .kind = Kind::kNone,
       .help = "Rather another one than none, where --model or --endpoint is not to be had."},
      {.name = "local-only", .kind = Kind::kNone, .help = "Never leave local endpoints."},
      {.name = "routine", .kind = Kind::kNone, .help = "Recurring upkeep; stays on local models."},
      {.name = "free-fallback",
       .kind = Kind::kNone,
       .help = "While routing is away, rather run on the last known local endpoints that cost nothing than wait."},
      {.name = "max-cost", .placeholder = "DOLLARS", .help = "Most that the task may cost."},
      {.name = "max-tokens", .kind = Kind::kNumber, .placeholder = "N", .help = "Most tokens that it may use."},
      {.name = "max-iterations",
       .kind = Kind::kNumber,
       .placeholder = "N",
       .help = "How often a model may try within one attempt until the checks pass, the first time included."},
      {.name = "exclude-family",
       .placeholder = "NAME",
       .help = "No model of this family, such as qwen.",
       .repeated = true},
      {.name = "edit-format",
       .kind = Kind::kChoice,
       .placeholder = "FORMAT",
       .help = "How the model writes changes; with a prompt. Default: what suits model and files.",
       .choices = {"none", "search-replace", "whole-file"}},
      {.name = "system", .placeholder = "TEXT", .help = "Added to the persona of the role; with a prompt."},
      {.name = "workdir", .placeholder = "PATH", .help = "Directory within the workspace; with a command."},
      {.name = "env",
       .kind = Kind::kPair,
       .placeholder = "NAME=VALUE",
       .help = "Environment of the command. Not for secrets.",
       .repeated = true},
      {.name = "repo", .placeholder = "URL", .help = "Repository to work in."},
      {.name = "branch", .placeholder = "NAME", .help = "Branch to work on."},
      {.name = "base-branch", .placeholder = "NAME", .help = "Branch that the work starts from."},
      {.name = "base", .placeholder = "NAME", .help = "The same as --base-branch."},
      {.name = "push", .kind = Kind::kNone, .help = "Push the branch of the task to the repository; with --repo."},
      {.name = "pull-request", .kind = Kind::kNone, .help = "Open a pull request; pushes too."},
      {.name = "draft", .kind = Kind::kNone, .help = "Open it as a draft."},
      {.name = "auto-merge", .kind = Kind::kNone, .help = "Open it and merge it where the project's policy permits."},
      {.name = "criterion",
       .placeholder = "TEXT",
       .help = "A sentence that says when the work is good.",
       .repeated = true},
      {.name = "check",
       .placeholder = "CHECK",
       .help = "What must hold in the end, such as 'test_passes: make test', 'file_exists: README.md' or git_clean; "
               "'optional CHECK' need not.",
       .repeated = true},
      {.name = "verify", .placeholder = "CHECK", .help = "The same as --check.", .repeated = true},
      {.name = "depends-on", .placeholder = "ID", .help = "Not before this task has succeeded.", .repeated = true},
      {.name = "dependency-rule",
       .kind = Kind::kChoice,
       .placeholder = "RULE",
       .help = "Whether all of them must succeed (the default) or any one.",
       .choices = {"all", "any"}},
      {.name = "on-dependency-failure",
       .kind = Kind::kChoice,
       .placeholder = "WHAT",
       .help = "When they cannot be met any more: fail (the default), cancel, or run all the same.",
       .choices = {"fail", "cancel", "run"}},
      {.name = "continues",
       .placeholder = "ID",
       .help = "Go on where this task left off, once it has ended; on the same agent where possible."},
      {.name = "run-limit", .kind = Kind::kDuration, .placeholder = "TIME", .help = "Longest run of one attempt."},
      {.name = "complete-within",
       .kind = Kind::kDuration,
       .placeholder = "TIME",
       .help = "The task expires so long from now, all attempts included."},
      {.name = "start-in", .kind = Kind::kDuration, .placeholder = "TIME", .help = "Not before so long from now."},
      {.name = "max-attempts", .kind = Kind::kNumber, .placeholder = "N", .help = "Attempts, the first one included."},
      {.name = "on-lost",
       .kind = Kind::kChoice,
       .placeholder = "WHAT",
       .help = "When the agent is lost.",
       .choices = {"retry", "dead-letter"}},
      {.name = "effects",
       .kind = Kind::kChoice,
       .placeholder = "REACH",
       .help = "How far the work reaches.",
       .choices = {"workspace", "network", "host"}},
      {.name = "metadata",
       .letter = 'm',
       .kind = Kind::kPair,
       .placeholder = "KEY=VALUE",
       .help = "For your own use, shown with the task.",
       .repeated = true},
      {.name = "idempotency-key",
       .placeholder = "KEY",
       .help = "Request id; the same key with the same content is stored once. Default: a new one, so that retries of "
               "this very call are safe."},
  };
}

namespace {

Flags SubmitFlags() {
  Flags flags = {
      {.name = "prompt",
       .placeholder = "TEXT|@FILE|-",
       .help = "Have a model work on this instruction; @FILE reads a file, - reads standard input."},
  };
  const Flags spec = TaskSpecFlags();
  flags.insert(flags.end(), spec.begin(), spec.end());
  flags.insert(flags.end(),
               {{.name = "wait",
                 .kind = Kind::kChoice,
                 .placeholder = "STATE",
                 .help = "Block until the task is there: final (the default), accepted or verifying.",
                 .choices = {"final", "accepted", "verifying"},
                 .bare_value = "final"},
                {.name = "follow", .kind = Kind::kNone, .help = "Stream events until the end; survives drops."},
                {.name = "dry-run", .kind = Kind::kNone, .help = "Say what would be done; change nothing."}});
  return flags;
}

Flags RunFlags() {
  Flags flags = TaskSpecFlags();
  flags.insert(flags.end(),
               {{.name = "detach", .letter = 'd', .kind = Kind::kNone, .help = "Print the id and leave at once."},
                {.name = "cancel-on-interrupt",
                 .kind = Kind::kNone,
                 .help = "Ctrl-C cancels the task; by default it goes on without us."},
                {.name = "dry-run", .kind = Kind::kNone, .help = "Say what would be done; change nothing."}});
  return flags;
}

}  // namespace

std::vector<Command> WorkCommands() {
  return {
      {.path = "run",
       .summary = "Submit a command or a prompt and follow it to its end.",
       .details =
           "What the task prints on its standard output and standard error comes out on those of yard, while it is "
           "printed; what happens to it is told on standard error. With -o json or yaml the final task is printed "
           "instead, with jsonl every event and every piece of output as well. Exit code 10 when the task failed, "
           "whatever the exit status of its program. While it waits, yard says what for. Ctrl-C leaves the task alone "
           "and says how to go on watching; a second one ends yard without a word.",
       .arguments = {{.name = "PROMPT",
                      .help = "An instruction for a model; @FILE reads a file, - reads standard input.",
                      .required = false}},
       .flags = RunFlags(),
       .examples = {"yard run -- make test",
                    "yard run 'Fix the failing test' --repo app --check 'test_passes: make test' --pull-request",
                    "yard run --lane high --run-limit 10m -- ./build.sh", "id=$(yard run -d -o name -- make)"},
       .rest = "PROGRAM [ARGS...]"},
      {.path = "ps",
       .summary = "Show what runs now: where, for how long, which attempt.",
       .flags =
           {{.name = "all",
             .letter = 'a',
             .kind = Kind::kNone,
             .help = "Also what waits and what is over, newest first."},
            {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project.", .repeated = true},
            {.name = "lane",
             .kind = Kind::kChoice,
             .placeholder = "LANE",
             .help = "In this lane.",
             .choices = kLanes,
             .repeated = true},
            {.name = "agent", .placeholder = "ID", .help = "On this agent."},
            {.name = "limit",
             .letter = 'n',
             .kind = Kind::kNumber,
             .placeholder = "N",
             .help = "At most this many in all (default 50; 0 for all)."},
            {.name = "watch",
             .letter = 'w',
             .kind = Kind::kNone,
             .help = "List again every two seconds until interrupted."}},
       .examples = {"yard ps", "yard ps -w", "yard ps --all -p web -o wide"}},
      {.path = "task submit",
       .summary = "Submit a task: a command, a prompt, or a file.",
       .details = "Prints the id once the task is stored durably. Submitting is safe to retry.",
       .flags = SubmitFlags(),
       .examples = {"yard task submit -- make test",
                    "yard task submit --prompt @task.md --repo git@host:app.git --wait",
                    "yard task submit -f tasks.yaml -o name",
                    "yard task submit --check 'command_succeeds: make test' --follow -- ./fix.sh",
                    "yard task submit --depends-on 01911b3e-7c1a-7cc4-a4f3-0242ac120002 -- ./deploy.sh"},
       .rest = "PROGRAM [ARGS...]"},
  };
}

}  // namespace switchyard::yard

#include "tools/yard/tree_agents.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;

const std::vector<std::string_view> kAgentStates = {"offline",  "connecting",   "idle",       "assigned",
                                                    "working",  "verifying",    "blocked",    "draining",
                                                    "degraded", "unresponsive", "quarantined"};

const Flag kReasonOfChange = {
    .name = "reason", .placeholder = "TEXT", .help = "Why, for the record and for other people."};
const Argument kAgents = {.name = "AGENT", .help = "Names or ids of agents.", .repeated = true};
const Argument kAgent = {.name = "AGENT", .help = "Name or id of an agent."};
const Flag kWriteTo = {.name = "write-to",
                       .kind = Kind::kFile,
                       .placeholder = "FILE",
                       .help = "Write it to this new file, mode 0600, instead of printing it."};

}  // namespace

std::vector<Command> AgentCommands() {
  return {
      {.path = "task answer",
       .summary = "Answer what a blocked task asks.",
       .details = "The agent is told, and the work goes on. A secret is better given by - than on the command line.",
       .arguments = {{.name = "TASK", .kind = Kind::kTaskId, .help = "Id of a task."},
                     {.name = "TEXT", .help = "The answer; @FILE reads a file, - reads standard input."}},
       .examples = {"yard task answer ID 'use the staging database'", "yard task answer ID - < secret.txt"}},
      {.path = "logs",
       .summary = "Print what a task printed.",
       .details = "Standard output and standard error of the task, attempt after attempt, as they came. Of long output "
                  "head and tail "
                  "are kept. Control characters are escaped on a terminal only.",
       .arguments = {{.name = "TASK", .kind = Kind::kTaskId, .help = "Id of a task."}},
       .flags = {{.name = "follow",
                  .letter = 'f',
                  .kind = Kind::kNone,
                  .help = "Go on until the task is final; survives drops."},
                 {.name = "attempt",
                  .kind = Kind::kNumber,
                  .placeholder = "GENERATION",
                  .help = "Only this attempt, as task show lists them."},
                 {.name = "stream",
                  .kind = Kind::kChoice,
                  .placeholder = "STREAM",
                  .help = "Only this stream.",
                  .choices = {"stdout", "stderr", "executor"},
                  .repeated = true},
                 {.name = "tail",
                  .kind = Kind::kNumber,
                  .placeholder = "BYTES",
                  .help = "Begin about so many bytes before the end of the last attempt; at most 1048576."}},
       .examples = {"yard logs ID", "yard logs -f ID", "yard logs ID --stream stderr --tail 4096"}},
      {.path = "agent list",
       .summary = "List the agents: state, load, version.",
       .details = "A version marked old lacks features of the hub; work that needs those does not go there.",
       .flags = {{.name = "state",
                  .kind = Kind::kChoice,
                  .placeholder = "STATE",
                  .help = "In this state.",
                  .choices = kAgentStates,
                  .repeated = true},
                 {.name = "capability", .placeholder = "NAME", .help = "Offering this.", .repeated = true},
                 {.name = "watch",
                  .letter = 'w',
                  .kind = Kind::kNone,
                  .help = "List again every two seconds until interrupted."}},
       .examples = {"yard agent list", "yard agent list --state degraded -o wide"}},
      {.path = "agent show",
       .summary = "Show one agent: state, causes, health, resources and its last transitions.",
       .arguments = {kAgent},
       .examples = {"yard agent show build-1", "yard agent show build-1 -o json"}},
      {.path = "agent drain",
       .summary = "Give agents no new work; what runs is finished.",
       .arguments = {kAgents},
       .flags = {kReasonOfChange},
       .examples = {"yard agent drain build-1 --reason 'kernel upgrade'"}},
      {.path = "agent resume",
       .summary = "End drain and quarantine.",
       .arguments = {kAgents},
       .examples = {"yard agent resume build-1"}},
      {.path = "agent quarantine",
       .summary = "Set agents apart: no new work, and what runs goes elsewhere at once.",
       .arguments = {kAgents},
       .flags = {kReasonOfChange},
       .examples = {"yard agent quarantine build-1 --reason 'odd results'"}},
      {.path = "agent remove",
       .summary = "Remove agents for good: token, stream and record.",
       .details = "An agent that holds tasks is refused (exit code 5) unless --force is given; then they go elsewhere.",
       .arguments = {kAgents},
       .flags = {kReasonOfChange, {.name = "force", .kind = Kind::kNone, .help = "Also when it holds tasks."}},
       .examples = {"yard agent remove build-1"}},
      {.path = "agent reset-breaker",
       .summary = "Forget an agent's failures and penalties: it may get work again.",
       .arguments = {kAgents},
       .examples = {"yard agent reset-breaker build-1"}},
      {.path = "agent enroll",
       .summary = "Let a machine join; prints the one line to run there.",
       .details =
           "The line holds the address of the hub, a one-time token and the certificate authority; -o name prints "
           "that string alone. The agent "
           "gets work once its "
           "probe task was received, run and completed there; --wait waits for that.",
       .arguments = {{.name = "NAME", .help = "Name of the new agent."}},
       .flags = {{.name = "expires-in",
                  .kind = Kind::kDuration,
                  .placeholder = "TIME",
                  .help = "How long the line is good (default 1h, at most 7d)."},
                 {.name = "token-lifetime",
                  .kind = Kind::kDuration,
                  .placeholder = "TIME",
                  .help = "How long the agent's own token will be good."},
                 {.name = "label",
                  .kind = Kind::kPair,
                  .placeholder = "KEY=VALUE",
                  .help = "Label of the agent.",
                  .repeated = true},
                 {.name = "agent-address",
                  .placeholder = "HOST:PORT",
                  .help = "Where that machine reaches the hub; default as the hub is configured.",
                  .repeated = true},
                 {.name = "wait",
                  .kind = Kind::kNone,
                  .help = "Wait until the machine has joined and its probe passed."}},
       .examples = {"yard agent enroll build-1", "yard agent enroll build-2 --label rack=a1 --wait --timeout 10m"}},
      {.path = "agent rotate",
       .summary = "Replace an agent's token; the new one is shown once.",
       .arguments = {kAgent},
       .flags = {{.name = "grace",
                  .kind = Kind::kDuration,
                  .placeholder = "TIME",
                  .help = "How long the old one still works (default 1h, at most 7d)."},
                 kWriteTo},
       .examples = {"yard agent rotate build-1 --write-to build-1.token"}},
      {.path = "agent revoke",
       .summary = "End the tokens of agents; their streams end within 30 seconds.",
       .details = "A revoked agent stays listed and comes back by a new enrolment under its name.",
       .arguments = {kAgents},
       .flags = {kReasonOfChange},
       .examples = {"yard agent revoke build-1 --reason 'machine lost'"}},
  };
}

}  // namespace switchyard::yard

#include "tools/yard/tree.h"

#include "tools/yard/tree_agents.h"
#include "tools/yard/tree_flags.h"
#include "tools/yard/tree_models.h"
#include "tools/yard/tree_routes.h"
#include "tools/yard/tree_verify.h"
#include "tools/yard/tree_work.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;
using Flags = std::vector<Flag>;

Flags Join(std::initializer_list<Flags> parts) {
  Flags all;
  for (const Flags& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

const std::vector<std::string_view> kLanes = {"urgent", "high", "normal", "low"};
const std::vector<std::string_view> kStates = {"queued",  "assigned",    "running",   "verifying", "succeeded",
                                               "partial", "dead-letter", "cancelled", "expired",   "discarded"};
const std::vector<std::string_view> kHolds = {"none",   "delayed",  "backoff",  "dependency",
                                              "paused", "approval", "no-route", "no-agent"};
const std::vector<std::string_view> kScopes = {"admin", "submit", "read", "service", "agent"};

const Flag kReason = {.name = "reason", .placeholder = "TEXT", .help = "Why, for the timeline and for other people."};
const Flag kDryRun = {.name = "dry-run", .kind = Kind::kNone, .help = "Say what would be done; change nothing."};
const Flag kYes = {.name = "yes", .letter = 'y', .kind = Kind::kNone, .help = "Do not ask for confirmation."};
const Flag kFollow = {.name = "follow", .kind = Kind::kNone, .help = "Stream events until the end; survives drops."};
Flags FilterWithoutState() {
  return {
      {.name = "lane",
       .kind = Kind::kChoice,
       .placeholder = "LANE",
       .help = "In this lane.",
       .choices = kLanes,
       .repeated = true},
      {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "Of this project.", .repeated = true},
      {.name = "type", .placeholder = "TYPE", .help = "Of this type of work.", .repeated = true},
      {.name = "older-than", .kind = Kind::kDuration, .placeholder = "AGE", .help = "Submitted longer ago than this."},
      {.name = "newer-than", .kind = Kind::kDuration, .placeholder = "AGE", .help = "Submitted within this time."},
      {.name = "title", .placeholder = "TEXT", .help = "Title contains this, upper or lower case."},
      {.name = "agent", .placeholder = "ID", .help = "On this agent."},
      {.name = "principal", .placeholder = "NAME", .help = "Submitted by this principal."},
  };
}

Flags Filter() {
  return Join({{{.name = "state",
                 .kind = Kind::kChoice,
                 .placeholder = "STATE",
                 .help = "In this state.",
                 .choices = kStates,
                 .repeated = true},
                {.name = "hold",
                 .kind = Kind::kChoice,
                 .placeholder = "REASON",
                 .help = "Queued and held for this.",
                 .choices = kHolds,
                 .repeated = true}},
               FilterWithoutState()});
}

Flags Paging() {
  return {{.name = "limit",
           .letter = 'n',
           .kind = Kind::kNumber,
           .placeholder = "N",
           .help = "At most this many in all (default 50; 0 for all)."},
          {.name = "page-token", .placeholder = "TOKEN", .help = "Continue after a former listing."}};
}

Flags QueueTarget() {
  return {{.name = "lane", .kind = Kind::kChoice, .placeholder = "LANE", .help = "A lane.", .choices = kLanes},
          {.name = "project", .letter = 'p', .placeholder = "NAME", .help = "A project."},
          {.name = "task", .kind = Kind::kTaskId, .placeholder = "ID", .help = "One task."}};
}

const Argument kTask = {.name = "TASK", .kind = Kind::kTaskId, .help = "Id of a task."};
const Argument kTasks = {
    .name = "TASK", .kind = Kind::kTaskId, .help = "Ids; or give a filter.", .required = false, .repeated = true};
const Argument kLaneArgument = {.name = "LANE", .kind = Kind::kChoice, .choices = kLanes, .required = false};
const Argument kContextArgument = {.name = "NAME", .kind = Kind::kContext, .help = "Name of a context."};

constexpr std::string_view kBulkDetails =
    "Acts on the ids given, or on all tasks that match a filter. With a filter the number of matches is shown first "
    "and "
    "confirmed; without a terminal --yes is required. If the number changes meanwhile, nothing is done (exit code 5).";

std::vector<Command> TaskCommands() {
  return {
      {.path = "task list",
       .summary = "List tasks, newest first.",
       .flags =
           Join({Filter(), Paging(), {{.name = "oldest-first", .kind = Kind::kNone, .help = "Oldest first."}, kWatch}}),
       .examples = {"yard task list --state running --state queued", "yard task list -p web --older-than 1d -o wide",
                    "yard task list --state dead-letter -o name"}},
      {.path = "task show",
       .summary = "Show one task: state, cause, attempts and where the time went.",
       .arguments = {kTask},
       .examples = {"yard task show 01920000-0000-7000-8000-000000000001", "yard task show ID -o yaml"}},
      {.path = "task why",
       .summary = "Say why a task waits: what it needs, which agents there are, and what rules each of them out.",
       .arguments = {kTask},
       .flags = {{.name = "agents",
                  .kind = Kind::kNumber,
                  .placeholder = "N",
                  .help = "Agents to list, up to 200; default 20, the nearest to fitting first."}},
       .examples = {"yard task why ID", "yard task why ID --agents 200 -o json"}},
      {.path = "task events",
       .summary = "Show the timeline of a task, or stream events of all.",
       .details = "Without a task, --follow streams the events of all tasks from now on.",
       .arguments = {{.name = "TASK", .kind = Kind::kTaskId, .help = "Id of a task.", .required = false}},
       .flags = {kFollow,
                 {.name = "project",
                  .letter = 'p',
                  .placeholder = "NAME",
                  .help = "Only of this project; with --follow and no task.",
                  .repeated = true}},
       .examples = {"yard task events ID", "yard task events ID --follow", "yard task events --follow -o jsonl"}},
      {.path = "task cancel",
       .summary = "Cancel live tasks.",
       .details = kBulkDetails,
       .arguments = {kTasks},
       .flags = Join({Filter(), {kReason, kDryRun, kYes}}),
       .examples = {"yard task cancel ID --reason 'wrong branch'", "yard task cancel -p web --state queued --dry-run"}},
      {.path = "task retry",
       .summary = "Take tasks out of the dead letter, or end their backoff.",
       .details = kBulkDetails,
       .arguments = {kTasks},
       .flags = Join({Filter(), {kDryRun, kYes}}),
       .examples = {"yard task retry ID", "yard task retry --state dead-letter --type docs --yes"}},
      {.path = "task wait",
       .summary = "Block until tasks are final.",
       .details = "Exit code 10 when one of them failed, 9 when --timeout passed first.",
       .arguments = {{.name = "TASK", .kind = Kind::kTaskId, .help = "Ids.", .repeated = true}},
       .flags = {{.name = "for",
                  .kind = Kind::kChoice,
                  .placeholder = "STATE",
                  .help = "What to wait for.",
                  .choices = {"final", "accepted", "verifying"}}},
       .examples = {"yard task wait ID --timeout 10m"}},
  };
}

std::vector<Command> QueueCommands() {
  return {
      {.path = "queue list",
       .summary = "Show the lanes: what waits, runs and is held.",
       .flags = {kWatch},
       .examples = {"yard queue list", "yard queue list -o json"}},
      {.path = "queue show",
       .summary = "Show one lane and what is paused.",
       .arguments = {{.name = "LANE", .kind = Kind::kChoice, .choices = kLanes}},
       .examples = {"yard queue show normal"}},
      {.path = "queue pause",
       .summary = "Stop offering the tasks of a lane, of a project, or one task.",
       .details = "What runs goes on.",
       .arguments = {kLaneArgument},
       .flags = Join({QueueTarget(), {kReason}}),
       .examples = {"yard queue pause low --reason 'night build'", "yard queue pause --project web"}},
      {.path = "queue resume",
       .summary = "Offer them again.",
       .arguments = {kLaneArgument},
       .flags = QueueTarget(),
       .examples = {"yard queue resume low", "yard queue resume --task ID"}},
      {.path = "dead-letter list",
       .summary = "List the tasks that were given up, with the reason.",
       .flags = Join({FilterWithoutState(), Paging()}),
       .examples = {"yard dead-letter list", "yard dead-letter list -p web -o wide"}},
      {.path = "dead-letter retry",
       .summary = "Put given-up tasks back into the queue; attempts start anew.",
       .details = kBulkDetails,
       .arguments = {kTasks},
       .flags = Join({FilterWithoutState(), {kDryRun, kYes}}),
       .examples = {"yard dead-letter retry ID", "yard dead-letter retry --type docs --newer-than 1d"}},
      {.path = "dead-letter discard",
       .summary = "Give tasks up for good; they stay in the history.",
       .details = kBulkDetails,
       .arguments = {kTasks},
       .flags = Join({FilterWithoutState(), {kReason, kDryRun, kYes}}),
       .examples = {"yard dead-letter discard ID --reason obsolete",
                    "yard dead-letter discard --older-than 30d --yes"}},
  };
}

std::vector<Command> InstallationCommands() {
  return {
      {.path = "admin status",
       .summary = "Say which services answer, of which version and since when, and how the queue stands.",
       .examples = {"yard admin status"}},
      {.path = "admin doctor",
       .summary = "Check configuration, reachability, versions, token and clock; say what to do.",
       .examples = {"yard admin doctor"}},
      {.path = "token issue",
       .summary = "Make a token; it is shown once.",
       .arguments = {{.name = "NAME", .help = "Whose it is, as the history shows it."}},
       .flags = {{.name = "scope",
                  .kind = Kind::kChoice,
                  .placeholder = "SCOPE",
                  .help = "What it may do; default read.",
                  .choices = kScopes,
                  .repeated = true},
                 {.name = "expires-in", .kind = Kind::kDuration, .placeholder = "TIME", .help = "How long it is good."},
                 {.name = "write-to",
                  .kind = Kind::kFile,
                  .placeholder = "FILE",
                  .help = "Write it to this new file, mode 0600, instead of printing it."}},
       .examples = {"yard token issue ci --scope submit --expires-in 30d --write-to ci.token"}},
      {.path = "token list",
       .summary = "List tokens; never their secrets.",
       .flags = {{.name = "name", .placeholder = "NAME", .help = "Of this name."},
                 {.name = "all", .letter = 'a', .kind = Kind::kNone, .help = "Also revoked and expired ones."}},
       .examples = {"yard token list"}},
      {.path = "token rotate",
       .summary = "Replace a token by a new one of the same holder and scopes; the old one still works for a while.",
       .arguments = {{.name = "TOKEN_ID", .help = "As token list shows it."}},
       .flags = {{.name = "grace",
                  .kind = Kind::kDuration,
                  .placeholder = "TIME",
                  .help = "How long the old one still works, up to 7d; default 1h."},
                 {.name = "write-to",
                  .kind = Kind::kFile,
                  .placeholder = "FILE",
                  .help = "Write it to this new file, mode 0600, instead of printing it."}},
       .examples = {"yard token rotate ID --grace 1d --write-to ci.token.new"}},
      {.path = "token revoke",
       .summary = "End a token; services notice within 30 seconds.",
       .arguments = {{.name = "TOKEN_ID", .help = "Ids, as token list shows them.", .repeated = true}},
       .flags = {kReason,
                 {.name = "allow-last-admin",
                  .kind = Kind::kNone,
                  .help = "Even when no other token of scope admin remains."}},
       .examples = {"yard token revoke ID"}},
  };
}

std::vector<Command> LocalCommands() {
  return {
      {.path = "context list", .summary = "List the configured installations.", .examples = {"yard context list"}},
      {.path = "context use",
       .summary = "Make a context the current one.",
       .arguments = {kContextArgument},
       .examples = {"yard context use work"}},
      {.path = "context add",
       .summary = "Add or replace a context, from the connection flags.",
       .details = "Secrets stay in their files; the configuration names them.",
       .arguments = {{.name = "NAME", .help = "Name of the context."}},
       .flags = {{.name = "use", .kind = Kind::kNone, .help = "Make it the current one."}},
       .examples =
           {"yard context add work --address queue.example:7401 --ca-file ca.pem --token-file work.token --use"}},
      {.path = "context show",
       .summary = "Show what is in force, and where each value comes from.",
       .arguments = {{.name = "NAME", .kind = Kind::kContext, .help = "Default: the current one.", .required = false}},
       .examples = {"yard context show"}},
      {.path = "context test",
       .summary = "Make one call with a context.",
       .arguments = {{.name = "NAME", .kind = Kind::kContext, .help = "Default: the current one.", .required = false}},
       .examples = {"yard context test"}},
      {.path = "completion",
       .summary = "Print the completion script of a shell.",
       .arguments = {{.name = "SHELL", .kind = Kind::kChoice, .choices = {"bash", "zsh", "fish"}}},
       .examples = {"source <(yard completion bash)", "yard completion fish > ~/.config/fish/completions/yard.fish"}},
      {.path = "version", .summary = "Print the version.", .examples = {"yard version -o json"}},
      {.path = "help",
       .summary = "Help for a command; the whole tree as JSON or Markdown.",
       .arguments = {{.name = "COMMAND", .help = "Words of a command.", .required = false, .repeated = true}},
       .flags = {{.name = "json", .kind = Kind::kNone, .help = "The tree as JSON."},
                 {.name = "markdown", .kind = Kind::kNone, .help = "The tree as the reference page."}},
       .examples = {"yard help task submit", "yard help --json"}},
      {.path = "__complete", .summary = "Candidates for a completion script.", .rest = "WORDS...", .hidden = true},
  };
}

Flags GlobalFlags() {
  return {
      {.name = "help", .letter = 'h', .kind = Kind::kNone, .help = "Help for this command."},
      {.name = "context", .kind = Kind::kContext, .placeholder = "NAME", .help = "Context to use. [YARD_CONTEXT]"},
      {.name = "address", .placeholder = "HOST:PORT", .help = "The task queue. [YARD_ADDRESS]"},
      {.name = "identity-address", .placeholder = "HOST:PORT", .help = "The identity service. [YARD_IDENTITY_ADDRESS]"},
      {.name = "hub-address",
       .placeholder = "HOST:PORT",
       .help = "The agent hub; default: as --address. [YARD_HUB_ADDRESS]"},
      {.name = "scheduler-address",
       .placeholder = "HOST:PORT",
       .help = "The scheduler; default: as --address. [YARD_SCHEDULER_ADDRESS]"},
      {.name = "registry-address",
       .placeholder = "HOST:PORT",
       .help = "The model registry; default: as --address. [YARD_REGISTRY_ADDRESS]"},
      {.name = "router-address",
       .placeholder = "HOST:PORT",
       .help = "The router; default: as --address. [YARD_ROUTER_ADDRESS]"},
      {.name = "verification-address",
       .placeholder = "HOST:PORT",
       .help = "Verification; default: as --address. [YARD_VERIFICATION_ADDRESS]"},
      {.name = "token-file",
       .kind = Kind::kFile,
       .placeholder = "FILE",
       .help = "Read the token from here. [YARD_TOKEN_FILE, or the token itself in YARD_TOKEN]"},
      {.name = "token-stdin", .kind = Kind::kNone, .help = "Read the token from the first line of standard input."},
      {.name = "ca-file",
       .kind = Kind::kFile,
       .placeholder = "FILE",
       .help = "Speak TLS and trust this authority. [YARD_CA_FILE]"},
      {.name = "cert-file",
       .kind = Kind::kFile,
       .placeholder = "FILE",
       .help = "Client certificate for mutual TLS. [YARD_CERT_FILE]"},
      {.name = "key-file", .kind = Kind::kFile, .placeholder = "FILE", .help = "Its private key. [YARD_KEY_FILE]"},
      {.name = "server-name",
       .placeholder = "NAME",
       .help = "Name in the server's certificate, where it differs. [YARD_SERVER_NAME]"},
      {.name = "allow-insecure",
       .kind = Kind::kNone,
       .help = "Send the token without TLS to another host. [YARD_ALLOW_INSECURE=1]"},
      {.name = "output",
       .letter = 'o',
       .kind = Kind::kChoice,
       .placeholder = "FORMAT",
       .help = "How to print. Default: table on a terminal, tab-separated fields without a heading in a pipe. "
               "[YARD_OUTPUT]",
       .choices = {"table", "wide", "plain", "json", "jsonl", "yaml", "name"}},
      {.name = "time",
       .kind = Kind::kChoice,
       .placeholder = "FORM",
       .help = "How tables print times. [YARD_TIME]",
       .choices = {"relative", "iso"}},
      {.name = "color",
       .kind = Kind::kChoice,
       .placeholder = "WHEN",
       .help = "Colours; also NO_COLOR and TERM=dumb. [YARD_COLOR]",
       .choices = {"auto", "always", "never"}},
      {.name = "timeout",
       .kind = Kind::kDuration,
       .placeholder = "TIME",
       .help =
           "Longest time of one call (default 15s); while waiting or following, the longest wait (default: no end). "
           "[YARD_TIMEOUT]"},
      {.name = "quiet", .letter = 'q', .kind = Kind::kNone, .help = "No progress and no hints on standard error."},
  };
}

Tree MakeTree() {
  Tree tree;
  tree.global_flags = GlobalFlags();
  tree.nouns = {{"task", "Submit, look at and steer tasks."},
                {"agent", "The machines that do the work."},
                {"endpoint", "Where models are served."},
                {"model", "Models: where they are, what they hold and cost."},
                {"role", "Which model a role gets."},
                {"route", "Which model a task gets, and why."},
                {"budget", "What may be spent."},
                {"verify", "What checks and judges made of finished work."},
                {"queue", "Lanes: depth, pause and resume."},
                {"dead-letter", "Tasks that were given up and wait for a person."},
                {"admin", "The installation itself."},
                {"token", "Tokens of people and programs."},
                {"context", "Which installation yard talks to."}};
  for (const std::vector<Command>& part :
       {WorkCommands(), TaskCommands(), AgentCommands(), ModelCommands(), RouteCommands(), VerifyCommands(),
        QueueCommands(), InstallationCommands(), LocalCommands()}) {
    tree.commands.insert(tree.commands.end(), part.begin(), part.end());
  }
  tree.exit_codes = {{0, "Done."},
                     {1, "An error that has no code of its own."},
                     {2, "Usage: the command line or a field of the request is wrong."},
                     {3, "Not found."},
                     {4, "Authentication: token missing, invalid, or without the scope."},
                     {5, "Conflict: the state or the count is not what the caller believed."},
                     {6, "Waiting for an approval."},
                     {7, "Denied by policy."},
                     {8, "Budget exhausted."},
                     {9, "The wait timed out; the task goes on."},
                     {10, "The task that was waited for failed."},
                     {11, "The server cannot be reached or did not answer in time."},
                     {130, "Interrupted."}};
  return tree;
}

}  // namespace

const Tree& YardTree() {
  static const Tree& tree = *new Tree(MakeTree());
  return tree;
}

const Command* Tree::Find(std::string_view path) const {
  for (const Command& command : commands) {
    if (command.path == path) return &command;
  }
  return nullptr;
}

const Noun* Tree::FindNoun(std::string_view name) const {
  for (const Noun& noun : nouns) {
    if (noun.name == name) return &noun;
  }
  return nullptr;
}

const Flag* FindFlag(const std::vector<Flag>& flags, std::string_view name) {
  for (const Flag& flag : flags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

const Flag* FindFlag(const std::vector<Flag>& flags, char letter) {
  for (const Flag& flag : flags) {
    if (flag.letter != 0 && flag.letter == letter) return &flag;
  }
  return nullptr;
}

}  // namespace switchyard::yard

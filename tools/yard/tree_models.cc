#include "tools/yard/tree_models.h"

#include "tools/yard/tree_flags.h"

namespace switchyard::yard {
namespace {

using Kind = ValueKind;

const std::vector<std::string_view> kEndpointStates = {"unknown",      "healthy",       "loading", "busy",
                                                       "rate-limited", "misconfigured", "failing", "open",
                                                       "recovering",   "disabled"};
const std::vector<std::string_view> kYesNo = {"yes", "no"};

const Argument kEndpoint = {.name = "ENDPOINT", .help = "Name or id of an endpoint."};
const Argument kEndpoints = {.name = "ENDPOINT", .help = "Names or ids of endpoints.", .repeated = true};
const Argument kModel = {.name = "MODEL", .help = "Name or alias of a model."};
const Flag kAt = {.name = "endpoint", .placeholder = "NAME", .help = "Only at this endpoint."};
std::vector<Flag> SpecFlags() {
  return {
      {.name = "kind",
       .kind = Kind::kChoice,
       .placeholder = "KIND",
       .help = "What it speaks; openai is every server that is compatible with it.",
       .choices = {"ollama", "openai", "anthropic"}},
      {.name = "url", .placeholder = "URL", .help = "http://host:port or https://…"},
      {.name = "credential",
       .placeholder = "REF",
       .help = "env:NAME or file:/PATH, where it is used; never the secret itself. Empty: none."},
      {.name = "local",
       .kind = Kind::kChoice,
       .placeholder = "yes|no",
       .help = "On hosts of one's own: work that must stay local may go there.",
       .choices = kYesNo,
       .bare_value = "yes"},
      {.name = "free",
       .kind = Kind::kChoice,
       .placeholder = "yes|no",
       .help = "Calls cost nothing.",
       .choices = kYesNo,
       .bare_value = "yes"},
      {.name = "host", .placeholder = "NAME", .help = "The machine it runs on; default: the host of the URL."},
      {.name = "agent", .placeholder = "NAME", .help = "Only this agent reaches it."},
      {.name = "capacity", .kind = Kind::kNumber, .placeholder = "N", .help = "Requests at once; 0: learnt."},
      {.name = "max-capacity", .kind = Kind::kNumber, .placeholder = "N", .help = "How far learning may go."},
      {.name = "keep-warm", .placeholder = "MODEL", .help = "Keep this model loaded. Ollama only.", .repeated = true},
      {.name = "option",
       .placeholder = "MODEL/KEY=N",
       .help = "An option that every request for the model sends: num_ctx, num_batch, num_gpu, main_gpu, use_mmap, "
               "num_thread. Ollama only.",
       .repeated = true},
  };
}

Flag Price(std::string_view name, std::string_view help) {
  return {.name = name, .placeholder = "DOLLARS", .help = help};
}

}  // namespace

std::vector<Command> ModelCommands() {
  return {
      {.path = "endpoint list",
       .summary = "List the endpoints that serve models, with their state.",
       .flags = {{.name = "state",
                  .kind = Kind::kChoice,
                  .placeholder = "STATE",
                  .help = "In this state.",
                  .choices = kEndpointStates,
                  .repeated = true},
                 {.name = "model", .placeholder = "MODEL", .help = "That have this model."},
                 kWatch},
       .examples = {"yard endpoint list", "yard endpoint list --state open --state misconfigured -o wide"}},
      {.path = "endpoint show",
       .summary = "Show one endpoint: state, levels, breaker, capacity and models.",
       .arguments = {kEndpoint},
       .examples = {"yard endpoint show gpu-1"}},
      {.path = "endpoint add",
       .summary = "Add an endpoint; it is checked at once.",
       .arguments = {{.name = "NAME", .help = "Name of the new endpoint."}},
       .flags = SpecFlags(),
       .examples = {"yard endpoint add gpu-1 --kind ollama --url http://gpu-1:11434 --local --free",
                    "yard endpoint add cloud --kind anthropic --url https://api.anthropic.com "
                    "--credential file:/etc/switchyard/anthropic.key"}},
      {.path = "endpoint update",
       .summary = "Change what was said about an endpoint; what is not named stays.",
       .details = "What was known of its health is forgotten, and it is checked at once: the way to mend one that is "
                  "misconfigured.",
       .arguments = {kEndpoint},
       .flags = SpecFlags(),
       .examples = {"yard endpoint update cloud --credential env:ANTHROPIC_KEY"}},
      {.path = "endpoint remove",
       .summary = "Remove endpoints.",
       .arguments = {kEndpoints},
       .examples = {"yard endpoint remove gpu-1"}},
      {.path = "endpoint disable",
       .summary = "Send nothing to endpoints, not even checks.",
       .arguments = {kEndpoints},
       .examples = {"yard endpoint disable gpu-1"}},
      {.path = "endpoint enable",
       .summary = "Use endpoints again; also mends what is misconfigured.",
       .arguments = {kEndpoints},
       .examples = {"yard endpoint enable gpu-1"}},
      {.path = "endpoint probe",
       .summary = "Check an endpoint now and show what came of it.",
       .arguments = {kEndpoint},
       .flags = {{.name = "generate",
                  .kind = Kind::kNone,
                  .help = "Also have a model say one word; may cost money or load a model."},
                 {.name = "model", .placeholder = "MODEL", .help = "Which one; with --generate."}},
       .examples = {"yard endpoint probe gpu-1", "yard endpoint probe gpu-1 --generate"}},
      {.path = "model list",
       .summary = "List models: where they are, what they hold and cost.",
       .flags = {{.name = "placed", .kind = Kind::kNone, .help = "Only those that an endpoint has."}, kWatch},
       .examples = {"yard model list", "yard model list --placed -o wide"}},
      {.path = "model show",
       .summary = "Show one model with all its places.",
       .arguments = {kModel},
       .examples = {"yard model show my-model"}},
      {.path = "model disable",
       .summary = "Choose a model nowhere, or not at one endpoint.",
       .arguments = {kModel},
       .flags = {kAt},
       .examples = {"yard model disable my-model --endpoint gpu-1"}},
      {.path = "model enable",
       .summary = "Undo `yard model disable` with the same arguments.",
       .arguments = {kModel},
       .flags = {kAt},
       .examples = {"yard model enable my-model --endpoint gpu-1"}},
      {.path = "model price",
       .summary = "Show, set or remove the price and context window of a model.",
       .details =
           "Prices are US dollars per million tokens. What is not named stays as it was; what was never named is "
           "unknown, not free. Without flags the entry is shown.",
       .arguments = {kModel},
       .flags = {Price("input-price", "Input."),
                 Price("output-price", "Output."),
                 Price("cache-read", "Input read from a cache."),
                 Price("cache-write-5m", "Input written to a cache for five minutes."),
                 Price("cache-write-1h", "Input written to a cache for an hour."),
                 {.name = "free", .kind = Kind::kNone, .help = "It costs nothing."},
                 {.name = "context-window", .kind = Kind::kNumber, .placeholder = "TOKENS", .help = "Context window."},
                 {.name = "max-output", .kind = Kind::kNumber, .placeholder = "TOKENS", .help = "Longest answer."},
                 {.name = "tier",
                  .kind = Kind::kChoice,
                  .placeholder = "TIER",
                  .help = "How strong it is.",
                  .choices = {"small", "medium", "large"}},
                 {.name = "provider", .placeholder = "NAME", .help = "Who serves it."},
                 {.name = "since", .placeholder = "DATE", .help = "YYYY-MM-DD: since when the price holds."},
                 {.name = "source", .placeholder = "TEXT", .help = "Where it was read."},
                 {.name = "remove", .kind = Kind::kNone, .help = "Back to what the file of models says."}},
       .examples = {"yard model price my-model --input-price 3 --output-price 15 --since 2026-01-01",
                    "yard model price my-model --remove"}},
      {.path = "role list", .summary = "List roles and their models.", .examples = {"yard role list"}},
      {.path = "role show",
       .summary = "Show which model a role gets.",
       .arguments = {{.name = "ROLE", .help = "A role or one of its aliases."}},
       .examples = {"yard role show coder"}},
  };
}

}  // namespace switchyard::yard

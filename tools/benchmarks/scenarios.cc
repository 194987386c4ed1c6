#include "tools/benchmarks/scenarios.h"

#include "absl/strings/str_format.h"

namespace switchyard::bench {

const std::vector<Scenario>& AllScenarios() {
  static const auto* const scenarios = new std::vector<Scenario>{
      {"queue-submit", "single SubmitTask calls, 64 in flight: at least 16,000 tasks/s", &QueueSubmit},
      {"queue-submit-batch", "SubmitTasks of 100 tasks: at least 35,000 tasks/s", &QueueSubmitBatch},
      {"queue-cycle",
       "whole lives, submitted by single calls, assigned, reported, in the history: at least\n"
       "                       16,000 lives/s and 0.45 of plain SQL",
       &QueueCycle},
      {"queue-backlog",
       "the cost of a life with a million tasks queued and a million finished: at most 1.3 times\n"
       "                       that on an empty queue",
       &QueueBacklog},
      {"queue-held-snapshot", "lives while a transaction is held open: within 10 % of the rate before",
       &QueueHeldSnapshot},
      {"queue-watch", "1,000 watchers: no event lost, p99 of the lag at most 100 ms", &QueueWatch},
      {"dispatch-latency",
       "submit to the assignment in an idle agent's hand, the services as separate processes: p50 at\n"
       "                       most 1.5 ms, p99 at most 4 ms",
       &DispatchLatency},
      {"dispatch-latency-all-in-one", "\n                       the same in one process: 1 and 2 ms",
       &DispatchLatencyAllInOne},
      {"e2e",
       "whole lives through all services over agents' streams: at least 12,000 lives/s; then an open\n"
       "                       loop at half of that: p99 of submit to done at most 20 ms",
       &EndToEnd},
      {"e2e-all-in-one", "the same in one process: at least 15,000 lives/s", &EndToEndAllInOne},
      {"agents",
       "1, 1,000 and 5,000 idle agents: the hub at most 250 MB and 5 % of one processor; all back\n"
       "                       within 30 s after all dropped at once",
       &Agents},
      {"reassign",
       "an agent is lost: its task runs elsewhere within 1 s of Released or of a Hello without it,\n"
       "                       otherwise within 5 s of the grace period's end",
       &Reassign},
      {"slow-reader", "an agent never reads its stream: the others' p99 as before, the hub's memory bounded",
       &SlowReader},
      {"route", "decisions of the router's core among 1, 50 and 500 endpoints: at least 200,000/s at 50, on one core",
       &RouteDecisions},
      {"edit-apply",
       "answers of models become files: at least 50 MB/s of a file of 10 MB with 20 blocks, whether they are\n"
       "                       exact, indented otherwise, or not there",
       &EditApply},
      {"verify",
       "one task at a time for a real executor, without steps and with five: what steps and verdict add,\n"
       "                       programs aside: p50 at most 20 ms",
       &Verify},
      {"llm-overhead",
       "a prompt for a warm simulated endpoint: submit to the first byte there, and the last byte to\n"
       "                       done: p50 of both together at most 3 ms",
       &LlmOverhead},
      {"e2e-llm",
       "more prompts than simulated endpoints of different speed take: at least 0.95 of their\n"
       "                       capacity is used, and never more than there is",
       &EndToEndLlm},
  };
  return *scenarios;
}

std::string HelpPage() {
  std::string page =
      "switchyard-bench: measures Switchyard in an installation of its own, with fsync, authentication and "
      "validation.\n\n"
      "Usage: tools/bench SCENARIO [flags]\n\n"
      "Scenarios and their targets, everything on the same two processors:\n";
  for (const Scenario& scenario : AllScenarios()) {
    page += absl::StrFormat("  %-20s %s\n", scenario.name, scenario.summary);
  }
  page +=
      "\n"
      "  --seconds N       length of each measured stretch; 10 unless the scenario says otherwise\n"
      "  --warmup N        seconds before it; 2\n"
      "  --json            the last line of standard output is one JSON object\n"
      "  --profile[=WHOM]  perf on the service, hub, scheduler, identity, postgres or client, while it is measured, "
      "where\n"
      "                    perf is installed\n"
      "  --in-flight N     calls at a time, instead of the scenario's own number\n"
      "  --connections N   2\n"
      "  --backlog N       tasks queued and finished in queue-backlog; 1000000\n"
      "  --watchers N      in queue-watch; 1000\n"
      "  --agents N        simulated executors, instead of the scenario's own number\n"
      "  --no-accept       they say Complete alone, as the contract allows for what is done on the spot\n"
      "\n"
      "The exit code is 0 when all targets are met, 1 when the run failed, 3 when a target was missed.\n"
      "docs/benchmarks.md says what each one measures.\n";
  return page;
}

}  // namespace switchyard::bench

// What the matching core costs for each task: heard of, matched, settled.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

// `range(0)` agents of one credit each, batches of 50, one project; range(1) kinds of agents.
void BM_MatchTask(benchmark::State& state) {
  MatcherBench bench;
  const int agents = static_cast<int>(state.range(0));
  std::vector<AgentRef> refs;
  std::vector<std::int64_t> limits(agents, 1);
  for (int i = 0; i < agents; ++i) {
    refs.push_back(bench.Put({.id = "agent" + std::to_string(i),
                              .capabilities = {"os:linux", "kind" + std::to_string(i % state.range(1))},
                              .features = {"kind.command"}}));
  }
  const Requirements needs{.capabilities = {"os:linux"}, .features = {"kind.command"}, .avoid = {}};
  int number = 0;
  for (auto _ : state) {
    for (int i = 0; i < 50; ++i) {
      number = (number + 1) & 0xffffff;
      bench.Add({.number = number, .needs = needs, .generation = state.iterations() >> 18});
    }
    for (const Match& match : bench.matcher().Run(50)) {
      bench.matcher().Settle(match, Settled::kAssigned);
      bench.fleet().SetLimit(match.agent, ++limits[match.agent.index]);
    }
  }
  state.SetItemsProcessed(state.iterations() * 50);
}
BENCHMARK(BM_MatchTask)->Args({1, 1})->Args({50, 1})->Args({5'000, 1})->Args({5'000, 500})->Args({5'000, 5'000});

// Many kinds of tasks wait that nobody can do.
void BM_MatchBesideParked(benchmark::State& state) {
  MatcherBench bench;
  std::int64_t limit = 50;
  const AgentRef agent = bench.Put({.id = "a", .credits = limit});
  int number = 0;
  for (int i = 0; i < state.range(0); ++i) {
    bench.Add(
        {.number = ++number, .project = "p" + std::to_string(i % 20), .needs = {.capabilities = {std::to_string(i)}}});
  }
  for (auto _ : state) {
    for (int i = 0; i < 50; ++i) bench.Add({.number = number = (number + 1) & 0xffffff});
    for (const Match& match : bench.matcher().Run(50)) bench.matcher().Settle(match, Settled::kAssigned);
    bench.fleet().SetLimit(agent, limit += 50);
  }
  state.SetItemsProcessed(state.iterations() * 50);
}
BENCHMARK(BM_MatchBesideParked)->Arg(0)->Arg(100)->Arg(5'000);

}  // namespace
}  // namespace switchyard::scheduler

// What one decision costs, by endpoints of an installation.
#include <string>

#include "benchmark/benchmark.h"
#include "services/router/bench_yard.h"

namespace switchyard::router {
namespace {

// Tasks of all kinds from a snapshot that was used before.
void BM_Decide(benchmark::State& state) {
  const BenchYard yard(static_cast<int>(state.range(0)));
  std::size_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(yard.Decide(number++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Decide)->Arg(1)->Arg(50)->Arg(500);

// The registry tells of a change, and a batch of 50 is decided by it.
void BM_BatchOnNewSnapshot(benchmark::State& state) {
  BenchYard yard(static_cast<int>(state.range(0)));
  std::size_t number = 0;
  for (auto _ : state) {
    yard.Renew();
    for (int i = 0; i < 50; ++i) benchmark::DoNotOptimize(yard.Decide(number++));
  }
  state.SetItemsProcessed(state.iterations() * 50);
}
BENCHMARK(BM_BatchOnNewSnapshot)->Arg(1)->Arg(50)->Arg(500);

// Nothing serves the task, and it is said why.
void BM_Hold(benchmark::State& state) {
  const BenchYard yard(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(yard.DecideNone());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Hold)->Arg(1)->Arg(50)->Arg(500);

}  // namespace
}  // namespace switchyard::router

// What one submission costs in CPU before it reaches the store.
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/task_queue/spec_convert.h"
#include "services/task_queue/spec_validation.h"

namespace switchyard::task_queue {
namespace {

v1::TaskSpec TypicalSpec() {
  v1::TaskSpec spec;
  spec.mutable_command()->add_argv("make");
  spec.mutable_command()->add_argv("-j2");
  spec.set_project("team/core");
  spec.set_task_type("build");
  spec.add_capabilities("os:linux");
  spec.mutable_time_limits()->mutable_run()->set_seconds(600);
  (*spec.mutable_metadata())["ticket"] = "4711";
  return spec;
}

void BM_ValidateSpec(benchmark::State& state) {
  const v1::TaskSpec spec = TypicalSpec();
  const absl::Time now = absl::FromUnixSeconds(1'790'000'000);
  for (auto _ : state) benchmark::DoNotOptimize(ValidateSpec(spec, "spec", now));
}
BENCHMARK(BM_ValidateSpec);

void BM_ContentHash(benchmark::State& state) {
  const v1::TaskSpec spec = TypicalSpec();
  for (auto _ : state) benchmark::DoNotOptimize(ContentHash(spec));
}
BENCHMARK(BM_ContentHash);

void BM_DefaultsAndFill(benchmark::State& state) {
  const v1::TaskSpec asked = TypicalSpec();
  for (auto _ : state) {
    v1::TaskSpec spec = asked;
    ApplyDefaults(&spec);
    NewTask task;
    FillFromSpec(spec, &task);
    benchmark::DoNotOptimize(task);
  }
}
BENCHMARK(BM_DefaultsAndFill);

}  // namespace
}  // namespace switchyard::task_queue

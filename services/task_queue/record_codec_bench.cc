// What storing a row costs in CPU: it happens about four times in the life of every task.
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "services/task_queue/record_codec.h"

namespace switchyard::task_queue {
namespace {

TaskRecord RunningRecord() {
  TaskRecord record;
  record.create_time = absl::FromUnixMicros(1'790'000'000'123'456);
  record.id = TaskId(Uuid::LowestAt(record.create_time));
  record.project = "default";
  record.principal = "someone@example";
  record.matching = std::string(40, 'm');
  record.agent = "agent-on-host-17";
  record.state = TaskState::kRunning;
  record.generation = Generation(1);
  record.assign_time = record.create_time + absl::Milliseconds(3);
  record.accept_time = record.create_time + absl::Milliseconds(5);
  for (int i = 1; i <= 4; ++i) {
    record.timeline.push_back({.kind = static_cast<EventKind>(i), .time = record.create_time, .ordinal = i});
    if (i > 2) record.timeline.back().agent = record.agent;
  }
  return record;
}

void BM_EncodeRecord(benchmark::State& state) {
  const TaskRecord record = RunningRecord();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeRecord(record));
}
BENCHMARK(BM_EncodeRecord);

void BM_DecodeRecord(benchmark::State& state) {
  const std::string bytes = EncodeRecord(RunningRecord());
  state.counters["bytes"] = static_cast<double>(bytes.size());
  for (auto _ : state) benchmark::DoNotOptimize(DecodeRecord(bytes));
}
BENCHMARK(BM_DecodeRecord);

// Two events of each of a hundred tasks.
std::vector<PublishedEvent> Batch() {
  const TaskRecord record = RunningRecord();
  std::vector<PublishedEvent> events;
  for (int i = 0; i < 200; ++i) {
    const absl::Time time = record.create_time + absl::Milliseconds(i / 2);
    events.push_back({.task = TaskId(Uuid::LowestAt(time)), .project = "default", .event = record.timeline[i % 2]});
  }
  return events;
}

void BM_EncodeEventBatch(benchmark::State& state) {
  const std::vector<PublishedEvent> events = Batch();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeEventBatch(events));
}
BENCHMARK(BM_EncodeEventBatch);

void BM_DecodeEventBatch(benchmark::State& state) {
  const std::string bytes = EncodeEventBatch(Batch());
  state.counters["bytes"] = static_cast<double>(bytes.size());
  for (auto _ : state) benchmark::DoNotOptimize(DecodeEventBatch(bytes));
}
BENCHMARK(BM_DecodeEventBatch);

}  // namespace
}  // namespace switchyard::task_queue

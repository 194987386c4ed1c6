// Single operations through group commit into a table like a queue's, with fsync on, Postgres on the same cores.
// Arguments: operations in flight. "batch" is the mean size that grew by itself.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "benchmark/benchmark.h"
#include "libs/base/id.h"
#include "libs/pg/group_commit.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::pg {
namespace {

constexpr std::size_t kBodyBytes = 600;
constexpr Statement kInsert{
    "insert", "INSERT INTO t (id, body) SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING RETURNING id"};
constexpr char kTable[] = "CREATE TABLE t (id uuid PRIMARY KEY, body bytea NOT NULL)";

struct Put {
  Uuid id;
  std::string body;
};

testing::ThrowawayPostgres& Durable() {
  static const std::unique_ptr<testing::ThrowawayPostgres> postgres = [] {
    auto made = testing::ThrowawayPostgres::Create({.durable = true});
    if (!made.ok()) {
      std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
      std::exit(1);
    }
    return *std::move(made);
  }();
  return *postgres;
}

ConnectOptions FreshTable() {
  ConnectOptions connect = Durable().NewDatabase();
  if (!(*Session::Connect(connect))->RunScript(kTable).ok()) std::exit(1);
  return connect;
}

class Meter final : public GroupCommitObserver {
 public:
  void OnFlush(std::size_t batch, absl::Duration, const absl::Status& status, std::size_t) override {
    if (!status.ok()) failed += batch;
    ++flushes;
  }
  std::atomic<std::uint64_t> flushes{0}, failed{0};
};

void BM_GroupCommit(benchmark::State& state) {
  const auto in_flight = static_cast<int>(state.range(0));
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  const DisciplinedClock clock;
  TimeOrderedIdSource ids(clock, *rng);
  Meter meter;
  UuidArray uuids;
  BytesArray bodies;
  GroupCommit<Put, bool> commit(
      "bench", {}, FreshTable(),
      [&](Session& session, absl::Span<Put> puts, absl::Span<bool> answers) -> absl::Status {
        uuids.Clear();
        bodies.Clear();
        for (const Put& put : puts) {
          uuids.Append(put.id);
          bodies.Append(put.body);
        }
        absl::StatusOr<Result> result = session.Execute(kInsert, Params().Add(uuids).Add(bodies));
        if (!result.ok()) return result.status();
        for (bool& answer : answers) answer = true;
        return absl::OkStatus();
      },
      nullptr, *rng, &meter);
  commit.Start();
  Mutex mutex;
  CondVar room;
  int flying = 0;
  const auto done = [&](const absl::StatusOr<bool>&) {
    MutexLock lock(mutex);
    --flying;
    room.NotifyOne();
  };
  for (auto _ : state) {
    {
      MutexLock lock(mutex);
      while (flying >= in_flight) room.Wait(mutex);
      ++flying;
    }
    commit.Submit({ids.NewUuid(), std::string(kBodyBytes, 'x')}, done);
  }
  {
    MutexLock lock(mutex);
    while (flying > 0) room.Wait(mutex);
  }
  commit.Stop();
  state.counters["ops/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["batch"] = static_cast<double>(state.iterations()) / static_cast<double>(meter.flushes.load());
  if (meter.failed > 0) state.SkipWithError("a flush failed");
}
BENCHMARK(BM_GroupCommit)->Arg(1)->Arg(8)->Arg(64)->Arg(256)->Arg(512)->MinTime(2)->UseRealTime();

// The floor: one session, batches of that size, nothing around it.
void BM_PlainBatches(benchmark::State& state) {
  const auto batch = state.range(0);
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  const DisciplinedClock clock;
  TimeOrderedIdSource ids(clock, *rng);
  ConnectOptions connect = FreshTable();
  connect.force_generic_plan = true;
  const std::unique_ptr<Session> session = *Session::Connect(connect);
  const std::string body(kBodyBytes, 'x');
  UuidArray uuids;
  BytesArray bodies;
  for (auto _ : state) {
    uuids.Clear();
    bodies.Clear();
    for (std::int64_t i = 0; i < batch; ++i) {
      uuids.Append(ids.NewUuid());
      bodies.Append(body);
    }
    if (!session->Begin().ok() || !session->Execute(kInsert, Params().Add(uuids).Add(bodies)).ok() ||
        !session->Commit().status.ok()) {
      state.SkipWithError("a batch failed");
    }
  }
  state.counters["ops/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * batch), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_PlainBatches)->Arg(1)->Arg(8)->Arg(64)->Arg(256)->Arg(512)->MinTime(2)->UseRealTime();

}  // namespace
}  // namespace switchyard::pg

#include "tools/benchmarks/sql_floor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/sql/statements.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/sample_tasks.h"

namespace switchyard::bench {
namespace {

using task_queue::Stage;
using task_queue::TaskId;

constexpr pg::Statement kShardEpochs{"bench_shard_epochs", "SELECT epoch FROM task_queue.shard ORDER BY shard"};
constexpr std::size_t kQueueBound = 4096;
constexpr absl::Duration kFloorWarmUp = absl::Seconds(1);

std::int16_t ShardNumber(const Uuid& id) { return static_cast<std::int16_t>(task_queue::ShardOf(TaskId(id))); }

struct Counts {
  pg::Int16Array lanes, stages;
  pg::Int64Array deltas;

  void Add(task_queue::Lane lane, Stage stage, std::int64_t delta) {
    lanes.Append(static_cast<std::int16_t>(lane));
    stages.Append(static_cast<std::int16_t>(stage));
    deltas.Append(delta);
  }
};

// Ids on their way from one station to the next.
class Belt {
 public:
  // False once closed.
  bool Put(absl::Span<const Uuid> ids) {
    MutexLock lock(mutex_);
    while (!closed_ && ids_.size() >= kQueueBound) changed_.Wait(mutex_);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    changed_.NotifyAll();
    return !closed_;
  }
  bool Take(std::size_t count, std::vector<Uuid>& out) {
    MutexLock lock(mutex_);
    while (!closed_ && ids_.size() < count) changed_.Wait(mutex_);
    if (closed_) return false;
    out.assign(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(count));
    ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(count));
    changed_.NotifyAll();
    return true;
  }
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Uuid> ids_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

absl::StatusOr<PlainWriter> PlainWriter::Make(const Installation& installation) {
  PlainWriter writer;
  SY_ASSIGN_OR_RETURN(writer.session_, installation.Connect());
  const SampleLife life = MakeSampleLife(TaskId(), task_queue::Lane::kNormal, absl::Now());
  writer.queued_ = life.queued;
  writer.running_ = life.running;
  writer.done_ = life.done;
  writer.queued_carry_ = task_queue::EncodeRecord(life.queued);
  writer.running_carry_ = task_queue::EncodeRecord(life.running);
  writer.done_carry_ = task_queue::EncodeRecord(life.done);
  v1::TaskSpec spec;
  FillSpec(spec);
  writer.spec_ = spec.SerializeAsString();
  writer.title_ = spec.title();
  writer.agent_ = absl::StrCat("plain-", writer.session_->backend_pid());
  pg::Params params;
  params.Add(writer.agent_).Add("bench").Add(absl::Now() + absl::Hours(1)).Add(std::int64_t{0});
  SY_ASSIGN_OR_RETURN(const pg::Result opened, writer.session_->Execute(task_queue::kOpenSession, params));
  writer.session_epoch_ = opened[0].Int64(0);
  SY_ASSIGN_OR_RETURN(const pg::Result shards, writer.session_->Execute(kShardEpochs));
  for (const pg::Row row : shards) writer.shard_epochs_.push_back(row.Int64(0));
  return writer;
}

absl::Status PlainWriter::Commit(absl::Span<const pg::Session::Call> calls, int first_affects) {
  SY_RETURN_IF_ERROR(session_->Begin(pg::Session::Intent::kRead));
  SY_ASSIGN_OR_RETURN(const std::vector<pg::Result> results, session_->ExecuteAll(calls));
  if (first_affects > 0 && results[0].affected() != first_affects) {
    return absl::InternalError(absl::StrCat(std::string(calls[0].statement->name), " found ", results[0].affected(),
                                            " of ", first_affects, " rows"));
  }
  return session_->Commit().status;
}

// The events of a batch, encoded once: their content does not change what it costs to store them.
const std::string& PlainWriter::Events(std::string& kept, std::size_t& kept_size, std::size_t count,
                                       const task_queue::TaskRecord& record, std::size_t from) {
  if (kept_size == count) return kept;
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  TimeOrderedIdSource ids(clock, *rng);
  std::vector<task_queue::PublishedEvent> events;
  for (std::size_t i = 0; i < count; ++i) {
    const TaskId id = ids.New<TaskId>();
    for (std::size_t event = from; event < record.timeline.size(); ++event) {
      events.push_back({.task = id, .project = record.project, .lane = record.lane, .event = record.timeline[event]});
    }
  }
  kept = task_queue::EncodeEventBatch(events);
  kept_size = count;
  return kept;
}

absl::Status PlainWriter::Submit(absl::Span<const Uuid> ids) {
  pg::BytesArray keys, contents, specs, carries;
  pg::UuidArray tasks;
  pg::Int16Array lanes, shards, ranks;
  pg::TextArray projects, types, principals, titles, traces;
  pg::Int64Array generations, revisions;
  pg::TimeArray dues;
  std::string key;
  for (const Uuid& id : ids) {
    key.assign(kPrincipal).push_back('\0');
    key += id.ToString();
    keys.Append(key);
    contents.Append(std::string_view(reinterpret_cast<const char*>(shard_epochs_.data()), 32));
    tasks.Append(id);
    lanes.Append(static_cast<std::int16_t>(queued_.lane));
    projects.Append(queued_.project);
    types.Append("docs");
    principals.Append(kPrincipal);
    titles.Append(title_);
    traces.Append("");
    specs.Append(spec_);
    shards.Append(ShardNumber(id));
    ranks.Append(static_cast<std::int16_t>(queued_.rank()));
    generations.Append(0);
    revisions.Append(queued_.revision);
    dues.AppendNull();
    carries.Append(queued_carry_);
  }
  Counts counts;
  counts.Add(queued_.lane, Stage::kReady, static_cast<std::int64_t>(ids.size()));
  std::array<pg::Params, 5> params;
  params[0].Add(keys).Add(contents).Add(tasks);
  params[1].Add(tasks).Add(lanes).Add(projects).Add(types).Add(principals).Add(titles).Add(traces).Add(specs);
  params[2].Add(shards).Add(ranks).Add(tasks).Add(generations).Add(revisions).Add(dues).Add(carries);
  params[3].Add(absl::Now()).Add(pg::Bytes{Events(submit_events_, submit_size_, ids.size(), queued_, 0)});
  params[4].Add(counts.lanes).Add(counts.stages).Add(counts.deltas);
  return Commit({{&task_queue::kClaimRequests, &params[0]},
                 {&task_queue::kAddTasks, &params[1]},
                 {&task_queue::kAddReady, &params[2]},
                 {&task_queue::kAddEvents, &params[3]},
                 {&task_queue::kAddStageDeltas, &params[4]}},
                static_cast<int>(ids.size()));
}

absl::Status PlainWriter::Assign(absl::Span<const Uuid> ids) {
  pg::Int16Array shards, ranks;
  pg::UuidArray tasks;
  pg::Int64Array generations, revisions, shard_epochs, session_epochs, next_generations, next_revisions;
  pg::TextArray agents;
  pg::TimeArray dues;
  pg::BoolArray directives;
  pg::BytesArray carries;
  const absl::Time due = absl::Now() + absl::Minutes(1);
  for (const Uuid& id : ids) {
    shards.Append(ShardNumber(id));
    ranks.Append(static_cast<std::int16_t>(queued_.rank()));
    tasks.Append(id);
    generations.Append(0);
    revisions.Append(queued_.revision);
    shard_epochs.Append(shard_epochs_[ShardNumber(id)]);
    agents.Append(agent_);
    session_epochs.Append(session_epoch_);
    next_generations.Append(task_queue::ToInt(running_.generation));
    next_revisions.Append(running_.revision);
    dues.Append(due);
    directives.Append(false);
    carries.Append(running_carry_);
  }
  Counts counts;
  counts.Add(queued_.lane, Stage::kReady, -static_cast<std::int64_t>(ids.size()));
  counts.Add(queued_.lane, Stage::kRunning, static_cast<std::int64_t>(ids.size()));
  std::array<pg::Params, 4> params;
  params[0]
      .Add(shards)
      .Add(ranks)
      .Add(tasks)
      .Add(generations)
      .Add(revisions)
      .Add(shard_epochs)
      .Add(agents)
      .Add(session_epochs);
  params[1].Add(tasks).Add(next_generations).Add(next_revisions).Add(dues).Add(agents).Add(directives).Add(carries);
  params[2]
      .Add(absl::Now())
      .Add(pg::Bytes{Events(assign_events_, assign_size_, ids.size(), running_, queued_.timeline.size())});
  params[3].Add(counts.lanes).Add(counts.stages).Add(counts.deltas);
  return Commit({{&task_queue::kRemoveReady, &params[0]},
                 {&task_queue::kAddRunning, &params[1]},
                 {&task_queue::kAddEvents, &params[2]},
                 {&task_queue::kAddStageDeltas, &params[3]}},
                static_cast<int>(ids.size()));
}

absl::Status PlainWriter::Report(absl::Span<const Uuid> ids) {
  pg::UuidArray tasks;
  pg::Int64Array generations, revisions, session_epochs;
  pg::TextArray agents;
  pg::Int16Array states;
  pg::TimeArray times;
  pg::BytesArray carries;
  const absl::Time now = absl::Now();
  for (const Uuid& id : ids) {
    tasks.Append(id);
    generations.Append(task_queue::ToInt(running_.generation));
    revisions.Append(running_.revision);
    agents.Append(agent_);
    session_epochs.Append(session_epoch_);
    states.Append(static_cast<std::int16_t>(done_.state));
    times.Append(now);
    carries.Append(done_carry_);
  }
  Counts counts;
  counts.Add(queued_.lane, Stage::kRunning, -static_cast<std::int64_t>(ids.size()));
  counts.Add(queued_.lane, Stage::kDone, static_cast<std::int64_t>(ids.size()));
  std::array<pg::Params, 4> params;
  params[0].Add(tasks).Add(generations).Add(revisions).Add(agents).Add(session_epochs);
  params[1].Add(tasks).Add(states).Add(times).Add(carries);
  params[2].Add(now).Add(pg::Bytes{Events(report_events_, report_size_, ids.size(), done_, running_.timeline.size())});
  params[3].Add(counts.lanes).Add(counts.stages).Add(counts.deltas);
  return Commit({{&task_queue::kRemoveRunning, &params[0]},
                 {&task_queue::kAddOutcome, &params[1]},
                 {&task_queue::kAddEvents, &params[2]},
                 {&task_queue::kAddStageDeltas, &params[3]}},
                static_cast<int>(ids.size()));
}

absl::Status PlainWriter::Fill(absl::Span<const Uuid> ids, task_queue::Lane lane, Stage stage, CarryOf carry_of) {
  pg::BytesArray keys, contents, specs, carries;
  pg::UuidArray tasks;
  pg::Int16Array lanes, shards, ranks, states;
  pg::TextArray projects, types, principals, titles, traces;
  pg::Int64Array generations, revisions;
  pg::TimeArray dues, times;
  const absl::Time now = absl::Now();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::string key(kPrincipal);
    key.push_back('\0');
    key += ids[i].ToString();
    keys.Append(key);
    contents.Append(std::string_view(reinterpret_cast<const char*>(shard_epochs_.data()), 32));
    tasks.Append(ids[i]);
    lanes.Append(static_cast<std::int16_t>(lane));
    projects.Append(queued_.project);
    types.Append("docs");
    principals.Append(kPrincipal);
    titles.Append(title_);
    traces.Append("");
    specs.Append(spec_);
    carries.Append(carry_of(i));
    shards.Append(ShardNumber(ids[i]));
    ranks.Append(static_cast<std::int16_t>(static_cast<int>(lane) * 2));
    generations.Append(0);
    revisions.Append(queued_.revision);
    dues.AppendNull();
    states.Append(static_cast<std::int16_t>(done_.state));
    times.Append(now);
  }
  Counts counts;
  counts.Add(lane, stage, static_cast<std::int64_t>(ids.size()));
  std::array<pg::Params, 4> params;
  params[0].Add(keys).Add(contents).Add(tasks);
  params[1].Add(tasks).Add(lanes).Add(projects).Add(types).Add(principals).Add(titles).Add(traces).Add(specs);
  const bool ready = stage == Stage::kReady;
  if (ready) {
    params[2].Add(shards).Add(ranks).Add(tasks).Add(generations).Add(revisions).Add(dues).Add(carries);
  } else {
    params[2].Add(tasks).Add(states).Add(times).Add(carries);
  }
  params[3].Add(counts.lanes).Add(counts.stages).Add(counts.deltas);
  return Commit({{&task_queue::kClaimRequests, &params[0]},
                 {&task_queue::kAddTasks, &params[1]},
                 {ready ? &task_queue::kAddReady : &task_queue::kAddOutcome, &params[2]},
                 {&task_queue::kAddStageDeltas, &params[3]}},
                static_cast<int>(ids.size()));
}

absl::StatusOr<Floor> MeasureFloor(const Installation& installation, const FloorPlan& plan) {
  const bool whole = plan.assign > 0 && plan.report > 0;
  SY_ASSIGN_OR_RETURN(PlainWriter submitter, PlainWriter::Make(installation));
  SY_ASSIGN_OR_RETURN(PlainWriter assigner, PlainWriter::Make(installation));
  SY_ASSIGN_OR_RETURN(PlainWriter reporter, PlainWriter::Make(installation));
  Belt ready, running;
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> done{0};
  std::array<absl::Status, 3> failures;
  const auto give_up = [&](std::size_t who, absl::Status status) {
    failures[who] = std::move(status);
    ready.Close();
    running.Close();
    stop = true;
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    const DisciplinedClock clock;
    const std::unique_ptr<Rng> rng = MakeSystemRng();
    TimeOrderedIdSource source(clock, *rng);
    std::vector<Uuid> ids(static_cast<std::size_t>(plan.submit));
    while (!stop) {
      for (Uuid& id : ids) id = source.NewUuid();
      if (absl::Status status = submitter.Submit(ids); !status.ok()) return give_up(0, std::move(status));
      if (!whole) {
        done += plan.submit;
      } else if (!ready.Put(ids)) {
        return;
      }
    }
  });
  if (whole) {
    threads.emplace_back([&] {
      std::vector<Uuid> ids;
      while (ready.Take(static_cast<std::size_t>(plan.assign), ids)) {
        if (absl::Status status = assigner.Assign(ids); !status.ok()) return give_up(1, std::move(status));
        if (!running.Put(ids)) return;
      }
    });
    threads.emplace_back([&] {
      std::vector<Uuid> ids;
      while (running.Take(static_cast<std::size_t>(plan.report), ids)) {
        if (absl::Status status = reporter.Report(ids); !status.ok()) return give_up(2, std::move(status));
        done += plan.report;
      }
    });
  }
  absl::SleepFor(kFloorWarmUp);
  const Spent spent = installation.SpentSoFar();
  const std::int64_t before = done;
  const std::int64_t begun = SteadyNanos();
  absl::SleepFor(absl::Seconds(plan.seconds));
  const double count = static_cast<double>(done - before);
  const double seconds = static_cast<double>(SteadyNanos() - begun) / 1e9;
  const Spent used = installation.SpentSoFar() - spent;
  stop = true;
  ready.Close();
  running.Close();
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& failure : failures) SY_RETURN_IF_ERROR(failure);
  return Floor{.rate = count / seconds,
               .client_us = absl::ToDoubleMicroseconds(used.client) / std::max(1.0, count),
               .postgres_us = absl::ToDoubleMicroseconds(used.postgres) / std::max(1.0, count)};
}

}  // namespace switchyard::bench

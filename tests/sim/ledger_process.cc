#include "tests/sim/ledger_process.h"

#include <algorithm>
#include <array>

#include "libs/base/status_macros.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/task_convert.h"

namespace switchyard::sim {
namespace tq = task_queue;
namespace {

constexpr absl::Duration kPump = absl::Milliseconds(100);
constexpr absl::Duration kSweep = absl::Milliseconds(500);
constexpr absl::Duration kDirectives = absl::Seconds(1);

bool IsWithdrawal(const tq::TaskEvent& event) {
  if (event.agent.empty()) return false;
  if (event.kind != tq::EventKind::kReturned && event.kind != tq::EventKind::kFinished) return false;
  return event.cause == "ACCEPT_TIMEOUT" || event.cause == "RUN_TIMEOUT" || event.cause == "STUCK" ||
         event.cause == "AGENT_LOST" || event.cause == "COMPLETE_BY" || event.cause == "CANCEL_TIMEOUT";
}

}  // namespace

struct LedgerProcess::Core {
  struct ReadyReader {
    std::shared_ptr<Wire> wire;
    ReadySink sink;
    std::array<bool, tq::kShardCount> shards = {};
  };
  struct DirectiveReader {
    std::shared_ptr<Wire> wire;
    DirectiveSink sink;
  };
  // Tells readers of what a batch made ready, as the lanes of production do.
  class Lanes final : public tq::TaskLanes {
   public:
    Lanes(tq::TaskStore& store, tq::TaskQueue& queue, LedgerProcess& owner) : lanes_(store, queue), owner_(owner) {}
    void Submit(tq::Submission submission, SubmitAnswer answer) override {
      lanes_.Submit(std::move(submission),
                    [this, answer = std::move(answer)](absl::StatusOr<tq::Submitted> submitted) mutable {
                      if (submitted.ok() && submitted->record != nullptr) owner_.Push(*submitted->record);
                      answer(std::move(submitted));
                    });
    }
    void Execute(tq::Command command, ExecuteAnswer answer) override {
      lanes_.Execute(std::move(command),
                     [this, answer = std::move(answer)](absl::StatusOr<tq::Executed> executed) mutable {
                       if (executed.ok() && executed->record != nullptr) owner_.Push(*executed->record);
                       answer(std::move(executed));
                     });
    }

   private:
    tq::InlineLanes lanes_;
    LedgerProcess& owner_;
  };

  Core(LedgerProcess& owner, const Clock& clock)
      : store(*owner.parts_.store, owner.gate_),
        cache(1000, 10 << 20),
        queue(owner.parts_.rules, clock, *owner.parts_.ids, cache),
        lanes(store, queue, owner),
        sessions(owner.parts_.rules, store, lanes, clock, absl::ZeroDuration()),
        due(store, lanes, clock),
        reaper(owner.parts_.rules, store, lanes, clock) {}

  FaultyStore store;
  tq::RecordCache cache;
  tq::TaskQueue queue;
  Lanes lanes;
  tq::SessionDesk sessions;
  tq::DueSweeper due;
  tq::SessionReaper reaper;
  std::vector<ReadyReader> ready;
  std::vector<DirectiveReader> directives;
  std::optional<tq::EventPosition> position;
};

LedgerProcess::LedgerProcess(World& world, std::string name, int index, Parts parts)
    : Process(world, std::move(name), index), parts_(std::move(parts)), gate_(*this) {}
LedgerProcess::~LedgerProcess() = default;

void LedgerProcess::Boot() {
  core_ = std::make_unique<Core>(*this, clock());
  Every(kPump, [this] { Pump(); });
  Every(kSweep, [this] {
    if (!parts_.forgets_limits) (void)core_->due.Tick();
    (void)core_->reaper.Tick();
  });
  Every(kDirectives, [this] { SendDirectives(); });
}

void LedgerProcess::Die() { core_.reset(); }

absl::StatusOr<tq::Executed> LedgerProcess::Do(tq::Command command) {
  if (auto* const report = std::get_if<tq::Report>(&command.what); report != nullptr && parts_.believes_everybody) {
    absl::StatusOr<tq::StoredTask> stored = parts_.store->Get(command.id);
    if (stored.ok() && !stored->record.agent.empty()) {
      report->generation = stored->record.generation;
      report->agent = stored->record.agent;
    }
  }
  absl::StatusOr<tq::Executed> result = absl::InternalError("not executed");
  core_->lanes.Execute(std::move(command),
                       [&result](absl::StatusOr<tq::Executed> answer) { result = std::move(answer); });
  return result;
}

absl::StatusOr<tq::v1::AcquireShardsResponse> LedgerProcess::AcquireShards(
    const tq::v1::AcquireShardsRequest& request) {
  tq::v1::AcquireShardsResponse response;
  if (request.release()) {
    SY_RETURN_IF_ERROR(core_->store.ReleaseShards(request.owner_id()));
    return response;
  }
  const absl::Time now = clock().Now();
  const absl::Time expire = now + parts_.rules.shard_lease;
  const int want = request.want() == 0 ? tq::kShardCount : request.want();
  SY_ASSIGN_OR_RETURN(const std::vector<tq::ShardLease> leases,
                      core_->store.AcquireShards(request.owner_id(), want, now, expire));
  for (const tq::ShardLease& lease : leases) {
    tq::v1::ShardLease& out = *response.add_shards();
    out.set_shard(lease.shard);
    out.set_epoch(lease.epoch);
  }
  tq::Set(expire, response.mutable_expire_time());
  return response;
}

absl::StatusOr<tq::v1::AssignTasksResponse> LedgerProcess::AssignTasks(const tq::v1::AssignTasksRequest& request) {
  tq::v1::AssignTasksResponse response;
  for (const tq::v1::Assignment& assignment : request.assignments()) {
    tq::v1::AssignResult& result = *response.add_results();
    result.set_task_id(assignment.task_id());
    absl::StatusOr<tq::Command> command = tq::ToCommand(assignment);
    const absl::StatusOr<tq::Executed> answer =
        command.ok() ? Do(*std::move(command)) : absl::StatusOr<tq::Executed>(command.status());
    if (!answer.ok()) {
      tq::ToProto(answer.status(), result.mutable_error());
      continue;
    }
    result.set_generation(tq::ToInt(answer->record->generation));
    result.mutable_spec()->ParseFromString(answer->spec->spec);
    tq::Set(tq::AcceptBy(parts_.rules, *answer->record), result.mutable_accept_by());
  }
  return response;
}

absl::StatusOr<tq::v1::ReportTasksResponse> LedgerProcess::ReportTasks(const tq::v1::ReportTasksRequest& request) {
  tq::v1::ReportTasksResponse response;
  for (const tq::v1::TaskReport& report : request.reports()) {
    tq::v1::ReportResult& result = *response.add_results();
    result.set_task_id(report.task_id());
    absl::StatusOr<tq::Command> command = tq::ToCommand(report);
    const absl::StatusOr<tq::Executed> answer =
        command.ok() ? Do(*std::move(command)) : absl::StatusOr<tq::Executed>(command.status());
    if (answer.ok()) {
      result.set_state(static_cast<tq::v1::TaskState>(answer->state));
    } else {
      tq::ToProto(answer.status(), result.mutable_error());
    }
  }
  return response;
}

absl::StatusOr<tq::v1::ReadReadyResponse> LedgerProcess::ReadReady(const tq::v1::ReadReadyRequest& request) {
  std::array<tq::ReadyAfter, tq::kLaneCount> after;
  for (int lane = 1; lane <= tq::kLaneCount; ++lane) after[lane - 1].rank = lane * 2 + 2;
  for (const tq::v1::LaneCursor& cursor : request.cursors()) {
    tq::ReadyAfter& from = after[cursor.lane() - 1];
    from.rank = cursor.lane() * 2 + (cursor.retried() ? 1 : 0);
    if (!cursor.after_task_id().empty()) {
      SY_ASSIGN_OR_RETURN(from.id, tq::TaskId::Parse(cursor.after_task_id()));
    }
  }
  const std::vector<int> shards(request.shards().begin(), request.shards().end());
  SY_ASSIGN_OR_RETURN(tq::ReadyScan scan, core_->store.ScanReady(shards, request.limit(), after));
  tq::v1::ReadReadyResponse response;
  for (tq::TaskRecord& record : scan.tasks) {
    SY_RETURN_IF_ERROR(tq::ToProto(record, response.add_tasks()));
    core_->cache.Put(std::make_shared<const tq::TaskRecord>(std::move(record)));
  }
  for (const tq::Lane lane : scan.truncated) response.add_truncated_lanes(static_cast<tq::v1::Lane>(lane));
  return response;
}

absl::StatusOr<tq::v1::DescribeTaskResponse> LedgerProcess::DescribeTask(const tq::v1::DescribeTaskRequest& request) {
  SY_ASSIGN_OR_RETURN(const tq::TaskId id, tq::TaskId::Parse(request.task_id()));
  SY_ASSIGN_OR_RETURN(const tq::StoredTask task, core_->store.Get(id));
  tq::v1::DescribeTaskResponse response;
  SY_RETURN_IF_ERROR(tq::ToProto(task.record, response.mutable_task()));
  response.set_state(static_cast<tq::v1::TaskState>(task.record.state));
  response.set_hold_reason(static_cast<tq::v1::HoldReason>(task.record.hold));
  response.set_agent_id(task.record.agent);
  return response;
}

absl::StatusOr<tq::v1::OpenSessionResponse> LedgerProcess::OpenSession(const tq::v1::OpenSessionRequest& request) {
  std::vector<tq::HeldTask> held;
  for (const tq::v1::HeldTask& task : request.held()) {
    SY_ASSIGN_OR_RETURN(const tq::TaskId id, tq::TaskId::Parse(task.task_id()));
    held.push_back({id, tq::Generation(task.generation())});
  }
  SY_ASSIGN_OR_RETURN(const tq::OpenedSession opened, core_->sessions.Open(request.agent_id(), request.hub_id(), held,
                                                                           request.restarted(), request.connection()));
  tq::v1::OpenSessionResponse response;
  response.set_session_epoch(opened.session.epoch);
  tq::Set(opened.session.expire_time, response.mutable_expire_time());
  const auto add = [](const std::vector<tq::HeldTask>& tasks, auto* out) {
    for (const tq::HeldTask& task : tasks) {
      tq::v1::HeldTask& entry = *out->Add();
      entry.set_task_id(task.task.ToString());
      entry.set_generation(tq::ToInt(task.generation));
    }
  };
  add(opened.keep, response.mutable_keep());
  add(opened.drop, response.mutable_drop());
  for (const tq::StoredTask& task : opened.redeliver) {
    SY_RETURN_IF_ERROR(tq::ToProto(task, tq::AcceptBy(parts_.rules, task.record), response.add_redeliver()));
  }
  return response;
}

absl::StatusOr<tq::v1::ListAssignedResponse> LedgerProcess::ListAssigned(const tq::v1::ListAssignedRequest& request) {
  const std::vector<std::string> agents(request.agent_ids().begin(), request.agent_ids().end());
  SY_ASSIGN_OR_RETURN(const std::vector<tq::StoredTask> owned, core_->store.OwnedBy(agents));
  tq::v1::ListAssignedResponse response;
  for (const tq::StoredTask& task : owned) {
    SY_RETURN_IF_ERROR(tq::ToProto(task, tq::AcceptBy(parts_.rules, task.record), response.add_tasks()));
  }
  return response;
}

absl::StatusOr<std::vector<std::string>> LedgerProcess::RenewSessions(
    const std::vector<std::pair<std::string, std::int64_t>>& sessions) {
  return core_->store.RenewSessions(sessions, clock().Now() + parts_.rules.session_lease);
}

absl::StatusOr<bool> LedgerProcess::Confirm(const tq::TaskId& id, std::int64_t generation) {
  SY_ASSIGN_OR_RETURN(const tq::StoredTask task, core_->store.Get(id));
  return task.record.stage() == tq::Stage::kRunning && tq::ToInt(task.record.generation) == generation &&
         !task.record.cancel_requested;
}

absl::StatusOr<tq::TaskId> LedgerProcess::Submit(const tq::Submission& submission) {
  absl::StatusOr<tq::TaskId> id = absl::InternalError("not executed");
  core_->lanes.Submit(submission, [&id](const absl::StatusOr<tq::Submitted>& answer) {
    id = answer.ok() ? absl::StatusOr<tq::TaskId>(answer->id) : answer.status();
  });
  return id;
}

absl::StatusOr<tq::TaskState> LedgerProcess::Execute(const tq::Command& command) {
  SY_ASSIGN_OR_RETURN(const tq::Executed executed, Do(command));
  return executed.state;
}

void LedgerProcess::WatchReady(const tq::v1::WatchReadyRequest& request, std::shared_ptr<Wire> wire, ReadySink sink) {
  Core::ReadyReader reader{.wire = std::move(wire), .sink = std::move(sink)};
  for (const int shard : request.shards()) reader.shards[shard] = true;
  tq::v1::WatchReadyResponse first;
  first.mutable_pauses();
  reader.sink(std::move(first));
  core_->ready.push_back(std::move(reader));
}

void LedgerProcess::WatchDirectives(std::shared_ptr<Wire> wire, DirectiveSink sink) {
  core_->directives.push_back({std::move(wire), std::move(sink)});
}

void LedgerProcess::Push(const tq::TaskRecord& record) {
  if (record.stage() != tq::Stage::kReady) return;
  std::erase_if(core_->ready, [](const Core::ReadyReader& reader) { return !reader.wire->open(1); });
  for (const Core::ReadyReader& reader : core_->ready) {
    if (!reader.shards[record.shard()]) continue;
    tq::v1::WatchReadyResponse message;
    if (tq::ToProto(record, message.add_tasks()).ok()) reader.sink(std::move(message));
  }
}

void LedgerProcess::Pump() {
  if (!core_->position.has_value()) {
    const absl::StatusOr<tq::EventPosition> end = core_->store.EventsEnd();
    if (!end.ok()) return;
    core_->position = *end;
  }
  const absl::StatusOr<tq::EventPage> page = core_->store.ReadEvents(*core_->position, 64);
  if (!page.ok() || page->batches.empty()) return;
  std::vector<tq::TaskId> foreign;
  for (const tq::EventBatch& batch : page->batches) {
    for (const tq::PublishedEvent& event : batch.events) {
      if (IsWithdrawal(event.event)) {
        tq::v1::WatchDirectivesResponse response;
        tq::v1::Directive& directive = *response.add_directives();
        directive.set_task_id(event.task.ToString());
        directive.set_generation(tq::ToInt(event.event.generation));
        directive.set_agent_id(event.event.agent);
        directive.mutable_withdraw()->set_reason(event.event.cause);
        Tell(response);
      }
      const bool ready = event.event.state == tq::TaskState::kQueued && event.event.hold == tq::HoldReason::kNone;
      if (core_->cache.EraseOlder(event.task, event.event.ordinal) && ready) foreign.push_back(event.task);
    }
  }
  core_->position = page->batches.back().position;
  if (core_->ready.empty()) return;
  for (const tq::TaskId& id : foreign) {
    const absl::StatusOr<tq::StoredTask> task = core_->store.Get(id);
    if (!task.ok()) continue;
    core_->cache.Put(std::make_shared<const tq::TaskRecord>(task->record));
    Push(task->record);
  }
}

void LedgerProcess::Tell(const tq::v1::WatchDirectivesResponse& response) {
  std::erase_if(core_->directives, [](const Core::DirectiveReader& reader) { return !reader.wire->open(1); });
  for (const Core::DirectiveReader& reader : core_->directives) reader.sink(response);
}

void LedgerProcess::SendDirectives() {
  if (core_->directives.empty()) return;
  const absl::StatusOr<std::vector<tq::TaskRecord>> records = core_->store.WithDirectives({}, 1000);
  if (!records.ok() || records->empty()) return;
  tq::v1::WatchDirectivesResponse response;
  for (const tq::TaskRecord& record : *records) {
    tq::v1::Directive directive;
    if (tq::ToProto(record, &directive)) *response.add_directives() = std::move(directive);
  }
  if (response.directives_size() > 0) Tell(response);
}

}  // namespace switchyard::sim

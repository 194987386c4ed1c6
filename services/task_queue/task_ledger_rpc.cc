#include "services/task_queue/task_ledger_rpc.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/ledger_validation.h"
#include "services/task_queue/proto_time.h"
#include "services/task_queue/task_convert.h"
#include "services/task_queue/task_queue_errors.h"

namespace switchyard::task_queue {
namespace {

constexpr rpc::StreamLimits kReadyLimits{.max_messages = 4096, .max_bytes = 16u << 20};
// Of all that one answer names: who asked waits for no longer than this.
constexpr absl::Duration kSummariesTime = absl::Seconds(2);

absl::Status LedgerRefusal(std::vector<FieldViolation> violations) {
  return violations.empty() ? absl::OkStatus() : InvalidFields(std::move(violations));
}

void AddRefusals(const TaskRecord& record, v1::DescribeTaskResponse& out) {
  for (const std::string& agent : record.refusing_agents) {
    const auto said = std::find_if(record.history.rbegin(), record.history.rend(), [&](const Attempt& attempt) {
      return attempt.agent == agent && attempt.outcome == AttemptOutcome::kRejected;
    });
    v1::Refusal& refusal = *out.add_refusals();
    refusal.set_agent_id(agent);
    if (said == record.history.rend()) continue;
    refusal.set_reason(said->failure.reason);
    refusal.set_message(said->failure.message);
  }
}

template <class Response>
void FillReportResults(const std::vector<absl::StatusOr<Executed>>& answers, const std::vector<std::string>& ids,
                       Response& response) {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    v1::ReportResult& result = *response.add_results();
    result.set_task_id(ids[i]);
    if (answers[i].ok()) {
      result.set_state(static_cast<v1::TaskState>(answers[i]->state));
    } else {
      ToProto(answers[i].status(), result.mutable_error());
    }
  }
}

template <class Items>
std::vector<std::string> IdsOf(const Items& items) {
  std::vector<std::string> ids;
  ids.reserve(items.size());
  for (const auto& item : items) ids.push_back(item.task_id());
  return ids;
}

void AddHeld(const std::vector<HeldTask>& tasks, google::protobuf::RepeatedPtrField<v1::HeldTask>* out) {
  for (const HeldTask& task : tasks) {
    v1::HeldTask& held = *out->Add();
    held.set_task_id(task.task.ToString());
    held.set_generation(ToInt(task.generation));
  }
}

void LogNoSummary(const v1::AssignResult& result, const absl::Status& status) {
  LogWarning(
      "a task goes on without what the one before it left behind",
      {{"task_id", result.task_id()}, {"continues_task_id", result.spec().continues_task_id()}, {"status", status}});
}

}  // namespace

TaskLedgerRpc::TaskLedgerRpc(rpc::CallGate& gate, const RpcDeps& deps, DirectiveFeed& directives,
                             VerifyingFeed& verifying, SessionDesk& sessions, const Rules& rules)
    : rpc_(gate, v1::TaskLedgerService::service_full_name()),
      deps_(deps),
      directives_(directives),
      verifying_(verifying),
      sessions_(sessions),
      rules_(rules) {
  TakeRaw(rpc_, &TaskLedgerRpc::WatchReady, &TaskLedgerRpc::ReadReady, &TaskLedgerRpc::DescribeTask,
          &TaskLedgerRpc::ReadTask, &TaskLedgerRpc::WatchDirectives, &TaskLedgerRpc::WatchVerifying,
          &TaskLedgerRpc::ReadVerifying, &TaskLedgerRpc::AssignTasks, &TaskLedgerRpc::ReportTasks,
          &TaskLedgerRpc::ConcludeTasks, &TaskLedgerRpc::HoldTasks, &TaskLedgerRpc::ConfirmGeneration,
          &TaskLedgerRpc::OpenSession, &TaskLedgerRpc::RenewSessions, &TaskLedgerRpc::ListAssigned,
          &TaskLedgerRpc::AcquireShards);
}

template <class Items>
void TaskLedgerRpc::ExecuteAll(const Items& items, absl::Time until,
                               std::function<void(std::vector<absl::StatusOr<Executed>>)> done) {
  auto gather = std::make_shared<Gather<Executed>>(items.size(), std::move(done));  // Shared by all answers.
  for (int i = 0; i < items.size(); ++i) {
    absl::StatusOr<Command> command = ToCommand(items[i]);
    if (!command.ok()) {
      gather->Set(i, command.status());
      continue;
    }
    command->wanted_until = until;
    deps_.lanes.Execute(*std::move(command),
                        [gather, i](absl::StatusOr<Executed> answer) { gather->Set(i, std::move(answer)); });
  }
}

grpc::ServerWriteReactor<v1::WatchReadyResponse>* TaskLedgerRpc::WatchReady(grpc::CallbackServerContext* context,
                                                                            const v1::WatchReadyRequest* request) {
  return rpc_.Stream<v1::WatchReadyResponse>(context, watch_ready_, request, kReadyLimits,
                                             [this](const rpc::CallContext&, const v1::WatchReadyRequest& request,
                                                    std::shared_ptr<ReadyFeed::Stream> stream) -> absl::Status {
                                               SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                                               return deps_.ready.Open(request, std::move(stream));
                                             });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ReadReady(grpc::CallbackServerContext* context,
                                                   const v1::ReadReadyRequest* request,
                                                   v1::ReadReadyResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, read_ready_, request, response,
                            [this](const rpc::CallContext&, const v1::ReadReadyRequest& request,
                                   v1::ReadReadyResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              return deps_.ready.Read(request, response);
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::DescribeTask(grpc::CallbackServerContext* context,
                                                      const v1::DescribeTaskRequest* request,
                                                      v1::DescribeTaskResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, describe_, request, response,
                            [this](const rpc::CallContext& call, const v1::DescribeTaskRequest& request,
                                   v1::DescribeTaskResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              SY_ASSIGN_OR_RETURN(const StoredTask task,
                                                  deps_.store.Get(id, {.within = call.remaining(), .specs = false}));
                              const TaskRecord& record = task.record;
                              SY_RETURN_IF_ERROR(ToProto(record, response.mutable_task()));
                              response.set_state(static_cast<v1::TaskState>(record.state));
                              response.set_hold_reason(static_cast<v1::HoldReason>(record.hold));
                              if (IsFinite(record.hold_until)) Set(record.hold_until, response.mutable_hold_until());
                              response.set_agent_id(record.agent);
                              response.set_attempts(record.attempts);
                              response.set_losses(record.losses);
                              AddRefusals(record, response);
                              for (const Awaited& awaited : record.awaits) {
                                if (!awaited.failed) response.add_awaited_task_ids(awaited.task.ToString());
                              }
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ReadTask(grpc::CallbackServerContext* context,
                                                  const v1::ReadTaskRequest* request, v1::ReadTaskResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, read_task_, request, response,
                            [this](const rpc::CallContext& call, const v1::ReadTaskRequest& request,
                                   v1::ReadTaskResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              SY_ASSIGN_OR_RETURN(const StoredTask task,
                                                  deps_.store.Get(id, {.within = call.remaining()}));
                              return ToProto(task, TaskView::kList, response.mutable_task());
                            });
}

grpc::ServerWriteReactor<v1::WatchDirectivesResponse>* TaskLedgerRpc::WatchDirectives(
    grpc::CallbackServerContext* context, const v1::WatchDirectivesRequest* request) {
  return rpc_.Stream<v1::WatchDirectivesResponse>(
      context, watch_directives_, request, rpc::StreamLimits{},
      [this](const rpc::CallContext&, const v1::WatchDirectivesRequest& request,
             std::shared_ptr<DirectiveFeed::Stream> stream) -> absl::Status {
        SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
        return directives_.Open(request, std::move(stream));
      });
}

grpc::ServerWriteReactor<v1::WatchVerifyingResponse>* TaskLedgerRpc::WatchVerifying(
    grpc::CallbackServerContext* context, const v1::WatchVerifyingRequest* request) {
  return rpc_.Stream<v1::WatchVerifyingResponse>(
      context, watch_verifying_, request, kReadyLimits,
      [this](const rpc::CallContext&, const v1::WatchVerifyingRequest& request,
             std::shared_ptr<VerifyingFeed::Stream> stream) { return verifying_.Open(request, std::move(stream)); });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ReadVerifying(grpc::CallbackServerContext* context,
                                                       const v1::ReadVerifyingRequest* request,
                                                       v1::ReadVerifyingResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, read_verifying_, request, response,
                            [this](const rpc::CallContext& call, const v1::ReadVerifyingRequest& request,
                                   v1::ReadVerifyingResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              SY_ASSIGN_OR_RETURN(const StoredTask task,
                                                  deps_.store.Get(id, {.within = call.remaining()}));
                              const TaskRecord& record = task.record;
                              const Generation asked = Generation(request.generation());
                              if (record.state != TaskState::kVerifying || record.generation != asked) {
                                return StaleGeneration(id, asked, record.generation);
                              }
                              SY_RETURN_IF_ERROR(ToProto(task, TaskView::kFull, response.mutable_task()));
                              response.set_routing(record.routing);
                              Set(DueTime(rules_, record), response.mutable_due());
                              return absl::OkStatus();
                            });
}

void TaskLedgerRpc::AddSummary(absl::Time until, v1::AssignResult& result) const {
  if (result.spec().continues_task_id().empty()) return;
  const auto read = [&]() -> absl::Status {
    SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(result.spec().continues_task_id()));
    const absl::Duration within = until - deps_.clock.Now();
    if (within <= absl::ZeroDuration()) return absl::DeadlineExceededError("no time is left to read it");
    SY_ASSIGN_OR_RETURN(const StoredTask continued, deps_.store.Get(id, {.within = within, .specs = false}));
    v1::TaskResult left;
    if (!left.ParseFromString(continued.record.result)) return absl::DataLossError("its result cannot be read");
    if (left.state_summary().empty()) return absl::OkStatus();
    const char* const between = result.state_summary().empty() ? "" : "\n\n";
    result.set_state_summary(absl::StrCat(left.state_summary(), between, result.state_summary()));
    return absl::OkStatus();
  };
  // It may have outlived its retention.
  if (const absl::Status status = read(); !status.ok() && !absl::IsNotFound(status)) LogNoSummary(result, status);
}

void TaskLedgerRpc::AddSummaries(v1::AssignTasksResponse& response, std::function<void()> done) {
  const bool any =
      std::any_of(response.results().begin(), response.results().end(),
                  [](const v1::AssignResult& result) { return !result.spec().continues_task_id().empty(); });
  if (!any) return done();
  const absl::Status taken = deps_.blocking.Run([this, &response, done] {
    const absl::Time until = deps_.clock.Now() + kSummariesTime;
    for (v1::AssignResult& result : *response.mutable_results()) AddSummary(until, result);
    done();
  });
  if (taken.ok()) return;
  for (const v1::AssignResult& result : response.results()) {
    if (!result.spec().continues_task_id().empty()) LogNoSummary(result, taken);
  }
  done();
}

grpc::ServerUnaryReactor* TaskLedgerRpc::AssignTasks(grpc::CallbackServerContext* context,
                                                     const v1::AssignTasksRequest* request,
                                                     v1::AssignTasksResponse* response) {
  return rpc_.Unary(context, assign_, request, response,
                    [this](const rpc::CallContext& call, const v1::AssignTasksRequest& request,
                           v1::AssignTasksResponse& response, rpc::Done done) {
                      if (absl::Status refusal = LedgerRefusal(Validate(request)); !refusal.ok()) return done(refusal);
                      const auto answer =
                          std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
                      ExecuteAll(request.assignments(), call.deadline(),
                                 [this, start = call.start(), &response, answer, ids = IdsOf(request.assignments())](
                                     const std::vector<absl::StatusOr<Executed>>& answers) {
                                   for (std::size_t i = 0; i < answers.size(); ++i) {
                                     v1::AssignResult& result = *response.add_results();
                                     result.set_task_id(ids[i]);
                                     if (!answers[i].ok()) {
                                       ToProto(answers[i].status(), result.mutable_error());
                                       continue;
                                     }
                                     const TaskRecord& record = *answers[i]->record;
                                     result.set_generation(ToInt(record.generation));
                                     if (!result.mutable_spec()->ParseFromString(answers[i]->spec->spec)) {
                                       ToProto(absl::DataLossError("the stored specification cannot be read"),
                                               result.mutable_error());
                                     }
                                     Set(AcceptBy(rules_, record), result.mutable_accept_by());
                                     result.set_traceparent(answers[i]->spec->traceparent);
                                     result.set_state_summary(FindingsAgainst(record));
                                   }
                                   deps_.meter.Assigned(deps_.clock.Now() - start);
                                   AddSummaries(response, [answer] { (*answer)(absl::OkStatus()); });
                                 });
                    });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ReportTasks(grpc::CallbackServerContext* context,
                                                     const v1::ReportTasksRequest* request,
                                                     v1::ReportTasksResponse* response) {
  return rpc_.Unary(context, report_, request, response,
                    [this](const rpc::CallContext& call, const v1::ReportTasksRequest& request,
                           v1::ReportTasksResponse& response, rpc::Done done) {
                      if (absl::Status refusal = LedgerRefusal(Validate(request)); !refusal.ok()) return done(refusal);
                      const auto answer =
                          std::make_shared<rpc::Done>(std::move(done));  // std::function must be copyable.
                      ExecuteAll(request.reports(), call.deadline(),
                                 [this, start = call.start(), &response, answer, ids = IdsOf(request.reports())](
                                     const std::vector<absl::StatusOr<Executed>>& answers) {
                                   FillReportResults(answers, ids, response);
                                   deps_.meter.Reported(deps_.clock.Now() - start);
                                   (*answer)(absl::OkStatus());
                                 });
                    });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ConcludeTasks(grpc::CallbackServerContext* context,
                                                       const v1::ConcludeTasksRequest* request,
                                                       v1::ConcludeTasksResponse* response) {
  return rpc_.Unary(context, conclude_, request, response,
                    [this](const rpc::CallContext& call, const v1::ConcludeTasksRequest& request,
                           v1::ConcludeTasksResponse& response, rpc::Done done) {
                      if (absl::Status refusal = LedgerRefusal(Validate(request)); !refusal.ok()) return done(refusal);
                      const auto answer = std::make_shared<rpc::Done>(std::move(done));
                      ExecuteAll(request.conclusions(), call.deadline(),
                                 [&response, answer, ids = IdsOf(request.conclusions())](
                                     const std::vector<absl::StatusOr<Executed>>& answers) {
                                   FillReportResults(answers, ids, response);
                                   (*answer)(absl::OkStatus());
                                 });
                    });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::HoldTasks(grpc::CallbackServerContext* context,
                                                   const v1::HoldTasksRequest* request,
                                                   v1::HoldTasksResponse* response) {
  return rpc_.Unary(context, hold_, request, response,
                    [this](const rpc::CallContext& call, const v1::HoldTasksRequest& request,
                           v1::HoldTasksResponse& response, rpc::Done done) {
                      if (absl::Status refusal = LedgerRefusal(Validate(request)); !refusal.ok()) return done(refusal);
                      const auto answer = std::make_shared<rpc::Done>(std::move(done));
                      ExecuteAll(request.holds(), call.deadline(),
                                 [&response, answer,
                                  ids = IdsOf(request.holds())](const std::vector<absl::StatusOr<Executed>>& answers) {
                                   FillReportResults(answers, ids, response);
                                   (*answer)(absl::OkStatus());
                                 });
                    });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ConfirmGeneration(grpc::CallbackServerContext* context,
                                                           const v1::ConfirmGenerationRequest* request,
                                                           v1::ConfirmGenerationResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, confirm_, request, response,
                            [this](const rpc::CallContext& call, const v1::ConfirmGenerationRequest& request,
                                   v1::ConfirmGenerationResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(request.task_id()));
                              // Never from the cache: the world is about to be changed on the word of this answer.
                              SY_ASSIGN_OR_RETURN(const StoredTask task,
                                                  deps_.store.Get(id, {.within = call.remaining(), .specs = false}));
                              const bool owned = task.record.stage() == Stage::kRunning;
                              response.set_current(owned && ToInt(task.record.generation) == request.generation() &&
                                                   !task.record.cancel_requested);
                              response.set_current_generation(ToInt(task.record.generation));
                              response.set_state(static_cast<v1::TaskState>(task.record.state));
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::OpenSession(grpc::CallbackServerContext* context,
                                                     const v1::OpenSessionRequest* request,
                                                     v1::OpenSessionResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, open_, request, response,
                            [this](const rpc::CallContext&, const v1::OpenSessionRequest& request,
                                   v1::OpenSessionResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              std::vector<HeldTask> held;
                              for (const v1::HeldTask& task : request.held()) {
                                SY_ASSIGN_OR_RETURN(const TaskId id, TaskId::Parse(task.task_id()));
                                held.push_back({id, Generation(task.generation())});
                              }
                              SY_ASSIGN_OR_RETURN(const OpenedSession opened,
                                                  sessions_.Open(request.agent_id(), request.hub_id(), held,
                                                                 request.restarted(), request.connection()));
                              response.set_session_epoch(opened.session.epoch);
                              Set(opened.session.expire_time, response.mutable_expire_time());
                              AddHeld(opened.keep, response.mutable_keep());
                              AddHeld(opened.drop, response.mutable_drop());
                              const absl::Time until = deps_.clock.Now() + kSummariesTime;
                              for (const StoredTask& task : opened.redeliver) {
                                v1::AssignResult& told = *response.add_redeliver();
                                SY_RETURN_IF_ERROR(ToProto(task, AcceptBy(rules_, task.record), &told));
                                AddSummary(until, told);
                              }
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::RenewSessions(grpc::CallbackServerContext* context,
                                                       const v1::RenewSessionsRequest* request,
                                                       v1::RenewSessionsResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, renew_, request, response,
                            [this](const rpc::CallContext&, const v1::RenewSessionsRequest& request,
                                   v1::RenewSessionsResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              std::vector<std::pair<std::string, std::int64_t>> sessions;
                              for (const v1::SessionRef& session : request.sessions()) {
                                sessions.emplace_back(session.agent_id(), session.session_epoch());
                              }
                              const absl::Time expire = deps_.clock.Now() + rules_.session_lease;
                              SY_ASSIGN_OR_RETURN(const std::vector<std::string> renewed,
                                                  deps_.store.RenewSessions(sessions, expire));
                              for (const std::string& agent : renewed) response.add_renewed_agent_ids(agent);
                              Set(expire, response.mutable_expire_time());
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::ListAssigned(grpc::CallbackServerContext* context,
                                                      const v1::ListAssignedRequest* request,
                                                      v1::ListAssignedResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, assigned_, request, response,
                            [this](const rpc::CallContext&, const v1::ListAssignedRequest& request,
                                   v1::ListAssignedResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              const std::vector<std::string> agents(request.agent_ids().begin(),
                                                                    request.agent_ids().end());
                              SY_ASSIGN_OR_RETURN(const std::vector<StoredTask> owned, deps_.store.OwnedBy(agents));
                              const absl::Time until = deps_.clock.Now() + kSummariesTime;
                              for (const StoredTask& task : owned) {
                                v1::AssignedTask& told = *response.add_tasks();
                                SY_RETURN_IF_ERROR(ToProto(task, AcceptBy(rules_, task.record), &told));
                                AddSummary(until, *told.mutable_assignment());
                              }
                              return absl::OkStatus();
                            });
}

grpc::ServerUnaryReactor* TaskLedgerRpc::AcquireShards(grpc::CallbackServerContext* context,
                                                       const v1::AcquireShardsRequest* request,
                                                       v1::AcquireShardsResponse* response) {
  return rpc::BlockingUnary(rpc_, deps_.blocking, context, shards_, request, response,
                            [this](const rpc::CallContext&, const v1::AcquireShardsRequest& request,
                                   v1::AcquireShardsResponse& response) -> absl::Status {
                              SY_RETURN_IF_ERROR(LedgerRefusal(Validate(request)));
                              if (request.release()) return deps_.store.ReleaseShards(request.owner_id());
                              const absl::Time now = deps_.clock.Now();
                              const absl::Time expire = now + rules_.shard_lease;
                              const int want = request.want() == 0 ? kShardCount : request.want();
                              SY_ASSIGN_OR_RETURN(const std::vector<ShardLease> leases,
                                                  deps_.store.AcquireShards(request.owner_id(), want, now, expire));
                              for (const ShardLease& lease : leases) {
                                v1::ShardLease& out = *response.add_shards();
                                out.set_shard(lease.shard);
                                out.set_epoch(lease.epoch);
                              }
                              Set(expire, response.mutable_expire_time());
                              return absl::OkStatus();
                            });
}

}  // namespace switchyard::task_queue

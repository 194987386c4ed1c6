#include "tools/yard/testing/fake_services.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
namespace id = identity::v1;

// 2030-01-01, so that ages in tables are the same in every run of a test.
constexpr std::int64_t kBegin = 1'893'456'000;

absl::Status NotFound(const std::string& task) {
  return MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", absl::StrCat("no task ", task));
}

bool Matches(const tq::TaskSelection& selection, const tq::Task& task) {
  const auto has = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (!selection.has_filter()) return has(selection.task_ids(), task.id());
  const tq::TaskFilter& filter = selection.filter();
  return (filter.states().empty() || has(filter.states(), task.state())) &&
         (filter.projects().empty() || has(filter.projects(), task.spec().project()));
}

}  // namespace

FakeTaskQueue::FakeTaskQueue(rpc::CallGate& gate) : rpc_(gate, tq::TaskQueueService::service_full_name()) {}

void FakeTaskQueue::Append(const std::string& task_id, tq::EventKind kind, tq::TaskState state,
                           const std::string& cause) {
  tq::TaskEvent event;
  event.set_task_id(task_id);
  event.set_kind(kind);
  event.set_state(state);
  event.set_cause(cause);
  Append(std::move(event));
}

void FakeTaskQueue::Append(tq::TaskEvent event) {
  const std::string& task_id = event.task_id();
  tq::Task& task = tasks_[task_id];
  task.set_state(event.state());
  if (event.state() > tq::TASK_STATE_VERIFYING && event.state() != tq::TASK_STATE_SUCCEEDED) {
    task.mutable_failure()->set_reason(event.cause());
  }
  event.set_ordinal(static_cast<int>(events_[task_id].size()) + 1);
  event.mutable_time()->set_seconds(kBegin + event.ordinal());
  events_[task_id].push_back(event);
  tq::WatchTasksResponse message;
  *message.add_events() = event;
  message.set_resume_token(absl::StrCat(task_id, "/", event.ordinal()));
  for (const auto& stream : streams_) stream->Offer(message);
}

void FakeTaskQueue::Add(const std::string& task_id, tq::TaskState state, const std::string& title) {
  const MutexLock lock(mutex_);
  tq::Task& task = tasks_[task_id];
  task.set_id(task_id);
  task.mutable_spec()->set_title(title);
  task.mutable_spec()->set_lane(tq::LANE_NORMAL);
  task.mutable_spec()->set_project("default");
  task.mutable_create_time()->set_seconds(kBegin);
  Append(task_id, tq::EVENT_KIND_SUBMITTED, tq::TASK_STATE_QUEUED, "");
  if (state != tq::TASK_STATE_QUEUED) Append(task_id, tq::EVENT_KIND_FINISHED, state, "EXIT_STATUS");
}

void FakeTaskQueue::Happen(const std::string& task_id, tq::EventKind kind, tq::TaskState state,
                           const std::string& cause) {
  const MutexLock lock(mutex_);
  Append(task_id, kind, state, cause);
}

void FakeTaskQueue::Happen(tq::TaskEvent event) {
  const MutexLock lock(mutex_);
  Append(std::move(event));
}

void FakeTaskQueue::Edit(const std::string& task_id, const std::function<void(tq::Task&)>& edit) {
  const MutexLock lock(mutex_);
  edit(tasks_[task_id]);
}

void FakeTaskQueue::SetFate(tq::TaskState fate) {
  const MutexLock lock(mutex_);
  fate_ = fate;
}

void FakeTaskQueue::DropNextWatches(int count) {
  const MutexLock lock(mutex_);
  drops_ = count;
}

void FakeTaskQueue::ForbidWatch() {
  const MutexLock lock(mutex_);
  no_watch_ = true;
}

void FakeTaskQueue::ChangeCounts() {
  const MutexLock lock(mutex_);
  change_counts_ = true;
}

std::vector<tq::SubmitTaskRequest> FakeTaskQueue::submissions() const {
  const MutexLock lock(mutex_);
  return submissions_;
}

tq::Task FakeTaskQueue::task(const std::string& task_id) const {
  const MutexLock lock(mutex_);
  const auto found = tasks_.find(task_id);
  return found == tasks_.end() ? tq::Task() : found->second;
}

std::string FakeTaskQueue::paused() const {
  const MutexLock lock(mutex_);
  return paused_;
}

int FakeTaskQueue::watches() const {
  const MutexLock lock(mutex_);
  return watches_;
}

absl::Status FakeTaskQueue::Store(const tq::SubmitTaskRequest& request, tq::SubmitTaskResponse& response) {
  if (request.spec().has_command() && request.spec().command().argv(0) == "invalid") {
    return InvalidFields({{"spec.command.argv", "not this"}, {"spec.title", "nor that\x1b[31m"}});
  }
  const auto known = by_request_.find(request.request_id());
  if (known != by_request_.end()) {
    response.set_task_id(known->second);
    response.set_replayed(true);
    return absl::OkStatus();
  }
  submissions_.push_back(request);
  const std::string task_id = absl::StrCat("task-", submissions_.size());
  by_request_[request.request_id()] = task_id;
  tq::Task& task = tasks_[task_id];
  task.set_id(task_id);
  *task.mutable_spec() = request.spec();
  task.mutable_create_time()->set_seconds(kBegin);
  Append(task_id, tq::EVENT_KIND_SUBMITTED, tq::TASK_STATE_QUEUED, "");
  response.set_task_id(task_id);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FakeTaskQueue::SubmitTask(Context* context, const tq::SubmitTaskRequest* request,
                                                    tq::SubmitTaskResponse* response) {
  return rpc_.Unary(context, rpc_.Find("SubmitTask"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status;
                      {
                        const MutexLock lock(mutex_);
                        status = Store(q, r);
                      }
                      done(status);
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::SubmitTasks(Context* context, const tq::SubmitTasksRequest* request,
                                                     tq::SubmitTasksResponse* response) {
  return rpc_.Unary(context, rpc_.Find("SubmitTasks"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        for (const auto& one : q.tasks()) {
                          tq::SubmitTasksResult* result = r.add_results();
                          const absl::Status status = Store(one, *result->mutable_task());
                          if (status.ok()) continue;
                          result->clear_task();
                          result->mutable_error()->set_code(static_cast<int>(status.code()));
                          result->mutable_error()->set_reason(ReasonOf(status));
                        }
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::GetTask(Context* context, const tq::GetTaskRequest* request,
                                                 tq::GetTaskResponse* response) {
  return rpc_.Unary(context, rpc_.Find("GetTask"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      *r.mutable_task() = task(q.task_id());
                      done(r.task().id().empty() ? NotFound(q.task_id()) : absl::OkStatus());
                    });
}

template <class Request, class Response>
void FakeTaskQueue::Page(const Request& request, Response& response, bool dead_only) {
  const MutexLock lock(mutex_);
  tq::TaskSelection selection;
  *selection.mutable_filter() = request.filter();
  const int from = std::atoi(request.page_token().c_str());
  int at = 0;
  for (const auto& [task_id, task] : tasks_) {
    if (!Matches(selection, task) || (dead_only && task.state() != tq::TASK_STATE_DEAD_LETTER) || at++ < from) continue;
    // Pages shorter than asked while more follow are allowed.
    if (response.tasks_size() == std::min(request.page_size(), 2)) {
      response.set_next_page_token(absl::StrCat(at - 1));
      break;
    }
    *response.add_tasks() = task;
  }
}

grpc::ServerUnaryReactor* FakeTaskQueue::ListTasks(Context* context, const tq::ListTasksRequest* request,
                                                   tq::ListTasksResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListTasks"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      Page(q, r, false);
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::ListDeadLetters(Context* context, const tq::ListDeadLettersRequest* request,
                                                         tq::ListDeadLettersResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListDeadLetters"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      Page(q, r, true);
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::ListTaskEvents(Context* context, const tq::ListTaskEventsRequest* request,
                                                        tq::ListTaskEventsResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListTaskEvents"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status;
                      {
                        const MutexLock lock(mutex_);
                        const auto found = events_.find(q.task_id());
                        if (found == events_.end()) {
                          status = NotFound(q.task_id());
                        } else {
                          r.mutable_events()->Add(found->second.begin(), found->second.end());
                        }
                      }
                      done(status);
                    });
}

grpc::ServerWriteReactor<tq::WatchTasksResponse>* FakeTaskQueue::WatchTasks(Context* context,
                                                                            const tq::WatchTasksRequest* request) {
  return rpc_.Stream<tq::WatchTasksResponse>(
      context, rpc_.Find("WatchTasks"), request, {},
      [this](const rpc::CallContext&, const auto& q, std::shared_ptr<Stream> stream) -> absl::Status {
        const MutexLock lock(mutex_);
        if (no_watch_) return absl::UnimplementedError("no watching here");
        ++watches_;
        if (drops_ > 0) {
          --drops_;
          return absl::UnavailableError("dropped");
        }
        streams_.push_back(std::move(stream));
        if (fate_ == tq::TASK_STATE_UNSPECIFIED) return absl::OkStatus();
        for (const std::string& task_id : q.task_ids()) {
          Append(task_id, tq::EVENT_KIND_ASSIGNED, tq::TASK_STATE_ASSIGNED, "");
          Append(task_id, tq::EVENT_KIND_ACCEPTED, tq::TASK_STATE_RUNNING, "");
          if (fate_ == tq::TASK_STATE_RUNNING) continue;
          Append(task_id, tq::EVENT_KIND_FINISHED, fate_, fate_ == tq::TASK_STATE_SUCCEEDED ? "" : "EXIT_STATUS");
        }
        return absl::OkStatus();
      });
}

template <class Request, class Response>
absl::Status FakeTaskQueue::Bulk(const Request& request, Response& response, tq::TaskState after) {
  const MutexLock lock(mutex_);
  const tq::TaskSelection& selection = request.selection();
  std::vector<std::string> ids(selection.task_ids().begin(), selection.task_ids().end());
  if (selection.has_filter()) {
    for (const auto& [task_id, task] : tasks_) {
      if (Matches(selection, task)) ids.push_back(task_id);
    }
  }
  const int matched = static_cast<int>(ids.size()) + (change_counts_ && !request.dry_run() ? 1 : 0);
  response.set_matched(matched);
  if (request.dry_run()) return absl::OkStatus();
  if (selection.has_filter() && selection.expected_count() != matched) {
    ErrorDetails details;
    details.reason = "COUNT_CHANGED";
    details.metadata = {{"matched", absl::StrCat(matched)}};
    return MakeError(absl::StatusCode::kFailedPrecondition, "another number of tasks matches now", details);
  }
  for (const std::string& task_id : ids) {
    tq::BulkResult* result = response.add_results();
    result->set_task_id(task_id);
    if (tasks_.contains(task_id)) {
      Append(task_id, tq::EVENT_KIND_FINISHED, after, "BY_USER");
      continue;
    }
    result->mutable_error()->set_code(static_cast<int>(absl::StatusCode::kNotFound));
    result->mutable_error()->set_reason("TASK_NOT_FOUND");
    result->mutable_error()->set_message("no such task");
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FakeTaskQueue::CancelTasks(Context* context, const tq::CancelTasksRequest* request,
                                                     tq::CancelTasksResponse* response) {
  return rpc_.Unary(context, rpc_.Find("CancelTasks"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      done(Bulk(q, r, tq::TASK_STATE_CANCELLED));
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::RetryTasks(Context* context, const tq::RetryTasksRequest* request,
                                                    tq::RetryTasksResponse* response) {
  return rpc_.Unary(context, rpc_.Find("RetryTasks"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      done(Bulk(q, r, tq::TASK_STATE_QUEUED));
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::DiscardDeadLetters(Context* context,
                                                            const tq::DiscardDeadLettersRequest* request,
                                                            tq::DiscardDeadLettersResponse* response) {
  return rpc_.Unary(context, rpc_.Find("DiscardDeadLetters"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      done(Bulk(q, r, tq::TASK_STATE_DISCARDED));
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::PauseQueue(Context* context, const tq::PauseQueueRequest* request,
                                                    tq::PauseQueueResponse* response) {
  return rpc_.Unary(context, rpc_.Find("PauseQueue"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto&, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        paused_ = q.ShortDebugString();
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::ResumeQueue(Context* context, const tq::ResumeQueueRequest* request,
                                                     tq::ResumeQueueResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ResumeQueue"), request, response,
                    [this](const rpc::CallContext&, const auto&, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        r.set_was_paused(!std::exchange(paused_, "").empty());
                      }
                      done(absl::OkStatus());
                    });
}

std::string FakeTaskQueue::answer(const std::string& id) const {
  const MutexLock lock(mutex_);
  const auto found = answers_.find(id);
  return found == answers_.end() ? "" : found->second;
}

grpc::ServerUnaryReactor* FakeTaskQueue::AnswerTask(Context* context, const tq::AnswerTaskRequest* request,
                                                    tq::AnswerTaskResponse* response) {
  return rpc_.Unary(context, rpc_.Find("AnswerTask"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status = MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "no such task");
                      {
                        const MutexLock lock(mutex_);
                        if (const auto found = tasks_.find(q.task_id()); found != tasks_.end()) {
                          answers_[q.task_id()] = q.answer();
                          r.set_state(found->second.state());
                          status = absl::OkStatus();
                        }
                      }
                      done(status);
                    });
}

grpc::ServerUnaryReactor* FakeTaskQueue::GetQueueStats(Context* context, const tq::GetQueueStatsRequest* request,
                                                       tq::GetQueueStatsResponse* response) {
  return rpc_.Unary(context, rpc_.Find("GetQueueStats"), request, response,
                    [this](const rpc::CallContext& call, const auto&, auto& r, rpc::Done done) {
                      const MutexLock lock(mutex_);
                      for (tq::Lane lane : {tq::LANE_URGENT, tq::LANE_HIGH, tq::LANE_NORMAL, tq::LANE_LOW}) {
                        tq::LaneStats* stats = r.add_lanes();
                        stats->set_lane(lane);
                        stats->set_ready(lane == tq::LANE_NORMAL ? static_cast<std::int64_t>(tasks_.size()) : 0);
                      }
                      if (!paused_.empty()) {
                        r.add_pauses()->mutable_target()->set_lane(tq::LANE_LOW);
                        r.mutable_pauses(0)->set_reason("night\x1b[0m");
                      }
                      r.mutable_as_of()->set_seconds(absl::ToUnixSeconds(call.start()));
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeIdentity::IssueToken(Context* context, const id::IssueTokenRequest* request,
                                                   id::IssueTokenResponse* response) {
  return rpc_.Unary(context, rpc_.Find("IssueToken"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        id::Token token;
                        token.set_token_id(absl::StrCat("token-", tokens_.size() + 1));
                        token.set_name(q.name());
                        *token.mutable_scopes() = q.scopes();
                        token.mutable_expire_time()->set_seconds(kBegin * 2);
                        tokens_.push_back(token);
                        *r.mutable_token() = token;
                      }
                      r.set_text("sy_text");
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeIdentity::RotateToken(Context* context, const id::RotateTokenRequest* request,
                                                    id::RotateTokenResponse* response) {
  return rpc_.Unary(context, rpc_.Find("RotateToken"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status = MakeError(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "no such token");
                      {
                        const MutexLock lock(mutex_);
                        for (const id::Token& token : tokens_) {
                          if (token.token_id() != q.token_id()) continue;
                          *r.mutable_rotated() = token;
                          r.mutable_rotated()->mutable_expire_time()->set_seconds(kBegin + q.grace().seconds());
                          *r.mutable_token() = token;
                          r.mutable_token()->set_token_id(token.token_id() + "-new");
                          r.set_text("sy_rotated");
                          status = absl::OkStatus();
                        }
                      }
                      done(status);
                    });
}

grpc::ServerUnaryReactor* FakeIdentity::RevokeToken(Context* context, const id::RevokeTokenRequest* request,
                                                    id::RevokeTokenResponse* response) {
  return rpc_.Unary(context, rpc_.Find("RevokeToken"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status = MakeError(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND", "no such token");
                      {
                        const MutexLock lock(mutex_);
                        for (id::Token& token : tokens_) {
                          if (token.token_id() != q.token_id()) continue;
                          token.mutable_revoke_time()->set_seconds(kBegin);
                          token.set_revoke_reason(q.reason());
                          *r.mutable_token() = token;
                          status = absl::OkStatus();
                        }
                      }
                      done(status);
                    });
}

grpc::ServerUnaryReactor* FakeIdentity::ListTokens(Context* context, const id::ListTokensRequest* request,
                                                   id::ListTokensResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListTokens"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        for (const id::Token& token : tokens_) {
                          if (q.include_ended() || !token.has_revoke_time()) *r.add_tokens() = token;
                        }
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeIdentity::GetSelf(Context* context, const id::GetSelfRequest* request,
                                                id::GetSelfResponse* response) {
  return rpc_.Unary(context, rpc_.Find("GetSelf"), request, response,
                    [](const rpc::CallContext& call, const auto&, auto& r, rpc::Done done) {
                      r.set_name(call.principal().name);
                      r.add_scopes(options::v1::SCOPE_ADMIN);
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeProcess::GetProcess(grpc::CallbackServerContext* context,
                                                  const admin::v1::GetProcessRequest* request,
                                                  admin::v1::GetProcessResponse* response) {
  return rpc_.Unary(context, rpc_.Find("GetProcess"), request, response,
                    [](const rpc::CallContext&, const auto&, auto& r, rpc::Done done) {
                      r.set_program("switchyard run");
                      r.set_version("9.9.9");
                      r.mutable_start_time()->set_seconds(kBegin);
                      r.add_services("switchyard.admin.v1.ProcessService");
                      done(absl::OkStatus());
                    });
}

}  // namespace switchyard::yard

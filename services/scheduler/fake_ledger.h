// A task queue that tests move by hand.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/server_stream.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"

namespace switchyard::scheduler {

// Thread-safe.
class FakeLedger final : public task_queue::v1::TaskLedgerService::CallbackService {
 public:
  using Stream = rpc::ServerStream<task_queue::v1::WatchReadyResponse>;

  explicit FakeLedger(rpc::CallGate& gate) : rpc_(gate, task_queue::v1::TaskLedgerService::service_full_name()) {}

  grpc::ServerUnaryReactor* AcquireShards(grpc::CallbackServerContext* context,
                                          const task_queue::v1::AcquireShardsRequest* request,
                                          task_queue::v1::AcquireShardsResponse* response) override {
    return rpc_.Unary(context, acquire_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::AcquireShardsRequest& request,
                             task_queue::v1::AcquireShardsResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        released_ = released_ || request.release();
                        for (int shard = 0; !request.release() && shard < shards_; ++shard) {
                          task_queue::v1::ShardLease& lease = *response.add_shards();
                          lease.set_shard(shard);
                          lease.set_epoch(epoch_);
                        }
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerUnaryReactor* ReadReady(grpc::CallbackServerContext* context,
                                      const task_queue::v1::ReadReadyRequest* request,
                                      task_queue::v1::ReadReadyResponse* response) override {
    return rpc_.Unary(context, read_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::ReadReadyRequest& request,
                             task_queue::v1::ReadReadyResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        for (const task_queue::v1::LaneCursor& cursor : request.cursors()) {
                          const std::pair after(cursor.retried(), cursor.after_task_id());
                          for (const auto& [id, task] : stored_) {
                            if (task.lane() != cursor.lane() || std::pair(task.retried(), id) <= after) continue;
                            *response.add_tasks() = task;
                          }
                        }
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerWriteReactor<task_queue::v1::WatchReadyResponse>* WatchReady(
      grpc::CallbackServerContext* context, const task_queue::v1::WatchReadyRequest* request) override {
    return rpc_.Stream<task_queue::v1::WatchReadyResponse>(
        context, watch_, request, rpc::StreamLimits{},
        [this](const rpc::CallContext&, const task_queue::v1::WatchReadyRequest&, std::shared_ptr<Stream> stream) {
          MutexLock lock(mutex_);
          task_queue::v1::WatchReadyResponse first;
          first.mutable_pauses();
          stream->Offer(std::move(first));
          stream_ = std::move(stream);
          ++streams_;
          return absl::OkStatus();
        });
  }
  grpc::ServerUnaryReactor* AssignTasks(grpc::CallbackServerContext* context,
                                        const task_queue::v1::AssignTasksRequest* request,
                                        task_queue::v1::AssignTasksResponse* response) override {
    return rpc_.Unary(context, assign_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::AssignTasksRequest& request,
                             task_queue::v1::AssignTasksResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        batches_.push_back(request);
                        changed_.NotifyAll();
                        if (fail_assigns_ > 0) {
                          --fail_assigns_;
                          return done(absl::UnavailableError("the database is away"));
                        }
                        for (const task_queue::v1::Assignment& assignment : request.assignments()) {
                          task_queue::v1::AssignResult& result = *response.add_results();
                          result.set_task_id(assignment.task_id());
                          if (const auto refusal = refuse_.find(assignment.task_id()); refusal != refuse_.end()) {
                            result.mutable_error()->set_code(9);
                            result.mutable_error()->set_reason(refusal->second);
                            refuse_.erase(refusal);
                            continue;
                          }
                          result.set_generation(assignment.generation() + 1);
                          result.mutable_spec()->mutable_command()->add_argv("true");
                          result.set_state_summary("what was left");
                          stored_.erase(assignment.task_id());
                        }
                        if (!hold_assigns_) return done(absl::OkStatus());
                        held_.push_back(std::make_unique<rpc::Done>(std::move(done)));
                      });
  }
  grpc::ServerUnaryReactor* ReportTasks(grpc::CallbackServerContext* context,
                                        const task_queue::v1::ReportTasksRequest* request,
                                        task_queue::v1::ReportTasksResponse* response) override {
    return rpc_.Unary(context, report_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::ReportTasksRequest& request,
                             task_queue::v1::ReportTasksResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        for (const task_queue::v1::TaskReport& report : request.reports()) {
                          reports_.push_back(report);
                          response.add_results()->set_task_id(report.task_id());
                        }
                        changed_.NotifyAll();
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerUnaryReactor* HoldTasks(grpc::CallbackServerContext* context,
                                      const task_queue::v1::HoldTasksRequest* request,
                                      task_queue::v1::HoldTasksResponse* response) override {
    return rpc_.Unary(context, hold_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::HoldTasksRequest& request,
                             task_queue::v1::HoldTasksResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        for (const task_queue::v1::Hold& hold : request.holds()) {
                          holds_.push_back(hold);
                          stored_.erase(hold.task_id());
                          response.add_results()->set_task_id(hold.task_id());
                        }
                        changed_.NotifyAll();
                        done(absl::OkStatus());
                      });
  }
  grpc::ServerUnaryReactor* DescribeTask(grpc::CallbackServerContext* context,
                                         const task_queue::v1::DescribeTaskRequest* request,
                                         task_queue::v1::DescribeTaskResponse* response) override {
    return rpc_.Unary(context, describe_, request, response,
                      [this](const rpc::CallContext&, const task_queue::v1::DescribeTaskRequest& request,
                             task_queue::v1::DescribeTaskResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        const auto found = described_.find(request.task_id());
                        if (found == described_.end()) return done(absl::NotFoundError("no such task"));
                        response = found->second;
                        done(absl::OkStatus());
                      });
  }

  void Store(const task_queue::v1::ReadyTask& task) {
    MutexLock lock(mutex_);
    stored_[task.task_id()] = task;
  }
  // Stores it and tells the scheduler.
  void Offer(const task_queue::v1::ReadyTask& task) {
    Store(task);
    MutexLock lock(mutex_);
    if (stream_ == nullptr) return;
    task_queue::v1::WatchReadyResponse message;
    *message.add_tasks() = task;
    stream_->Offer(std::move(message));
  }
  void Pause(const std::string& project) {
    MutexLock lock(mutex_);
    task_queue::v1::WatchReadyResponse message;
    message.mutable_pauses()->add_projects(project);
    stream_->Offer(std::move(message));
  }
  void EndFeed() {
    MutexLock lock(mutex_);
    stream_->CloseWith(absl::UnavailableError("gone"));
    stream_ = nullptr;
  }
  void Describe(const task_queue::v1::DescribeTaskResponse& task) {
    MutexLock lock(mutex_);
    described_[task.task().task_id()] = task;
  }
  void SetShards(int shards, std::int64_t epoch) {
    MutexLock lock(mutex_);
    shards_ = shards;
    epoch_ = epoch;
  }
  void Refuse(const std::string& task, const std::string& reason) {
    MutexLock lock(mutex_);
    refuse_[task] = reason;
  }
  void FailAssigns(int times) {
    MutexLock lock(mutex_);
    fail_assigns_ = times;
  }
  void HoldAssigns(bool hold) {
    std::vector<std::unique_ptr<rpc::Done>> held;
    MutexLock lock(mutex_);
    hold_assigns_ = hold;
    held.swap(held_);
    for (const auto& done : held) (*done)(absl::OkStatus());
  }
  // Waits until that many batches came; the last of them.
  task_queue::v1::AssignTasksRequest AwaitBatch(std::size_t count) {
    MutexLock lock(mutex_);
    while (batches_.size() < count) changed_.Wait(mutex_);
    return batches_[count - 1];
  }
  task_queue::v1::Hold AwaitHold() { return First(holds_); }
  task_queue::v1::TaskReport AwaitReport() { return First(reports_); }
  std::size_t batches() {
    MutexLock lock(mutex_);
    return batches_.size();
  }
  int streams() {
    MutexLock lock(mutex_);
    return streams_;
  }
  bool released() {
    MutexLock lock(mutex_);
    return released_;
  }

 private:
  template <class Message>
  Message First(const std::vector<Message>& messages) {
    MutexLock lock(mutex_);
    while (messages.empty()) changed_.Wait(mutex_);
    return messages.front();
  }

  rpc::Handlers rpc_;
  const rpc::Method& acquire_ = rpc_.Find("AcquireShards");
  const rpc::Method& read_ = rpc_.Find("ReadReady");
  const rpc::Method& watch_ = rpc_.Find("WatchReady");
  const rpc::Method& assign_ = rpc_.Find("AssignTasks");
  const rpc::Method& report_ = rpc_.Find("ReportTasks");
  const rpc::Method& describe_ = rpc_.Find("DescribeTask");
  const rpc::Method& hold_ = rpc_.Find("HoldTasks");
  Mutex mutex_;
  CondVar changed_;
  int shards_ ABSL_GUARDED_BY(mutex_) = 16;
  std::int64_t epoch_ ABSL_GUARDED_BY(mutex_) = 1;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, task_queue::v1::ReadyTask> stored_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, task_queue::v1::DescribeTaskResponse> described_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> refuse_ ABSL_GUARDED_BY(mutex_);
  int fail_assigns_ ABSL_GUARDED_BY(mutex_) = 0;
  bool hold_assigns_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<rpc::Done>> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<task_queue::v1::AssignTasksRequest> batches_ ABSL_GUARDED_BY(mutex_);
  std::vector<task_queue::v1::TaskReport> reports_ ABSL_GUARDED_BY(mutex_);
  std::vector<task_queue::v1::Hold> holds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::scheduler

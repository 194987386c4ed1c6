// A hub that tests move by hand.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/server_stream.h"
#include "switchyard/agent/v1/agent_dispatch.grpc.pb.h"

namespace switchyard::scheduler {

// Thread-safe.
class FakeHub final : public agent::v1::AgentDispatchService::CallbackService {
 public:
  using Stream = rpc::ServerStream<agent::v1::WatchCapacityResponse>;

  explicit FakeHub(rpc::CallGate& gate) : rpc_(gate, agent::v1::AgentDispatchService::service_full_name()) {}

  grpc::ServerWriteReactor<agent::v1::WatchCapacityResponse>* WatchCapacity(
      grpc::CallbackServerContext* context, const agent::v1::WatchCapacityRequest* request) override {
    return rpc_.Stream<agent::v1::WatchCapacityResponse>(
        context, watch_, request, rpc::StreamLimits{},
        [this](const rpc::CallContext&, const agent::v1::WatchCapacityRequest&, std::shared_ptr<Stream> stream) {
          MutexLock lock(mutex_);
          stream_ = std::move(stream);
          sequence_ = 0;
          ++streams_;
          changed_.NotifyAll();
          agent::v1::WatchCapacityResponse snapshot;
          snapshot.set_watch_id("watch");
          snapshot.set_hub_id("hub");
          for (const auto& [id, agent] : agents_) *snapshot.add_agents() = agent;
          snapshot.set_snapshot_complete(true);
          Send(std::move(snapshot));
          return absl::OkStatus();
        });
  }
  grpc::ServerUnaryReactor* Dispatch(grpc::CallbackServerContext* context, const agent::v1::DispatchRequest* request,
                                     agent::v1::DispatchResponse* response) override {
    return rpc_.Unary(context, dispatch_, request, response,
                      [this](const rpc::CallContext&, const agent::v1::DispatchRequest& request,
                             agent::v1::DispatchResponse& response, rpc::Done done) {
                        MutexLock lock(mutex_);
                        if (fail_dispatches_ > 0) {
                          --fail_dispatches_;
                          return done(absl::InternalError("nobody knows"));
                        }
                        for (const agent::v1::DispatchItem& item : request.items()) {
                          agent::v1::DispatchResult& result = *response.add_results();
                          result.set_task_id(item.assignment().task_id());
                          if (!refusal_.empty()) result.mutable_error()->set_reason(refusal_);
                          items_.push_back(item);
                        }
                        changed_.NotifyAll();
                        done(absl::OkStatus());
                      });
  }

  void Put(const agent::v1::AgentCapacity& agent) {
    MutexLock lock(mutex_);
    agents_[agent.agent_id()] = agent;
    if (stream_ == nullptr) return;
    agent::v1::WatchCapacityResponse message;
    *message.add_agents() = agent;
    Send(std::move(message));
  }
  void SetLimit(const std::string& agent, std::int64_t limit) {
    MutexLock lock(mutex_);
    agents_[agent].set_credit_limit(limit);
    if (stream_ == nullptr) return;
    agent::v1::WatchCapacityResponse message;
    message.add_credits()->set_handle(agents_[agent].handle());
    message.mutable_credits(0)->set_credit_limit(limit);
    Send(std::move(message));
  }
  void SkipANumber() {
    MutexLock lock(mutex_);
    ++sequence_;
  }
  void Refuse(const std::string& reason) {
    MutexLock lock(mutex_);
    refusal_ = reason;
  }
  void FailDispatches(int times) {
    MutexLock lock(mutex_);
    fail_dispatches_ = times;
  }
  // Waits until that many tasks came; the last of them.
  agent::v1::DispatchItem AwaitItem(std::size_t count) {
    MutexLock lock(mutex_);
    while (items_.size() < count) changed_.Wait(mutex_);
    return items_[count - 1];
  }
  // Waits until the feed of capacity was opened that often.
  void AwaitStreams(int count) {
    MutexLock lock(mutex_);
    while (streams_ < count) changed_.Wait(mutex_);
  }
  std::size_t items() {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  void Send(agent::v1::WatchCapacityResponse message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    message.set_sequence(++sequence_);
    stream_->Offer(std::move(message));
  }

  rpc::Handlers rpc_;
  const rpc::Method& watch_ = rpc_.Find("WatchCapacity");
  const rpc::Method& dispatch_ = rpc_.Find("Dispatch");
  Mutex mutex_;
  CondVar changed_;
  std::int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, agent::v1::AgentCapacity> agents_ ABSL_GUARDED_BY(mutex_);
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int fail_dispatches_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::DispatchItem> items_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::scheduler

#pragma once

#include <atomic>

#include "absl/status/status.h"
#include "libs/rpc/handler.h"
#include "switchyard/scheduler/v1/scheduler_admin.grpc.pb.h"

namespace switchyard::yard {

// A scheduler that answers what it was told to before it is asked.
class FakeScheduler final : public scheduler::v1::SchedulerAdminService::CallbackService {
 public:
  explicit FakeScheduler(rpc::CallGate& gate) : rpc_(gate, scheduler::v1::SchedulerAdminService::service_full_name()) {}

  grpc::ServerUnaryReactor* ExplainTask(grpc::CallbackServerContext* context,
                                        const scheduler::v1::ExplainTaskRequest* request,
                                        scheduler::v1::ExplainTaskResponse* response) override {
    return rpc_.Unary(context, explain_, request, response,
                      [this](const rpc::CallContext&, const scheduler::v1::ExplainTaskRequest& request,
                             scheduler::v1::ExplainTaskResponse& response, rpc::Done done) {
                        asked = request;
                        response = answer;
                        ++questions;
                        done(status);
                      });
  }

  scheduler::v1::ExplainTaskRequest asked;
  scheduler::v1::ExplainTaskResponse answer;
  absl::Status status;
  std::atomic<int> questions = 0;

 private:
  rpc::Handlers rpc_;
  const rpc::Method& explain_ = rpc_.Find("ExplainTask");
};

}  // namespace switchyard::yard

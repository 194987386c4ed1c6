#pragma once

#include "libs/rpc/handler.h"
#include "services/scheduler/scheduler.h"
#include "switchyard/scheduler/v1/scheduler_admin.grpc.pb.h"

namespace switchyard::scheduler {

// Serves SchedulerAdminService. Thread-safe.
class SchedulerAdminRpc final : public v1::SchedulerAdminService::CallbackService {
 public:
  // Borrows both.
  SchedulerAdminRpc(rpc::CallGate& gate, Scheduler& scheduler)
      : rpc_(gate, v1::SchedulerAdminService::service_full_name()), scheduler_(scheduler) {}

  grpc::ServerUnaryReactor* ExplainTask(grpc::CallbackServerContext* context, const v1::ExplainTaskRequest* request,
                                        v1::ExplainTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListShards(grpc::CallbackServerContext* context, const v1::ListShardsRequest* request,
                                       v1::ListShardsResponse* response) override;

 private:
  rpc::Handlers rpc_;
  Scheduler& scheduler_;
  const rpc::Method& explain_ = rpc_.Find("ExplainTask");
  const rpc::Method& shards_ = rpc_.Find("ListShards");
};

}  // namespace switchyard::scheduler

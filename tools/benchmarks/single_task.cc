#include "tools/benchmarks/single_task.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kSinglePatience = absl::Seconds(60);

bool Live(v1::TaskState state) {
  return state == v1::TASK_STATE_QUEUED || state == v1::TASK_STATE_ASSIGNED || state == v1::TASK_STATE_RUNNING ||
         state == v1::TASK_STATE_VERIFYING;
}

}  // namespace

absl::StatusOr<std::string> SubmitSingle(Client& client, const v1::TaskSpec& spec) {
  v1::SubmitTaskRequest request;
  *request.mutable_spec() = spec;
  request.set_request_id(client.NewRequestId());
  grpc::ClientContext context;
  client.Prepare(context);
  v1::SubmitTaskResponse submitted;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client.queue(0).SubmitTask(&context, request, &submitted)));
  return submitted.task_id();
}

absl::StatusOr<v1::Task> AwaitSucceeded(Client& client, const std::string& task_id, absl::Duration pause) {
  const absl::Time deadline = absl::Now() + kSinglePatience;
  while (absl::Now() < deadline) {
    grpc::ClientContext context;
    client.Prepare(context);
    v1::GetTaskRequest request;
    request.set_task_id(task_id);
    v1::GetTaskResponse response;
    SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client.queue(0).GetTask(&context, request, &response)));
    v1::Task& task = *response.mutable_task();
    if (task.state() == v1::TASK_STATE_SUCCEEDED) return std::move(task);
    if (!Live(task.state()) || !task.failure().reason().empty()) {
      return absl::InternalError(absl::StrCat("task ", task_id, ": ", v1::TaskState_Name(task.state()), ", ",
                                              task.failure().ShortDebugString()));
    }
    absl::SleepFor(pause);
  }
  return absl::DeadlineExceededError(absl::StrCat("task ", task_id, " does not end"));
}

}  // namespace switchyard::bench

#include "tools/benchmarks/client.h"

#include <grpc/support/time.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"

namespace switchyard::bench {

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const Installation& installation, int connections) {
  std::unique_ptr<Client> client(new Client);
  client->authorization_ = absl::StrCat("Bearer ", installation.token());
  for (int i = 0; i < connections; ++i) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                        rpc::MakeChannel({.target = installation.target(), .max_message_bytes = 64u << 20}));
    client->queues_.push_back(v1::TaskQueueService::NewStub(channel));
    client->ledgers_.push_back(v1::TaskLedgerService::NewStub(channel));
    client->channels_.push_back(std::move(channel));
  }
  return client;
}

void Client::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN)));
  }
  context.AddMetadata("authorization", authorization_);
}

absl::Time WallNow() { return absl::Now(); }

std::int64_t SteadyNanos() { return DisciplinedClock::SteadyNanos(); }

}  // namespace switchyard::bench

#include "tools/benchmarks/enrolled_agents.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status_convert.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {
namespace {

namespace av1 = agent::v1;

constexpr int kAtOnce = 16;
constexpr char kBundlePrefix[] = "sye1_";

absl::StatusOr<AgentIdentity> EnrollOne(Client& client, av1::AgentAdminService::Stub& stub, const std::string& name) {
  grpc::ClientContext invite;
  client.Prepare(invite);
  av1::EnrollAgentRequest invitation;
  invitation.set_name(name);
  av1::EnrollAgentResponse invited;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(stub.EnrollAgent(&invite, invitation, &invited)));
  std::string bytes;
  av1::EnrollmentBundle bundle;
  if (!absl::WebSafeBase64Unescape(absl::StripPrefix(invited.enrollment(), kBundlePrefix), &bytes) ||
      !bundle.ParseFromString(bytes)) {
    return absl::InternalError("the enrolment cannot be read");
  }
  grpc::ClientContext join;
  client.Prepare(join);
  av1::RedeemEnrollmentRequest redeem;
  redeem.set_token(bundle.token());
  redeem.set_request_id(client.NewRequestId());
  redeem.set_host_name("bench");
  av1::RedeemEnrollmentResponse redeemed;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(stub.RedeemEnrollment(&join, redeem, &redeemed)));
  return AgentIdentity{redeemed.agent_id(), redeemed.name(), redeemed.token()};
}

}  // namespace

absl::StatusOr<std::vector<AgentIdentity>> EnrollAgents(const Installation& installation, const std::string& prefix,
                                                        int count) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(installation, 1));
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({.target = installation.hub_target()}));
  const auto stub = av1::AgentAdminService::NewStub(channel);
  std::vector<AgentIdentity> agents(static_cast<std::size_t>(count));
  std::atomic<int> next{0};
  std::atomic<bool> failed{false};
  Mutex mutex;
  absl::Status failure;
  std::vector<std::thread> threads;
  for (int i = 0; i < std::min(kAtOnce, count); ++i) {
    threads.emplace_back([&] {
      for (int at = next++; at < count && !failed; at = next++) {
        auto agent = EnrollOne(*client, *stub, absl::StrCat(prefix, at));
        if (agent.ok()) {
          agents[static_cast<std::size_t>(at)] = *std::move(agent);
          continue;
        }
        failed = true;
        MutexLock lock(mutex);
        failure.Update(agent.status());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  SY_RETURN_IF_ERROR(failure);
  return agents;
}

}  // namespace switchyard::bench

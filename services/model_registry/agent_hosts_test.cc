#include "services/model_registry/agent_hosts.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/handler.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {
namespace {

namespace av1 = agent::v1;
using ::switchyard::testing::IsError;
using ::testing::SizeIs;

// A hub with three agents, two to a page at most.
class ThreeAgents final : public av1::AgentAdminService::CallbackService {
 public:
  explicit ThreeAgents(rpc::CallGate& gate) : rpc_(gate, av1::AgentAdminService::service_full_name()) {}

  grpc::ServerUnaryReactor* ListAgents(grpc::CallbackServerContext* context, const av1::ListAgentsRequest* request,
                                       av1::ListAgentsResponse* response) override {
    return rpc_.Unary(context, list_, request, response,
                      [](const rpc::CallContext&, const av1::ListAgentsRequest& request,
                         av1::ListAgentsResponse& response, rpc::Done done) {
                        const bool first = request.page_token().empty();
                        for (const char* name : first ? std::vector{"a", "silent"} : std::vector{"b"}) {
                          av1::Agent& agent = *response.add_agents();
                          agent.set_name(name);
                          if (agent.name() == "silent") continue;
                          (*agent.mutable_labels())["host"] = "pc-" + agent.name();
                          agent.mutable_last_heartbeat_time()->set_seconds(1'000);
                          agent.mutable_resources()->set_cpus(8);
                        }
                        if (first) response.set_next_page_token("more");
                        done(absl::OkStatus());
                      });
  }

 private:
  rpc::Handlers rpc_;
  const rpc::Method& list_ = rpc_.Find("ListAgents");
};

class AgentHostsTest : public ::testing::Test {
 protected:
  AgentHostsTest() {
    server_.Register(agents_, av1::AgentAdminService::service_full_name());
    server_.Start();
  }
  ~AgentHostsTest() override { server_.Stop(); }

  absl::StatusOr<std::vector<HostReport>> ReadWith(const char* token) {
    AgentHosts hosts(server_.caller(token), absl::Seconds(30));
    hosts.Connect(server_.channel());
    return hosts.Read();
  }

  testing::RpcTestServer server_;
  ThreeAgents agents_{server_.gate()};
};

TEST_F(AgentHostsTest, ReadsEveryPageAndPassesOverAgentsThatToldNothing) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<HostReport> reports, ReadWith("read-token"));
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].agent, "a");
  EXPECT_EQ(reports[1].host, "pc-b");
  EXPECT_EQ(reports[1].cpus, 8);
  EXPECT_EQ(reports[1].time, absl::FromUnixSeconds(1'000));
}

TEST_F(AgentHostsTest, ATokenWithoutTheScopeIsAFailureThatSaysSo) {
  EXPECT_THAT(ReadWith("service-token"), IsError("SCOPE_MISSING"));
}

TEST_F(AgentHostsTest, FailsUntilItIsConnected) {
  EXPECT_THAT(AgentHosts(server_.caller("read-token"), absl::Seconds(1)).Read(), IsError("NOT_CONNECTED"));
}

TEST(ToHostReportTest, TakesWhatAnAgentSaysWithinBounds) {
  av1::Agent agent;
  agent.set_name("a");
  agent.mutable_last_heartbeat_time()->set_seconds(5);
  EXPECT_EQ(ToHostReport(agent), std::nullopt);
  av1::AgentResources& said = *agent.mutable_resources();
  said.set_cpu_used(7);
  said.set_memory_bytes(-1);
  said.set_memory_free_bytes(3);
  for (int i = 0; i < 40; ++i) said.add_gpus()->set_used(std::numeric_limits<double>::quiet_NaN());
  const std::optional<HostReport> report = ToHostReport(agent);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->cpu_used, 1);
  EXPECT_EQ(report->memory_bytes, 0);
  EXPECT_EQ(report->memory_free_bytes, 3);
  ASSERT_THAT(report->gpus, SizeIs(16));
  EXPECT_EQ(report->gpus[0].used, 0);
  EXPECT_EQ(report->host, "");
}

}  // namespace
}  // namespace switchyard::model_registry

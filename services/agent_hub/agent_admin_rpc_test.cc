#include "services/agent_hub/agent_admin_rpc.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/retry.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/tls/certificates.h"
#include "services/agent_hub/agent_admin_convert.h"
#include "services/agent_hub/fake_token_issuer.h"
#include "services/agent_hub/in_memory_agent_store.h"
#include "services/agent_hub/in_memory_log_store.h"

namespace switchyard::agent_hub {
namespace {

namespace v1 = agent::v1;
using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::StartsWith;
using Stub = v1::AgentAdminService::StubInterface;

class AgentAdminRpcTest : public ::testing::Test {
 protected:
  AgentAdminRpcTest() {
    streams_.OnNews([this] { pump_.Wake(); });
    blocking_.Start();
    pump_.Start();
    server_.Register(rpc_, v1::AgentAdminService::service_full_name());
    server_.Start();
    stub_ = v1::AgentAdminService::NewStub(server_.channel());
  }
  ~AgentAdminRpcTest() override {
    stub_.reset();
    server_.Stop();
    pump_.Stop();
    blocking_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(const std::string& token,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const std::type_identity_t<Request>& request) {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  absl::StatusOr<v1::EnrollAgentResponse> Enroll(const std::string& name) {
    v1::EnrollAgentRequest request;
    request.set_name(name);
    (*request.mutable_labels())["site"] = "home";
    return Call("admin-token", &Stub::EnrollAgent, request);
  }
  static v1::EnrollmentBundle Open(const std::string& text) {
    v1::EnrollmentBundle bundle;
    std::string bytes;
    EXPECT_THAT(text, StartsWith("sye1_"));
    EXPECT_TRUE(absl::WebSafeBase64Unescape(text.substr(5), &bytes) && bundle.ParseFromString(bytes));
    return bundle;
  }
  absl::StatusOr<v1::RedeemEnrollmentResponse> Redeem(const std::string& token) {
    v1::RedeemEnrollmentRequest request;
    request.set_token(token);
    request.set_request_id("0123456789abcdef");
    request.set_host_name("host");
    return Call("", &Stub::RedeemEnrollment, request);
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  InMemoryAgentStore store_;
  InMemoryLogStore logs_;
  FakeTokenIssuer issuer_{clock_};
  const std::string ca_ = tls::MakeAuthority("test", clock_.Now())->certificate;
  AgentAdmin admin_{store_,
                    issuer_,
                    clock_,
                    ids_,
                    {.addresses = {"hub.example:7403"}, .ca_pem = ca_, .server_name = "hub", .insecure = false}};
  TaskLogStreams streams_{logs_, clock_};
  PeriodicTask pump_{"logs", [this] { streams_.Tick(); }, [this] { return streams_.Rest(); }};
  BoundedExecutor blocking_{"admin", 2, 64};
  testing::RpcTestServer server_;
  AgentAdminRpc rpc_{server_.gate(), admin_, streams_, clock_, blocking_};
  std::unique_ptr<v1::AgentAdminService::Stub> stub_;
};

TEST_F(AgentAdminRpcTest, AMachineJoinsByTheStringAlone) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::EnrollAgentResponse enrolled, Enroll("alpha"));
  const v1::EnrollmentBundle bundle = Open(enrolled.enrollment());
  EXPECT_THAT(bundle.addresses(), ElementsAre("hub.example:7403"));
  EXPECT_EQ(bundle.ca_pem(), ca_);
  EXPECT_EQ(bundle.server_name(), "hub");
  EXPECT_EQ(bundle.name(), "alpha");
  EXPECT_EQ(enrolled.ca_fingerprint().size(), 64u);

  SY_ASSERT_OK_AND_ASSIGN(const v1::RedeemEnrollmentResponse redeemed, Redeem(bundle.token()));
  EXPECT_EQ(redeemed.name(), "alpha");
  EXPECT_EQ(redeemed.token(), "token-1");
  EXPECT_THAT(Redeem("sye_guess"), IsError("ENROLLMENT_UNKNOWN"));

  v1::GetEnrollmentRequest request;
  request.set_enrollment_id(enrolled.enrollment_id());
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetEnrollmentResponse status, Call("read-token", &Stub::GetEnrollment, request));
  EXPECT_EQ(status.state(), v1::ENROLLMENT_STATE_REDEEMED);
  EXPECT_EQ(status.agent().agent_id(), redeemed.agent_id());
}

TEST_F(AgentAdminRpcTest, ShowsWhatTheAgentSaidAndWhatTheHubSaw) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::EnrollAgentResponse enrolled, Enroll("alpha"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::RedeemEnrollmentResponse redeemed, Redeem(Open(enrolled.enrollment()).token()));
  v1::Agent said;
  said.set_version("1.2.3");
  said.set_slots(4);
  said.add_missing_features("blocked");
  (*said.mutable_labels())["site"] = "elsewhere";
  said.mutable_resources()->set_cpus(8);
  Observation seen;
  SY_ASSERT_OK_AND_ASSIGN(seen.agent, AgentId::Parse(redeemed.agent_id()));
  seen.session_epoch = 7;
  seen.hub = "hub-1";
  seen.state = AgentState::kConnecting;
  seen.state_time = clock_.Now();
  seen.state_cause = "hello";
  seen.capabilities = std::vector<std::string>{"gpu"};
  seen.said = said.SerializeAsString();
  seen.transitions = {{clock_.Now(), AgentState::kOffline, AgentState::kConnecting, "hello", "hub-1"}};
  SY_ASSERT_OK(store_.Observe({seen}));

  v1::GetAgentRequest request;
  request.set_agent("alpha");
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetAgentResponse shown, Call("read-token", &Stub::GetAgent, request));
  EXPECT_EQ(shown.agent().version(), "1.2.3");
  EXPECT_EQ(shown.agent().resources().cpus(), 8);
  EXPECT_EQ(shown.agent().labels().at("site"), "home") << "who enrolled it knows better";
  EXPECT_EQ(shown.agent().state(), v1::AGENT_STATE_CONNECTING);
  EXPECT_EQ(shown.agent().hub_id(), "hub-1");
  EXPECT_FALSE(shown.agent().available());
  EXPECT_EQ(shown.agent().unavailable_reason(), "its probe task has not passed");
  ASSERT_EQ(shown.transitions_size(), 1);
  EXPECT_EQ(shown.transitions(0).cause(), "hello");

  v1::ListAgentsRequest list;
  list.add_states(v1::AGENT_STATE_CONNECTING);
  list.add_capabilities("gpu");
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListAgentsResponse listed, Call("read-token", &Stub::ListAgents, list));
  EXPECT_EQ(listed.agents_size(), 1);
  list.add_states(v1::AGENT_STATE_UNSPECIFIED);
  EXPECT_THAT(Call("read-token", &Stub::ListAgents, list), IsError("INVALID_FIELD"));
}

TEST_F(AgentAdminRpcTest, PeopleSteerAgentsWithTheRightScopeOnly) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::EnrollAgentResponse enrolled, Enroll("alpha"));
  SY_ASSERT_OK(Redeem(Open(enrolled.enrollment()).token()).status());
  v1::DrainAgentRequest drain;
  drain.set_agent("alpha");
  drain.set_reason("upgrade");
  EXPECT_THAT(Call("submit-token", &Stub::DrainAgent, drain), IsError("SCOPE_MISSING"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::DrainAgentResponse drained, Call("admin-token", &Stub::DrainAgent, drain));
  EXPECT_EQ(drained.agent().drain().reason(), "upgrade");
  EXPECT_FALSE(drained.agent().drain().set_by().empty());
  v1::QuarantineAgentRequest quarantine;
  quarantine.set_agent("alpha");
  SY_ASSERT_OK_AND_ASSIGN(const v1::QuarantineAgentResponse apart,
                          Call("admin-token", &Stub::QuarantineAgent, quarantine));
  EXPECT_TRUE(apart.agent().has_quarantine());
  v1::ResumeAgentRequest resume;
  resume.set_agent("alpha");
  SY_ASSERT_OK_AND_ASSIGN(const v1::ResumeAgentResponse resumed, Call("admin-token", &Stub::ResumeAgent, resume));
  EXPECT_FALSE(resumed.agent().has_drain() || resumed.agent().has_quarantine());
  v1::ResetAgentBreakerRequest reset;
  reset.set_agent("alpha");
  SY_EXPECT_OK(Call("admin-token", &Stub::ResetAgentBreaker, reset).status());
  v1::RotateAgentTokenRequest rotate;
  rotate.set_agent("alpha");
  rotate.mutable_grace()->set_seconds(60);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RotateAgentTokenResponse rotated,
                          Call("admin-token", &Stub::RotateAgentToken, rotate));
  EXPECT_EQ(rotated.token(), "token-2");
  rotate.mutable_grace()->set_seconds(-1);
  EXPECT_THAT(Call("admin-token", &Stub::RotateAgentToken, rotate), IsError("INVALID_FIELD"));
  v1::RevokeAgentTokenRequest revoke;
  revoke.set_agent("alpha");
  SY_ASSERT_OK_AND_ASSIGN(const v1::RevokeAgentTokenResponse revoked,
                          Call("admin-token", &Stub::RevokeAgentToken, revoke));
  EXPECT_FALSE(revoked.agent().has_token_expire_time());
  v1::RemoveAgentRequest remove;
  remove.set_agent("alpha");
  SY_EXPECT_OK(Call("admin-token", &Stub::RemoveAgent, remove).status());
  EXPECT_THAT(Call("admin-token", &Stub::RemoveAgent, remove), IsError("AGENT_NOT_FOUND"));
  v1::RevokeEnrollmentRequest over;
  over.set_enrollment_id(enrolled.enrollment_id());
  EXPECT_THAT(Call("admin-token", &Stub::RevokeEnrollment, over), IsError("ENROLLMENT_REDEEMED"));
  over.set_enrollment_id("x");
  EXPECT_THAT(Call("admin-token", &Stub::RevokeEnrollment, over), IsError("INVALID_FIELD"));
}

TEST_F(AgentAdminRpcTest, AnAgentAsksForItself) {
  EXPECT_THAT(Call("read-token", &Stub::RenewToken, v1::RenewTokenRequest()), IsError("SCOPE_MISSING"));
  // The test server's principal of that token is no agent that was enrolled.
  EXPECT_THAT(Call("agent-token", &Stub::RenewToken, v1::RenewTokenRequest()), IsError("AGENT_NOT_FOUND"));
  EXPECT_THAT(Call("agent-token", &Stub::GetSelfStatus, v1::GetSelfStatusRequest()), IsError("AGENT_NOT_FOUND"));
}

TEST_F(AgentAdminRpcTest, ReadsAndFollowsALog) {
  const TaskId task = TaskId(FakeUuid(clock_.Now(), 5));
  const auto print = [&](std::int64_t sequence, const std::string& data) {
    LogChunk chunk{.task = task, .generation = 1, .sequence = sequence, .data = data, .time = clock_.Now()};
    SY_ASSERT_OK(logs_.Append({chunk}, clock_.Now()));
    streams_.Note(task);
  };
  print(1, "one\n");
  v1::ReadTaskLogRequest request;
  request.set_task_id(task.ToString());
  request.set_follow(true);
  grpc::ClientContext context;
  server_.caller("read-token").Prepare(context, absl::Seconds(30), std::nullopt);
  const auto stream = stub_->ReadTaskLog(&context, request);
  std::string text;
  v1::ReadTaskLogResponse message;
  const auto read_until = [&](const std::string& wanted) {
    while (text != wanted && stream->Read(&message)) {
      for (const v1::TaskLogChunk& chunk : message.chunks()) text += chunk.data();
    }
    EXPECT_EQ(text, wanted);
  };
  read_until("one\n");
  print(2, "two\n");
  read_until("one\ntwo\n");
  const std::string resume = message.resume_token();
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);

  print(3, "three\n");
  request.set_follow(false);
  request.set_resume_token(resume);
  grpc::ClientContext again;
  server_.caller("read-token").Prepare(again, absl::Seconds(30), std::nullopt);
  const auto rest = stub_->ReadTaskLog(&again, request);
  text.clear();
  while (rest->Read(&message)) {
    for (const v1::TaskLogChunk& chunk : message.chunks()) text += chunk.data();
  }
  EXPECT_EQ(text, "three\n");
  EXPECT_TRUE(message.caught_up());
  EXPECT_TRUE(rest->Finish().ok());

  request.set_tail_bytes(5);
  request.set_task_id("x");
  grpc::ClientContext odd;
  server_.caller("read-token").Prepare(odd, absl::Seconds(30), std::nullopt);
  const auto refused = stub_->ReadTaskLog(&odd, request);
  EXPECT_FALSE(refused->Read(&message));
  EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(AgentAdminConvertTest, NumbersAreThoseOfTheContract) {
  EXPECT_EQ(static_cast<int>(AgentState::kOffline), v1::AGENT_STATE_OFFLINE);
  EXPECT_EQ(static_cast<int>(AgentState::kConnecting), v1::AGENT_STATE_CONNECTING);
  EXPECT_EQ(static_cast<int>(AgentState::kIdle), v1::AGENT_STATE_IDLE);
  EXPECT_EQ(static_cast<int>(AgentState::kAssigned), v1::AGENT_STATE_ASSIGNED);
  EXPECT_EQ(static_cast<int>(AgentState::kWorking), v1::AGENT_STATE_WORKING);
  EXPECT_EQ(static_cast<int>(AgentState::kVerifying), v1::AGENT_STATE_VERIFYING);
  EXPECT_EQ(static_cast<int>(AgentState::kBlocked), v1::AGENT_STATE_BLOCKED);
  EXPECT_EQ(static_cast<int>(AgentState::kDraining), v1::AGENT_STATE_DRAINING);
  EXPECT_EQ(static_cast<int>(AgentState::kDegraded), v1::AGENT_STATE_DEGRADED);
  EXPECT_EQ(static_cast<int>(AgentState::kUnresponsive), v1::AGENT_STATE_UNRESPONSIVE);
  EXPECT_EQ(static_cast<int>(AgentState::kQuarantined), v1::AGENT_STATE_QUARANTINED);
  EXPECT_EQ(static_cast<int>(ProbeState::kPending), v1::PROBE_STATE_PENDING);
  EXPECT_EQ(static_cast<int>(ProbeState::kSent), v1::PROBE_STATE_SENT);
  EXPECT_EQ(static_cast<int>(ProbeState::kRunning), v1::PROBE_STATE_RUNNING);
  EXPECT_EQ(static_cast<int>(ProbeState::kPassed), v1::PROBE_STATE_PASSED);
  EXPECT_EQ(static_cast<int>(ProbeState::kFailed), v1::PROBE_STATE_FAILED);
  EXPECT_EQ(static_cast<int>(LogStream::kStdout), v1::LOG_STREAM_STDOUT);
  EXPECT_EQ(static_cast<int>(LogStream::kStderr), v1::LOG_STREAM_STDERR);
  EXPECT_EQ(static_cast<int>(LogStream::kExecutor), v1::LOG_STREAM_EXECUTOR);
  EXPECT_EQ(static_cast<int>(EnrollmentState::kRevoked), v1::ENROLLMENT_STATE_REVOKED);
}

TEST(AgentAdminConvertTest, FingerprintsNeedACertificate) {
  EXPECT_EQ(FingerprintOf(""), "");
  EXPECT_EQ(FingerprintOf("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"), "");
}

}  // namespace
}  // namespace switchyard::agent_hub

#include "services/identity/agent_token_rpc.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/retry.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/identity/in_memory_identity_store.h"

namespace switchyard::identity {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;
using Stub = v1::AgentTokenService::StubInterface;

class AgentTokenRpcTest : public ::testing::Test {
 protected:
  AgentTokenRpcTest() {
    blocking_.Start();
    server_.Register(rpc_, v1::AgentTokenService::service_full_name());
    server_.Start();
    stub_ = v1::AgentTokenService::NewStub(server_.channel());
  }
  ~AgentTokenRpcTest() override {
    stub_.reset();
    server_.Stop();
    blocking_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, const std::string& token = "service-token") {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  absl::StatusOr<v1::IssueAgentTokenResponse> Issue(const std::string& token = "service-token") {
    v1::IssueAgentTokenRequest request;
    request.set_name("alpha");
    request.set_principal_id(agent_);
    request.mutable_lifetime()->set_seconds(3'600);
    return Call(&Stub::IssueAgentToken, request, token);
  }

  FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  const std::string agent_ = testing::FakeUuid(clock_.Now(), 77).ToString();
  InMemoryIdentityStore store_;
  UseRecorder uses_{store_, clock_, absl::Minutes(1)};
  Identity identity_{store_, uses_, clock_, ids_, {}};
  BoundedExecutor blocking_{"test", 2, 64};
  testing::RpcTestServer server_;
  AgentTokenRpc rpc_{server_.gate(), identity_, blocking_};
  std::unique_ptr<v1::AgentTokenService::Stub> stub_;
};

TEST_F(AgentTokenRpcTest, IssuesForThePrincipalThatTheHubNames) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueAgentTokenResponse issued, Issue());
  SY_ASSERT_OK_AND_ASSIGN(const Token token, identity_.Verify(issued.text()));
  EXPECT_EQ(token.principal.ToString(), agent_);
  EXPECT_TRUE(token.scopes.Has(Scope::kAgent));
  EXPECT_EQ(token.scopes.List().size(), 1u);
  EXPECT_THAT(Issue("admin-token"), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Issue("agent-token"), IsError("SCOPE_MISSING"));
  v1::IssueAgentTokenRequest odd;
  odd.set_name("alpha");
  EXPECT_THAT(Call(&Stub::IssueAgentToken, odd), IsError("INVALID_FIELD"));
}

TEST_F(AgentTokenRpcTest, RotatesTheNewestAndRevokesAll) {
  v1::RotateAgentTokenRequest rotate;
  rotate.set_principal_id(agent_);
  rotate.mutable_grace()->set_seconds(60);
  EXPECT_THAT(Call(&Stub::RotateAgentToken, rotate), IsError("TOKEN_NOT_FOUND"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueAgentTokenResponse issued, Issue());
  SY_ASSERT_OK_AND_ASSIGN(const v1::RotateAgentTokenResponse rotated, Call(&Stub::RotateAgentToken, rotate));
  EXPECT_EQ(rotated.rotated().token_id(), issued.token().token_id());
  EXPECT_EQ(rotated.token().principal_id(), agent_);
  SY_EXPECT_OK(identity_.Verify(issued.text()).status());

  v1::RevokeAgentTokensRequest revoke;
  revoke.set_principal_id(agent_);
  SY_ASSERT_OK_AND_ASSIGN(v1::RevokeAgentTokensResponse revoked, Call(&Stub::RevokeAgentTokens, revoke));
  EXPECT_EQ(revoked.tokens_size(), 2);
  EXPECT_THAT(identity_.Verify(issued.text()), IsError("TOKEN_UNKNOWN"));
  EXPECT_THAT(identity_.Verify(rotated.text()), IsError("TOKEN_UNKNOWN"));
  SY_ASSERT_OK_AND_ASSIGN(revoked, Call(&Stub::RevokeAgentTokens, revoke));
  EXPECT_EQ(revoked.tokens_size(), 0);
}

TEST_F(AgentTokenRpcTest, ARepeatedRotationIsAnsweredAsTheFirst) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueAgentTokenResponse issued, Issue());
  v1::RotateAgentTokenRequest rotate;
  rotate.set_request_id("once");
  rotate.set_principal_id(agent_);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RotateAgentTokenResponse first, Call(&Stub::RotateAgentToken, rotate));
  SY_ASSERT_OK_AND_ASSIGN(const v1::RotateAgentTokenResponse again, Call(&Stub::RotateAgentToken, rotate));
  EXPECT_TRUE(again.replayed());
  EXPECT_EQ(again.token().token_id(), first.token().token_id());
  EXPECT_EQ(again.rotated().token_id(), issued.token().token_id());
  rotate.mutable_grace()->set_seconds(60);
  EXPECT_THAT(Call(&Stub::RotateAgentToken, rotate), IsError("REQUEST_ID_REUSED"));
}

TEST_F(AgentTokenRpcTest, DoesNotTouchTokensOfOtherScopes) {
  SY_ASSERT_OK_AND_ASSIGN(
      const IssuedToken root,
      identity_.Issue(
          {.requester = {}, .request_id = "", .name = "root", .scopes = {Scope::kAdmin}, .lifetime = absl::Hours(1)}));
  v1::RevokeAgentTokensRequest revoke;
  revoke.set_principal_id(root.token.principal.ToString());
  SY_ASSERT_OK_AND_ASSIGN(const v1::RevokeAgentTokensResponse revoked, Call(&Stub::RevokeAgentTokens, revoke));
  EXPECT_EQ(revoked.tokens_size(), 0);
  SY_EXPECT_OK(identity_.Verify(root.text).status());
}

}  // namespace
}  // namespace switchyard::identity

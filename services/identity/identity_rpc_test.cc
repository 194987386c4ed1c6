#include "services/identity/identity_rpc.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/caching_authenticator.h"
#include "libs/rpc/retry.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/identity/in_memory_identity_store.h"
#include "services/identity/local_authenticator.h"

namespace switchyard::identity {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::ElementsAre;
using IdentityStub = v1::IdentityService::StubInterface;

constexpr absl::Duration kCacheTtl = absl::Seconds(10);

// The service as it runs, on the store in memory and a clock moved by hand; its callers hold tokens of its own.
class IdentityRpcTest : public ::testing::Test {
 protected:
  IdentityRpcTest() {
    blocking_.Start();
    rpc_ = std::make_unique<IdentityRpc>(server_.gate(), identity_, blocking_);
    server_.Register(*rpc_, v1::IdentityService::service_full_name());
    server_.Start();
    stub_ = v1::IdentityService::NewStub(server_.channel());
    admin_ = Bootstrap("root", {Scope::kAdmin});
    service_ = Bootstrap("queue", {Scope::kService});
  }
  ~IdentityRpcTest() override {
    stub_.reset();
    server_.Stop();
    blocking_.Stop();
  }

  std::string Bootstrap(std::string name, Scopes scopes) {
    return identity_
        .Issue(
            {.requester = {}, .request_id = "", .name = std::move(name), .scopes = scopes, .lifetime = absl::Hours(2)})
        ->text;
  }
  template <class Request, class Response>
  absl::StatusOr<Response> Call(const std::string& token,
                                grpc::Status (IdentityStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return rpc::CallUnary(server_.caller(token), *stub_, method, request, {});
  }
  absl::StatusOr<v1::IssueTokenResponse> Issue(const std::string& name, options::v1::Scope scope,
                                               const std::string& request_id = "") {
    v1::IssueTokenRequest request;
    request.set_name(name);
    request.add_scopes(scope);
    request.set_request_id(request_id);
    request.mutable_lifetime()->set_seconds(3600);
    return Call(admin_, &IdentityStub::IssueToken, request);
  }
  absl::StatusOr<v1::VerifyTokenResponse> Verify(const std::string& text) {
    v1::VerifyTokenRequest request;
    request.set_text(text);
    return Call(service_, &IdentityStub::VerifyToken, request);
  }
  absl::StatusOr<v1::RevokeTokenResponse> Revoke(const std::string& id) {
    v1::RevokeTokenRequest request;
    request.set_token_id(id);
    request.set_reason("test");
    return Call(admin_, &IdentityStub::RevokeToken, request);
  }

  FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  InMemoryIdentityStore store_;
  UseRecorder uses_{store_, clock_, absl::Minutes(1)};
  Identity identity_{store_, uses_, clock_, ids_, {.max_tokens = 6}};
  BoundedExecutor blocking_{"blocking", 2, 16};
  LocalAuthenticator local_{identity_, blocking_};
  rpc::CachingAuthenticator cache_{
      local_, clock_, {.ttl = kCacheTtl, .refusal_ttl = absl::Seconds(1), .refresh_after = kCacheTtl}};
  std::unique_ptr<IdentityRpc> rpc_;
  testing::RpcTestServer server_{testing::RpcTestServer::Options(), &clock_, &cache_};
  std::unique_ptr<v1::IdentityService::Stub> stub_;
  std::string admin_;
  std::string service_;
};

TEST_F(IdentityRpcTest, IssuesATokenThatAServiceCanVerify) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueTokenResponse issued, Issue("reader", options::v1::SCOPE_READ));
  EXPECT_EQ(issued.token().created_by(), "root");
  SY_ASSERT_OK_AND_ASSIGN(const v1::VerifyTokenResponse verified, Verify(issued.text()));
  EXPECT_EQ(verified.token().token_id(), issued.token().token_id());
  EXPECT_EQ(verified.token().principal_id(), issued.token().principal_id());
  EXPECT_THAT(verified.token().scopes(), ElementsAre(options::v1::SCOPE_READ));
  EXPECT_EQ(verified.token().expire_time().seconds(), absl::ToUnixSeconds(clock_.Now() + absl::Hours(1)));
}

TEST_F(IdentityRpcTest, ReplaysAnIssueWithoutItsText) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueTokenResponse first, Issue("a", options::v1::SCOPE_READ, "once"));
  SY_ASSERT_OK_AND_ASSIGN(const v1::IssueTokenResponse again, Issue("a", options::v1::SCOPE_READ, "once"));
  EXPECT_TRUE(again.replayed());
  EXPECT_EQ(again.text(), "");
  EXPECT_EQ(again.token().token_id(), first.token().token_id());
  EXPECT_THAT(Issue("b", options::v1::SCOPE_READ, "once"), IsError("REQUEST_ID_REUSED"));
}

TEST_F(IdentityRpcTest, ReportsFaultsOfAnIssueByField) {
  v1::IssueTokenRequest request;
  request.set_name("UPPER");
  request.add_scopes(options::v1::SCOPE_READ);
  EXPECT_THAT(Call(admin_, &IdentityStub::IssueToken, request), IsError("INVALID_FIELD"));
  request.set_name("a");
  request.add_scopes(options::v1::SCOPE_NONE);
  request.add_scopes(static_cast<options::v1::Scope>(77));
  request.mutable_lifetime()->set_nanos(-5);
  request.mutable_lifetime()->set_seconds(5);
  const absl::StatusOr<v1::IssueTokenResponse> answer = Call(admin_, &IdentityStub::IssueToken, request);
  std::vector<std::string> fields;
  for (const FieldViolation& violation : DetailsOf(answer.status()).violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, ElementsAre("scopes[1]", "scopes[2]", "lifetime"));
}

TEST_F(IdentityRpcTest, BoundsTheNumberOfTokens) {
  for (int i = 0; i < 4; ++i) SY_ASSERT_OK(Issue("a", options::v1::SCOPE_READ));
  EXPECT_THAT(Issue("a", options::v1::SCOPE_READ), IsError("TOO_MANY_TOKENS"));
}

TEST_F(IdentityRpcTest, AsksForTheScopesOfTheContract) {
  const std::string reader = Issue("reader", options::v1::SCOPE_READ)->text();
  EXPECT_THAT(Call(reader, &IdentityStub::IssueToken, v1::IssueTokenRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call(service_, &IdentityStub::ListTokens, v1::ListTokensRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call(service_, &IdentityStub::RevokeToken, v1::RevokeTokenRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call(reader, &IdentityStub::RotateToken, v1::RotateTokenRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call(admin_, &IdentityStub::VerifyToken, v1::VerifyTokenRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call(service_, &IdentityStub::GetSelf, v1::GetSelfRequest()), IsError("SCOPE_MISSING"));
  EXPECT_THAT(Call("", &IdentityStub::GetSelf, v1::GetSelfRequest()), IsError("TOKEN_MISSING"));
  EXPECT_THAT(Call("sy_wrong", &IdentityStub::GetSelf, v1::GetSelfRequest()), IsError("TOKEN_INVALID"));
}

TEST_F(IdentityRpcTest, TellsTheCallerWhoItIs) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::GetSelfResponse self, Call(admin_, &IdentityStub::GetSelf, v1::GetSelfRequest()));
  EXPECT_EQ(self.name(), "root");
  EXPECT_THAT(self.scopes(), ElementsAre(options::v1::SCOPE_ADMIN, options::v1::SCOPE_SUBMIT, options::v1::SCOPE_READ));
  EXPECT_EQ(self.expire_time().seconds(), absl::ToUnixSeconds(clock_.Now() + absl::Hours(2)));
}

TEST_F(IdentityRpcTest, VerifiesNothingButLiveTokens) {
  const std::string text = Issue("reader", options::v1::SCOPE_READ)->text();
  for (const char* wrong : {"", "sy_", "Bearer x"}) EXPECT_THAT(Verify(wrong), IsError("TOKEN_UNKNOWN"));
  EXPECT_THAT(Verify(std::string(text) + "x"), IsError("TOKEN_UNKNOWN"));
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(Verify(text), IsError("TOKEN_UNKNOWN"));
}

TEST_F(IdentityRpcTest, EndsTheCallsOfARevokedTokenWithinTheCacheTime) {
  const v1::IssueTokenResponse reader = *Issue("reader", options::v1::SCOPE_READ);
  ASSERT_THAT(Call(reader.text(), &IdentityStub::GetSelf, v1::GetSelfRequest()), IsOk());
  SY_ASSERT_OK_AND_ASSIGN(const v1::RevokeTokenResponse revoked, Revoke(reader.token().token_id()));
  EXPECT_EQ(revoked.token().revoke_reason(), "test");
  EXPECT_THAT(Verify(reader.text()), IsError("TOKEN_UNKNOWN"));
  clock_.Advance(kCacheTtl);
  EXPECT_THAT(Call(reader.text(), &IdentityStub::GetSelf, v1::GetSelfRequest()), IsError("TOKEN_INVALID"));
}

TEST_F(IdentityRpcTest, EndsTheCallsOfAnExpiredTokenAtOnce) {
  const std::string text = Issue("reader", options::v1::SCOPE_READ)->text();
  clock_.Advance(absl::Hours(1) - absl::Seconds(1));
  ASSERT_THAT(Call(text, &IdentityStub::GetSelf, v1::GetSelfRequest()), IsOk());
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Call(text, &IdentityStub::GetSelf, v1::GetSelfRequest()), IsError("TOKEN_INVALID"));
}

TEST_F(IdentityRpcTest, RefusesToRevokeWhatIsNotThereOrTheLastAdministrator) {
  EXPECT_THAT(Revoke("x"), IsError("INVALID_FIELD"));
  EXPECT_THAT(Revoke(testing::FakeUuid(clock_.Now(), 999).ToString()), IsError("TOKEN_NOT_FOUND"));
  SY_ASSERT_OK_AND_ASSIGN(const TokenPage page, identity_.List({.name = "root"}));
  EXPECT_THAT(Revoke(page.tokens[0].id.ToString()), IsError("LAST_ADMIN_TOKEN"));
}

TEST_F(IdentityRpcTest, RotatesAToken) {
  const v1::IssueTokenResponse old = *Issue("reader", options::v1::SCOPE_READ);
  v1::RotateTokenRequest request;
  request.set_token_id(old.token().token_id());
  request.mutable_grace()->set_seconds(0);
  SY_ASSERT_OK_AND_ASSIGN(const v1::RotateTokenResponse rotated, Call(admin_, &IdentityStub::RotateToken, request));
  EXPECT_EQ(rotated.token().principal_id(), old.token().principal_id());
  EXPECT_EQ(rotated.rotated().token_id(), old.token().token_id());
  EXPECT_THAT(Verify(old.text()), IsError("TOKEN_UNKNOWN"));
  EXPECT_THAT(Verify(rotated.text()), IsOk());
  EXPECT_THAT(Call(admin_, &IdentityStub::RotateToken, request), IsError("TOKEN_NOT_LIVE"));
  request.set_token_id("x");
  request.mutable_grace()->set_nanos(2'000'000'000);
  const absl::StatusOr<v1::RotateTokenResponse> answer = Call(admin_, &IdentityStub::RotateToken, request);
  EXPECT_EQ(DetailsOf(answer.status()).violations.size(), 2u);
}

TEST_F(IdentityRpcTest, ListsByPages) {
  SY_ASSERT_OK(Issue("reader", options::v1::SCOPE_READ));
  v1::ListTokensRequest request;
  request.set_page_size(2);
  SY_ASSERT_OK_AND_ASSIGN(v1::ListTokensResponse page, Call(admin_, &IdentityStub::ListTokens, request));
  ASSERT_EQ(page.tokens_size(), 2);
  EXPECT_EQ(page.tokens(0).name(), "reader");
  request.set_page_token(page.next_page_token());
  SY_ASSERT_OK_AND_ASSIGN(page, Call(admin_, &IdentityStub::ListTokens, request));
  ASSERT_EQ(page.tokens_size(), 1);
  EXPECT_EQ(page.tokens(0).name(), "root");
  EXPECT_EQ(page.next_page_token(), "");
  request.set_page_token("nonsense");
  EXPECT_THAT(Call(admin_, &IdentityStub::ListTokens, request), IsError("INVALID_FIELD"));
}

TEST_F(IdentityRpcTest, SaysThatTheStoreIsAway) {
  ASSERT_THAT(Call(admin_, &IdentityStub::GetSelf, v1::GetSelfRequest()), IsOk());
  store_.FailWith(MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away"));
  EXPECT_THAT(Call(admin_, &IdentityStub::ListTokens, v1::ListTokensRequest()), IsError("DATABASE_UNAVAILABLE"));
  EXPECT_THAT(Call(service_, &IdentityStub::VerifyToken, v1::VerifyTokenRequest()), IsError("IDENTITY_UNAVAILABLE"));
}

}  // namespace
}  // namespace switchyard::identity

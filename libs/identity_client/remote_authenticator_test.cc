#include "libs/identity_client/remote_authenticator.h"

#include <functional>
#include <future>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/rpc/caching_authenticator.h"
#include "libs/rpc/handler.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::identity_client {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::StatusIs;

// Knows the token "good", answers what the test says.
class FakeIdentityService final : public identity::v1::IdentityService::CallbackService {
 public:
  explicit FakeIdentityService(rpc::CallGate& gate) : rpc_(gate, identity::v1::IdentityService::service_full_name()) {}

  grpc::ServerUnaryReactor* VerifyToken(grpc::CallbackServerContext* context,
                                        const identity::v1::VerifyTokenRequest* request,
                                        identity::v1::VerifyTokenResponse* response) override {
    return rpc_.Unary(context, verify_, request, response,
                      [this](const rpc::CallContext&, const identity::v1::VerifyTokenRequest& request,
                             identity::v1::VerifyTokenResponse& response, rpc::Done done) {
                        ++questions;
                        if (!answer.ok()) return done(answer);
                        if (revoked || request.text() != "good") {
                          return done(MakeError(absl::StatusCode::kNotFound, "TOKEN_UNKNOWN", "unknown"));
                        }
                        identity::v1::Token& token = *response.mutable_token();
                        token.set_principal_id("p-1");
                        token.set_name("reader");
                        token.add_scopes(options::v1::SCOPE_SUBMIT);
                        token.mutable_expire_time()->set_seconds(4'000'000'000);
                        done(absl::OkStatus());
                      });
  }

  std::atomic<int> questions{0};
  std::atomic<bool> revoked{false};
  // Changed only between calls.
  absl::Status answer;

 private:
  rpc::Handlers rpc_;
  const rpc::Method& verify_ = rpc_.Find("VerifyToken");
};

class RemoteAuthenticatorTest : public ::testing::Test {
 protected:
  RemoteAuthenticatorTest() {
    server_.Register(service_, identity::v1::IdentityService::service_full_name());
    server_.Start();
  }

  static rpc::Authenticator::Result Ask(rpc::Authenticator& authenticator, std::string_view token) {
    std::promise<rpc::Authenticator::Result> answer;
    authenticator.Authenticate(token, [&](rpc::Authenticator::Result result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  std::unique_ptr<RemoteAuthenticator> Make(std::string_view own_token = "service-token") {
    return std::make_unique<RemoteAuthenticator>(server_.channel(), server_.caller(own_token), absl::Seconds(5));
  }

  testing::RpcTestServer server_;
  FakeIdentityService service_{server_.gate()};
  struct StopFirst {
    testing::RpcTestServer& server;
    ~StopFirst() { server.Stop(); }
  } stop_first_{server_};
};

TEST_F(RemoteAuthenticatorTest, LearnsWhoseTokenItIs) {
  const auto remote = Make();
  SY_ASSERT_OK_AND_ASSIGN(const auto principal, Ask(*remote, "good"));
  EXPECT_EQ(principal->id, "p-1");
  EXPECT_EQ(principal->name, "reader");
  EXPECT_TRUE(principal->scopes.Allows(options::v1::SCOPE_READ));
  EXPECT_FALSE(principal->scopes.Allows(options::v1::SCOPE_ADMIN));
  EXPECT_EQ(principal->expire_time, absl::FromUnixSeconds(4'000'000'000));
}

TEST_F(RemoteAuthenticatorTest, SaysThatAnUnknownTokenIsInvalid) {
  const auto remote = Make();
  EXPECT_THAT(Ask(*remote, "bad"), IsError("TOKEN_INVALID"));
}

TEST_F(RemoteAuthenticatorTest, NeverBlamesTheCallerForOurOwnToken) {
  for (const char* own : {"", "wrong", "read-token"}) {
    const auto remote = Make(own);
    EXPECT_THAT(Ask(*remote, "good"), IsError("IDENTITY_REFUSED")) << own;
  }
}

TEST_F(RemoteAuthenticatorTest, AsksAgainWhenTheServiceIsAway) {
  const auto remote = Make();
  service_.answer = MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away");
  EXPECT_THAT(Ask(*remote, "good"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_GT(service_.questions, 1);
}

TEST_F(RemoteAuthenticatorTest, BehindTheCacheARevocationTakesEffectWithinThirtySeconds) {
  const auto remote = Make();
  testing::FakeClock clock;
  rpc::CachingAuthenticator cached(*remote, clock);
  EXPECT_THAT(Ask(cached, "good"), IsOk());
  service_.revoked = true;
  EXPECT_THAT(Ask(cached, "good"), IsOk());
  EXPECT_EQ(service_.questions, 1);
  clock.Advance(absl::Seconds(30));
  EXPECT_THAT(Ask(cached, "good"), IsError("TOKEN_INVALID"));
}

}  // namespace
}  // namespace switchyard::identity_client

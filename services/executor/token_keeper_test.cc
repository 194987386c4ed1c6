#include "services/executor/token_keeper.h"

#include <atomic>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/files.h"

namespace switchyard::executor {
namespace {

using ::switchyard::testing::IsOkAndHolds;

void SetTime(absl::Time time, google::protobuf::Timestamp& out) { out.set_seconds(absl::ToUnixSeconds(time)); }

// Knows one agent whose token ends at `expires`.
class FakeHub final : public agent::v1::AgentAdminService::Service {
 public:
  grpc::Status GetSelfStatus(grpc::ServerContext*, const agent::v1::GetSelfStatusRequest*,
                             agent::v1::GetSelfStatusResponse* response) override {
    SetTime(expires, *response->mutable_agent()->mutable_token_expire_time());
    return grpc::Status::OK;
  }
  grpc::Status RenewToken(grpc::ServerContext*, const agent::v1::RenewTokenRequest*,
                          agent::v1::RenewTokenResponse* response) override {
    if (broken) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
    expires = next;
    response->set_token("token-" + std::to_string(++renewals));
    SetTime(expires, *response->mutable_token_expire_time());
    return grpc::Status::OK;
  }

  std::atomic<bool> broken{false};
  std::atomic<int> renewals{0};
  absl::Time expires;
  absl::Time next;
};

class TokenKeeperTest : public ::testing::Test {
 protected:
  TokenKeeperTest() {
    SY_EXPECT_OK(ReplaceFile(file_, "old\n"));
    server_.Register(hub_, agent::v1::AgentAdminService::service_full_name());
    server_.Start();
    other_server_.Register(other_hub_, agent::v1::AgentAdminService::service_full_name());
    other_server_.Start();
    other_stub_ = agent::v1::AgentAdminService::NewStub(other_server_.channel());
    stub_ = agent::v1::AgentAdminService::NewStub(server_.channel());
    keeper_ = std::make_unique<TokenKeeper>(
        file_, [this]() -> agent::v1::AgentAdminService::StubInterface& { return moved_ ? *other_stub_ : *stub_; },
        caller_);
  }

  testing::TempDir dir_;
  const std::string file_ = dir_.File("token");
  testing::FakeClock clock_;
  FakeHub hub_, other_hub_;
  bool moved_ = false;
  testing::RpcTestServer server_, other_server_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  rpc::AlarmTimer timer_;
  const rpc::Caller caller_{clock_, *rng_, timer_, nullptr};
  std::unique_ptr<agent::v1::AgentAdminService::Stub> stub_, other_stub_;
  std::unique_ptr<TokenKeeper> keeper_;
};

TEST_F(TokenKeeperTest, RenewsAtTwoThirdsOfTheTime) {
  hub_.expires = clock_.Now() + absl::Minutes(30);
  hub_.next = clock_.Now() + absl::Minutes(60);
  EXPECT_LE(keeper_->Tick(), absl::Minutes(10));
  clock_.Advance(absl::Minutes(19));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 0);
  clock_.Advance(absl::Minutes(1));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 1);
  EXPECT_THAT(ReadSmallFile(file_), IsOkAndHolds("token-1\n"));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 1);
}

TEST_F(TokenKeeperTest, ALongLivedTokenIsRenewedThirtyDaysBefore) {
  const absl::Time end = clock_.Now() + absl::Hours(24 * 365);
  hub_.expires = hub_.next = end;
  keeper_->Tick();
  clock_.Advance(absl::Hours(24 * 334));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 0);
  clock_.Advance(absl::Hours(24));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 1);
}

TEST_F(TokenKeeperTest, AsksTheHubThatCanBeReached) {
  hub_.expires = other_hub_.expires = clock_.Now() + absl::Minutes(30);
  other_hub_.next = clock_.Now() + absl::Minutes(60);
  keeper_->Tick();
  moved_ = true;
  clock_.Advance(absl::Minutes(20));
  keeper_->Tick();
  EXPECT_EQ(hub_.renewals, 0);
  EXPECT_EQ(other_hub_.renewals, 1);
}

TEST_F(TokenKeeperTest, AFailureKeepsTheOldTokenAndIsTriedAgain) {
  hub_.expires = clock_.Now() + absl::Minutes(30);
  hub_.next = clock_.Now() + absl::Minutes(90);
  hub_.broken = true;
  keeper_->Tick();
  clock_.Advance(absl::Minutes(25));
  EXPECT_LE(keeper_->Tick(), absl::Minutes(1));
  EXPECT_THAT(ReadSmallFile(file_), IsOkAndHolds("old\n"));
  hub_.broken = false;
  keeper_->Tick();
  EXPECT_THAT(ReadSmallFile(file_), IsOkAndHolds("token-1\n"));
}

}  // namespace
}  // namespace switchyard::executor

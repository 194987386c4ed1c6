#include "services/agent_hub/agent_hub_rpc.h"

#include <grpc/support/time.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/status.h"
#include "libs/rpc/status_convert.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/channel_convert.h"
#include "services/agent_hub/fake_ledger.h"
#include "services/agent_hub/in_memory_agent_store.h"
#include "services/agent_hub/in_memory_log_store.h"
#include "services/agent_hub/test_agent.h"

namespace switchyard::agent_hub {
namespace {

namespace av1 = agent::v1;
namespace tv1 = task_queue::v1;

using ::switchyard::testing::IsError;
using ::testing::SizeIs;

constexpr char kToken[] = "worker-token";

// The hub on a real socket, the ledger beside it in the same server.
class AgentHubRpcTest : public ::testing::Test {
 protected:
  explicit AgentHubRpcTest(HubRules rules = {}) : rules_(rules) {
    blocking_.Start();
    Enroll();
    server_.Register(ledger_, tv1::TaskLedgerService::service_full_name());
    server_.Register(hub_rpc_, av1::AgentHubService::service_full_name());
    server_.Register(dispatch_rpc_, av1::AgentDispatchService::service_full_name());
    server_.authenticator().Add(kToken,
                                {.id = agent_.ToString(), .name = "worker", .scopes = {options::v1::SCOPE_AGENT}});
    server_.Start();
  }
  void SetUp() override {
    client_.Connect(
        server_.in_process_channel(), [this](std::vector<Directive> told) { hub_.Direct(told); },
        [this] { hub_.DirectivesLost(); });
    ticks_.Start();
  }
  void TearDown() override {
    ticks_.Stop();
    client_.Disconnect();
    server_.Stop();
    blocking_.Stop();
  }

  static rpc::ServerOptions Options() {
    rpc::ServerOptions options = testing::RpcTestServer::Options();
    options.slow_reader_grace = absl::Milliseconds(500);
    return options;
  }
  void Enroll() {
    Enrollment enrollment;
    enrollment.id = ids_.New<EnrollmentId>();
    enrollment.agent = ids_.New<AgentId>();
    enrollment.name = "worker";
    enrollment.token_hash = std::string(32, 'h');
    enrollment.create_time = clock_.Now();
    enrollment.expire_time = clock_.Now() + absl::Hours(1);
    ASSERT_TRUE(store_.Enroll(enrollment, 10).ok());
    ASSERT_TRUE(store_.Redeem(enrollment.token_hash, "r", "host", clock_.Now()).ok());
    agent_ = enrollment.agent;
    const Health health{.agent = agent_, .probe = Probe{.state = ProbeState::kPassed}};
    ASSERT_TRUE(store_.SaveHealth({&health, 1}).ok());
  }

  DisciplinedClock clock_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  TimeOrderedIdSource ids_{clock_, *rng_};
  AgentId agent_;
  const HubRules rules_;
  InMemoryAgentStore store_;
  InMemoryLogStore log_store_;
  BoundedExecutor blocking_{"blocking", 2, 1000};
  testing::RpcTestServer server_{Options()};
  FakeLedger ledger_{server_.gate(), clock_};
  HubMeter meter_{server_.metrics()};
  LogLane logs_{log_store_, blocking_, clock_, meter_, [](const TaskId&) {}};
  LedgerClient client_{server_.caller("service-token"), "hub-1", absl::Seconds(5)};
  RouteClient routes_{clock_, absl::Seconds(5)};
  LiveHub hub_{rules_,
               "hub-1",
               {.clock = clock_,
                .ids = ids_,
                .store = store_,
                .blocking = blocking_,
                .ledger = client_,
                .logs = logs_,
                .routes = routes_,
                .meter = meter_}};
  AgentHubRpc hub_rpc_{server_.gate(), hub_, {.max_messages = 100, .max_bytes = 1 << 20}};
  AgentDispatchRpc dispatch_rpc_{server_.gate(), hub_};
  PeriodicTask ticks_{"ticks", [this] { hub_.Tick(); }, [] { return absl::Milliseconds(20); }};
};

// The scheduler's side.
class TestScheduler {
 public:
  explicit TestScheduler(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(av1::AgentDispatchService::NewStub(channel)) {
    context_.AddMetadata("authorization", "Bearer service-token");
    av1::WatchCapacityRequest request;
    request.set_scheduler_id("scheduler-1");
    reader_ = stub_->WatchCapacity(&context_, request);
  }
  ~TestScheduler() {
    context_.TryCancel();
    reader_->Finish();
  }

  // Reads until `credits` are granted to the one agent there is.
  av1::AgentCapacity Await(std::int64_t credits) {
    while (limit_ < credits) {
      av1::WatchCapacityResponse news;
      if (!reader_->Read(&news)) break;
      if (!news.watch_id().empty()) watch_id_ = news.watch_id();
      if (!news.gone_agent_ids().empty()) limit_ = 0;
      for (const av1::AgentCapacity& agent : news.agents()) {
        agent_ = agent;
        limit_ = agent.credit_limit();
      }
      for (const av1::CreditChange& change : news.credits()) limit_ = change.credit_limit();
    }
    return agent_;
  }

  av1::DispatchResult Dispatch(const tv1::AssignResult& assigned) {
    av1::DispatchRequest request;
    request.set_scheduler_id("scheduler-1");
    request.set_watch_id(watch_id_);
    av1::DispatchItem& item = *request.add_items();
    item.set_agent_id(agent_.agent_id());
    item.set_session_epoch(agent_.session_epoch());
    av1::Assignment& assignment = *item.mutable_assignment();
    assignment.set_task_id(assigned.task_id());
    assignment.set_generation(assigned.generation());
    *assignment.mutable_spec() = assigned.spec();
    *assignment.mutable_accept_by() = assigned.accept_by();
    assignment.set_state_summary(assigned.state_summary());
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer service-token");
    context.set_deadline(gpr_time_from_seconds(10, GPR_TIMESPAN));
    av1::DispatchResponse response;
    EXPECT_TRUE(stub_->Dispatch(&context, request, &response).ok());
    return response.results(0);
  }

 private:
  const std::unique_ptr<av1::AgentDispatchService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<av1::WatchCapacityResponse>> reader_;
  av1::AgentCapacity agent_;
  std::string watch_id_;
  std::int64_t limit_ = -1;
};

std::string Task(int n) { return "0190000a-0000-7000-8000-00000000000" + std::to_string(n); }

TEST_F(AgentHubRpcTest, ATaskGoesFromDispatchToItsAcknowledgedEnd) {
  TestScheduler scheduler(server_.channel());
  TestAgent agent(server_.channel(), kToken);
  ASSERT_TRUE(agent.Say(TestAgent::Hello()));
  const auto welcome = agent.Await(av1::HubMessage::kWelcome);
  ASSERT_TRUE(welcome.has_value());
  EXPECT_EQ(welcome->welcome().agent_name(), "worker");
  EXPECT_EQ(welcome->welcome().hub_id(), "hub-1");

  const av1::AgentCapacity capacity = scheduler.Await(4);
  EXPECT_TRUE(capacity.available());
  EXPECT_EQ(capacity.slots(), 4);
  EXPECT_FALSE(scheduler.Dispatch(ledger_.Assign(Task(1), agent_.ToString())).has_error());
  const auto assign = agent.Await(av1::HubMessage::kAssign);
  ASSERT_TRUE(assign.has_value());
  const av1::Assignment work = assign->assign().assignments(0);
  EXPECT_EQ(work.task_id(), Task(1));
  EXPECT_EQ(work.spec().command().argv(0), "true");
  EXPECT_EQ(work.state_summary(), "what was left");

  agent.Report(1, work, [](av1::Report& report) { report.mutable_accept(); });
  agent.Report(2, work, [](av1::Report& report) { report.mutable_complete()->mutable_result()->set_summary("done"); });
  std::int64_t through = 0;
  while (through < 2) {
    const auto ack = agent.Await(av1::HubMessage::kAck);
    ASSERT_TRUE(ack.has_value());
    through = ack->ack().through();
    EXPECT_TRUE(ack->ack().refused().empty());
  }
  const auto reports = ledger_.reports();
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[1].evidence().result().summary(), "done");
  EXPECT_EQ(reports[1].agent_id(), agent_.ToString());
  // The slot is free again: one more credit.
  scheduler.Await(5);
  SY_EXPECT_OK(agent.Leave());
}

TEST_F(AgentHubRpcTest, AReportWaitsForTheLedgerToComeBack) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  av1::Assignment work;
  work.set_task_id(Task(1));
  work.set_generation(ledger_.Assign(Task(1), agent_.ToString()).generation());
  ledger_.SetAway(true);
  agent.Report(1, work, [](av1::Report& report) { report.mutable_accept(); });
  ledger_.SetAway(false);
  const auto ack = agent.Await(av1::HubMessage::kAck);
  ASSERT_TRUE(ack.has_value());
  EXPECT_TRUE(ack->ack().refused().empty());
}

TEST_F(AgentHubRpcTest, WhatTheLedgerSaysIsTheAgentsIsSentAgain) {
  ledger_.Assign(Task(1), agent_.ToString());
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  const auto assign = agent.Await(av1::HubMessage::kAssign);
  ASSERT_TRUE(assign.has_value());
  EXPECT_TRUE(assign->assign().assignments(0).redelivered());
  EXPECT_EQ(assign->assign().assignments(0).spec().command().argv(0), "true");
  EXPECT_EQ(assign->assign().assignments(0).state_summary(), "what was left");
}

TEST_F(AgentHubRpcTest, DirectivesReachTheAgent) {
  ledger_.Assign(Task(1), agent_.ToString());
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kAssign).has_value());
  tv1::Directive directive;
  directive.set_task_id(Task(1));
  directive.set_generation(1);
  directive.set_agent_id(agent_.ToString());
  directive.mutable_cancel()->set_reason("CANCELLED_BY_USER");
  while (ledger_.watchers() == 0) {
  }
  ledger_.Direct(directive);
  const auto cancel = agent.Await(av1::HubMessage::kCancel);
  ASSERT_TRUE(cancel.has_value());
  EXPECT_EQ(cancel->cancel().reason(), "CANCELLED_BY_USER");
  EXPECT_FALSE(cancel->cancel().withdrawn());
}

TEST_F(AgentHubRpcTest, ConfirmAsksTheLedger) {
  ledger_.Assign(Task(1), agent_.ToString());
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kAssign).has_value());
  av1::AgentMessage message;
  message.mutable_confirm()->set_request(9);
  message.mutable_confirm()->set_task_id(Task(1));
  message.mutable_confirm()->set_generation(1);
  agent.Say(message);
  const auto result = agent.Await(av1::HubMessage::kConfirmResult);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->confirm_result().request(), 9);
  EXPECT_TRUE(result->confirm_result().current());
}

TEST_F(AgentHubRpcTest, OutputOfItsOwnTasksIsKept) {
  ledger_.Assign(Task(1), agent_.ToString());
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kAssign).has_value());
  av1::AgentMessage message;
  for (const std::string& task : {Task(1), Task(2)}) {
    av1::LogChunk& chunk = *message.mutable_logs()->add_chunks();
    chunk.set_task_id(task);
    chunk.set_generation(1);
    chunk.set_sequence(1);
    chunk.set_stream(av1::LOG_STREAM_STDOUT);
    chunk.set_data("hello\n");
  }
  agent.Say(message);
  SY_ASSERT_OK_AND_ASSIGN(const TaskId mine, TaskId::Parse(Task(1)));
  SY_ASSERT_OK_AND_ASSIGN(const TaskId other, TaskId::Parse(Task(2)));
  std::vector<LogChunk> chunks;
  while (chunks.empty()) {
    SY_ASSERT_OK_AND_ASSIGN(chunks, log_store_.Read({.task = mine}));
  }
  EXPECT_EQ(chunks[0].data, "hello\n");
  SY_ASSERT_OK_AND_ASSIGN(chunks, log_store_.Read({.task = other}));
  EXPECT_TRUE(chunks.empty());
}

TEST_F(AgentHubRpcTest, ANewerStreamTakesOver) {
  TestAgent first(server_.channel(), kToken);
  first.Say(TestAgent::Hello());
  ASSERT_TRUE(first.Await(av1::HubMessage::kWelcome).has_value());
  TestAgent second(server_.channel(), kToken);
  second.Say(TestAgent::Hello());
  ASSERT_TRUE(second.Await(av1::HubMessage::kWelcome).has_value());
  EXPECT_THAT(first.End(), IsError("SESSION_SUPERSEDED"));
  EXPECT_EQ(first.goodbye().reason(), "SESSION_SUPERSEDED");
  SY_EXPECT_OK(second.Leave());
}

TEST_F(AgentHubRpcTest, AnOlderConnectionTakesNothingOver) {
  av1::AgentMessage hello = TestAgent::Hello();
  TestAgent live(server_.channel(), kToken);
  hello.mutable_hello()->set_connection(7);
  live.Say(hello);
  ASSERT_TRUE(live.Await(av1::HubMessage::kWelcome).has_value());
  TestAgent late(server_.channel(), kToken);
  hello.mutable_hello()->set_connection(6);
  late.Say(hello);
  EXPECT_THAT(late.End(), IsError("STALE_CONNECTION"));
  EXPECT_EQ(late.goodbye().reason(), "STALE_CONNECTION");
  EXPECT_EQ(late.goodbye().connection(), 7);
  EXPECT_FALSE(late.goodbye().permanent());
  SY_EXPECT_OK(live.Leave());
  EXPECT_EQ(live.goodbye().reason(), "");
}

TEST_F(AgentHubRpcTest, OnlyAgentsAreLetIn) {
  TestAgent user(server_.channel(), "admin-token");
  EXPECT_THAT(user.End(), IsError("SCOPE_MISSING"));
  TestAgent stranger(server_.channel(), "agent-token");
  EXPECT_THAT(stranger.End(), IsError("AGENT_REMOVED"));
  TestAgent nobody(server_.channel(), "no-token");
  EXPECT_THAT(nobody.End(), IsError("TOKEN_INVALID"));
}

TEST_F(AgentHubRpcTest, ASessionThatIsLostEndsTheStream) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  ledger_.ForgetSessions();
  EXPECT_THAT(agent.End(), IsError("SESSION_LOST"));
}

TEST_F(AgentHubRpcTest, AHubThatStopsSaysSoFirst) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  hub_.Drain();
  ASSERT_TRUE(agent.Await(av1::HubMessage::kDrain).has_value());
  SY_EXPECT_OK(agent.Leave());
  TestAgent late(server_.channel(), kToken);
  EXPECT_THAT(late.End(), IsError("HUB_DRAINING"));
}

TEST_F(AgentHubRpcTest, WhoeverStaysIsSentAwayByADrainingHub) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  hub_.Drain();
  EXPECT_THAT(agent.End(), IsError("HUB_DRAINING"));
}

// A client that does everything wrong, and one beside it that must not notice.
class HostilePeerTest : public AgentHubRpcTest {
 protected:
  static HubRules Strict() {
    HubRules rules;
    rules.messages_per_second = 50;
    rules.flood_burst_seconds = 1;
    rules.hello = absl::Milliseconds(200);
    rules.penalty_first = absl::Seconds(60);
    return rules;
  }
  HostilePeerTest() : AgentHubRpcTest(Strict()) {}

  void ExpectAway() {
    TestAgent again(server_.channel(), kToken);
    const absl::Status status = again.End();
    EXPECT_THAT(status, IsError("AGENT_PENALIZED"));
    EXPECT_GT(DetailsOf(status).retry_after, absl::Seconds(30));
  }
};

TEST_F(HostilePeerTest, NeverSaysHello) {
  TestAgent agent(server_.channel(), kToken);
  EXPECT_THAT(agent.End(), IsError("HELLO_MISSING"));
  EXPECT_EQ(agent.goodbye().reason(), "HELLO_MISSING");
  ExpectAway();
}

TEST_F(HostilePeerTest, FloodsWithMessages) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  av1::AgentMessage pong;
  pong.mutable_pong();
  while (agent.Say(pong)) {
  }
  EXPECT_THAT(agent.End(), IsError("FLOOD"));
  ExpectAway();
}

TEST_F(HostilePeerTest, SpeaksNonsense) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  av1::AgentMessage message;
  message.mutable_reports()->add_reports()->set_task_id("no task");
  agent.Say(message);
  EXPECT_THAT(agent.End(), IsError("BAD_MESSAGE"));
  ExpectAway();
}

TEST_F(HostilePeerTest, SendsBytesThatAreNoMessage) {
  grpc::GenericStub raw(server_.channel());
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + std::string(kToken));
  grpc::CompletionQueue queue;
  const auto stream = raw.PrepareCall(&context, "/switchyard.agent.v1.AgentHubService/Connect", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice garbage(std::string(1000, '\xff'));
  stream->Write(grpc::ByteBuffer(&garbage, 1), nullptr);
  queue.Next(&tag, &ok);
  // The goodbye, then the end.
  grpc::ByteBuffer said;
  for (ok = true; ok; queue.Next(&tag, &ok)) stream->Read(&said, nullptr);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_THAT(rpc::FromGrpcStatus(status), IsError("BAD_MESSAGE"));
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(HostilePeerTest, NeverReads) {
  TestAgent agent(server_.channel(), kToken);
  agent.Say(TestAgent::Hello());
  ASSERT_TRUE(agent.Await(av1::HubMessage::kWelcome).has_value());
  // Each heartbeat that names tasks is answered, at length; what gRPC itself takes in comes on top of our bound.
  av1::AgentMessage message;
  av1::Heartbeat& heartbeat = *message.mutable_heartbeat();
  for (int i = 0; i < 10'000; ++i) {
    av1::HeldTask& held = *heartbeat.add_held();
    held.set_task_id(Task(i % 10));
    held.set_generation(i + 1);
  }
  for (int i = 1; i <= 40; ++i) {
    heartbeat.set_number(i);
    if (!agent.Say(message)) break;
  }
  // It can hardly be told.
  EXPECT_FALSE(agent.End().ok());
  ExpectAway();
  hub_.Measure();
  EXPECT_THAT(server_.metrics().Text(),
              ::testing::HasSubstr("switchyard_agent_hub_violations_total{reason=\"SLOW_READER\"} 1"));
}

TEST_F(HostilePeerTest, ConnectsAndLeavesWithoutAWord) {
  for (int i = 0; i < 30; ++i) {
    TestAgent agent(server_.channel(), kToken);
    agent.Cancel();
    EXPECT_FALSE(agent.End().ok());
  }
  // A stream that its client gave up ends here a little later.
  do {
    hub_.Measure();
  } while (server_.metrics().Text().find("switchyard_agent_hub_streams 0") == std::string::npos);
}

}  // namespace
}  // namespace switchyard::agent_hub

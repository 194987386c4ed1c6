#include "services/scheduler/scheduler.h"

#include <optional>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/retry.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/scheduler/fake_hub.h"
#include "services/scheduler/fake_ledger.h"
#include "services/scheduler/scheduler_admin_rpc.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

task_queue::v1::ReadyTask Task(int number) {
  task_queue::v1::ReadyTask task;
  task.set_task_id(TaskNumber(number).ToString());
  task.set_shard(number % kShards);
  task.set_lane(task_queue::v1::LANE_NORMAL);
  task.set_project("default");
  task.set_kind("command");
  return task;
}

agent::v1::AgentCapacity Agent(const std::string& id, std::int64_t credits) {
  agent::v1::AgentCapacity agent;
  agent.set_agent_id(id);
  agent.set_name(id);
  agent.set_session_epoch(7);
  agent.add_features("kind.command");
  agent.set_slots(static_cast<int>(credits));
  agent.set_available(true);
  agent.set_credit_limit(credits);
  agent.set_handle(static_cast<std::uint32_t>(std::hash<std::string>()(id)));
  return agent;
}

agent::v1::AgentCapacity PromptAgent(const std::string& id, std::int64_t credits) {
  agent::v1::AgentCapacity agent = Agent(id, credits);
  agent.add_features("kind.prompt");
  return agent;
}

std::shared_ptr<const RouteTicket> Decided(std::string decision) {
  return std::make_shared<const RouteTicket>(
      RouteTicket{.decision = std::move(decision), .annotation = "", .summary = "", .near_hosts = {}});
}

// Routes that come when the test says so.
class SlowRoutes final : public RouteSource {
 public:
  bool IsExempt(std::string_view kind, bool) const override { return kind == "command"; }
  void Ask(std::vector<RouteQuestion> questions, std::vector<std::string> offered, Answer answer) override {
    MutexLock lock(mutex_);
    offered_ = std::move(offered);
    asked_.emplace_back(std::move(questions), std::move(answer));
    changed_.NotifyAll();
  }
  void Reserve(std::vector<ReserveQuestion> questions, ReserveAnswer answer) override {
    MutexLock lock(mutex_);
    reserving_.emplace_back(std::move(questions), std::move(answer));
    changed_.NotifyAll();
  }
  void Release(std::vector<RouteKey> keys) override {
    MutexLock lock(mutex_);
    released_.insert(released_.end(), keys.begin(), keys.end());
    changed_.NotifyAll();
  }
  std::size_t releases() const {
    MutexLock lock(mutex_);
    return released_.size();
  }
  std::vector<std::string> offered() const {
    MutexLock lock(mutex_);
    return offered_;
  }
  std::pair<std::vector<ReserveQuestion>, ReserveAnswer> AwaitReserve() {
    MutexLock lock(mutex_);
    while (reserving_.empty()) changed_.Wait(mutex_);
    auto first = std::move(reserving_.front());
    reserving_.erase(reserving_.begin());
    return first;
  }
  RouteKey AwaitRelease() {
    MutexLock lock(mutex_);
    while (released_.empty()) changed_.Wait(mutex_);
    const RouteKey first = released_.front();
    released_.erase(released_.begin());
    return first;
  }
  std::pair<std::vector<RouteQuestion>, Answer> AwaitQuestion() {
    MutexLock lock(mutex_);
    while (asked_.empty()) changed_.Wait(mutex_);
    auto first = std::move(asked_.front());
    asked_.erase(asked_.begin());
    return first;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<std::pair<std::vector<RouteQuestion>, Answer>> asked_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::vector<ReserveQuestion>, ReserveAnswer>> reserving_ ABSL_GUARDED_BY(mutex_);
  std::vector<RouteKey> released_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
};

class SchedulerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.emplace();
    ledger_.emplace(server_->gate());
    hub_.emplace(server_->gate());
    meter_.emplace(server_->metrics());
    SchedulerOptions options;
    options.id = "scheduler";
    options.lease_interval = absl::Milliseconds(20);
    options.call_timeout = absl::Seconds(10);
    scheduler_.emplace(options, Scheduler::Deps{.clock = clock_, .rng = *rng_, .routes = routes_, .meter = *meter_});
    admin_.emplace(server_->gate(), *scheduler_);
    server_->Register(*ledger_, task_queue::v1::TaskLedgerService::service_full_name());
    server_->Register(*hub_, agent::v1::AgentDispatchService::service_full_name());
    server_->Register(*admin_, v1::SchedulerAdminService::service_full_name());
    server_->Start();
    stub_ = v1::SchedulerAdminService::NewStub(server_->in_process_channel());
  }
  void Start() {
    const Peer peer{
        .address = "here", .channel = server_->in_process_channel(), .caller = &server_->caller("service-token")};
    scheduler_->Start(peer, {peer});
  }
  void TearDown() override {
    scheduler_->Stop();
    stub_ = nullptr;
    server_->Stop();
    admin_.reset();
    scheduler_.reset();
    hub_.reset();
    ledger_.reset();
    server_.reset();
  }

  absl::StatusOr<v1::ExplainTaskResponse> Explain(int number) {
    v1::ExplainTaskRequest request;
    request.set_task_id(TaskNumber(number).ToString());
    return rpc::CallUnary(server_->caller("read-token"), *stub_, &v1::SchedulerAdminService::StubInterface::ExplainTask,
                          request, {});
  }
  // Until the answer is the one wanted: what is explained changes as feeds arrive.
  v1::ExplainTaskResponse AwaitReason(int number, v1::WaitReason reason) {
    for (int i = 0; i < 100'000; ++i) {
      absl::StatusOr<v1::ExplainTaskResponse> answer = Explain(number);
      if (answer.ok() && answer->reason() == reason) return *answer;
    }
    ADD_FAILURE() << "never explained by " << v1::WaitReason_Name(reason) << ": " << Explain(number)->DebugString();
    return {};
  }
  void AwaitAgents(int agents, std::int64_t credits) {
    while (true) {
      const v1::ListShardsResponse shards = scheduler_->Shards();
      if (shards.agents() == agents && shards.free_credits() == credits) return;
    }
  }
  void AwaitLive() {
    while (!scheduler_->Shards().feed_live()) {
    }
  }
  void Describe(const task_queue::v1::ReadyTask& task) {
    task_queue::v1::DescribeTaskResponse described;
    *described.mutable_task() = task;
    described.set_state(task_queue::v1::TASK_STATE_QUEUED);
    described.set_hold_reason(task_queue::v1::HOLD_REASON_NONE);
    ledger_->Describe(described);
  }

  DisciplinedClock clock_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  SlowRoutes routes_;
  std::optional<RpcTestServer> server_;
  std::optional<FakeLedger> ledger_;
  std::optional<FakeHub> hub_;
  std::optional<SchedulerMeter> meter_;
  std::optional<Scheduler> scheduler_;
  std::optional<SchedulerAdminRpc> admin_;
  std::unique_ptr<v1::SchedulerAdminService::Stub> stub_;
};

TEST_F(SchedulerTest, AssignsWhatBecomesReadyAndHandsItToTheHub) {
  hub_->Put(Agent("a", 2));
  Start();
  AwaitAgents(1, 2);
  AwaitLive();
  ledger_->Offer(Task(1));
  const task_queue::v1::AssignTasksRequest batch = ledger_->AwaitBatch(1);
  ASSERT_THAT(batch.assignments(), SizeIs(1));
  EXPECT_EQ(batch.assignments(0).agent_id(), "a");
  EXPECT_EQ(batch.assignments(0).session_epoch(), 7);
  EXPECT_EQ(batch.assignments(0).shard_epoch(), 1);
  const agent::v1::DispatchItem item = hub_->AwaitItem(1);
  EXPECT_EQ(item.agent_id(), "a");
  EXPECT_EQ(item.assignment().task_id(), Task(1).task_id());
  EXPECT_EQ(item.assignment().generation(), 1);
  EXPECT_EQ(item.assignment().spec().command().argv(0), "true");
  EXPECT_EQ(item.assignment().state_summary(), "what was left");
}

TEST_F(SchedulerTest, ReadsWhatWasReadyBeforeItCame) {
  for (int n = 1; n <= 5; ++n) ledger_->Store(Task(n));
  hub_->Put(Agent("a", 9));
  Start();
  hub_->AwaitItem(5);
}

TEST_F(SchedulerTest, WhatComesWhileABatchIsInFlightJoinsTheNext) {
  hub_->Put(Agent("a", 9));
  Start();
  AwaitAgents(1, 9);
  AwaitLive();
  ledger_->HoldAssigns(true);
  ledger_->Offer(Task(1));
  ledger_->AwaitBatch(1);
  for (int n = 2; n <= 6; ++n) ledger_->Offer(Task(n));
  while (scheduler_->Shards().waiting() < 5) {
  }
  EXPECT_EQ(ledger_->batches(), 1u);
  ledger_->HoldAssigns(false);
  EXPECT_THAT(ledger_->AwaitBatch(2).assignments(), SizeIs(5));
}

TEST_F(SchedulerTest, TheFirstBatchesAreSmallSinceEverySpecificationMayBeLarge) {
  hub_->Put(Agent("a", 200));
  Start();
  AwaitAgents(1, 200);
  AwaitLive();
  ledger_->HoldAssigns(true);
  ledger_->Offer(Task(1));
  ledger_->AwaitBatch(1);
  for (int n = 2; n <= 101; ++n) ledger_->Offer(Task(n));
  while (scheduler_->Shards().waiting() < 100) {
  }
  ledger_->HoldAssigns(false);
  EXPECT_THAT(ledger_->AwaitBatch(2).assignments(), SizeIs(::testing::Le(70u)));
  hub_->AwaitItem(101);
}

TEST_F(SchedulerTest, OutlivesATaskQueueThatIsAway) {
  hub_->Put(Agent("a", 1));
  ledger_->FailAssigns(3);
  ledger_->Store(Task(1));
  Start();
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(1).task_id());
  EXPECT_EQ(ledger_->batches(), 4u);
}

TEST_F(SchedulerTest, AfterALostAnswerForAssignmentsTheHubIsAskedAnewSoThatItLooksForThem) {
  hub_->Put(Agent("a", 1));
  ledger_->FailAssigns(1);
  ledger_->Store(Task(1));
  Start();
  hub_->AwaitItem(1);
  hub_->AwaitStreams(2);
}

TEST_F(SchedulerTest, ARefusedAssignmentReturnsItsCreditToOtherWork) {
  hub_->Put(Agent("a", 1));
  ledger_->Refuse(Task(1).task_id(), "STALE_GENERATION");
  Start();
  AwaitAgents(1, 1);
  AwaitLive();
  ledger_->Offer(Task(1));
  ledger_->AwaitBatch(1);
  ledger_->Offer(Task(2));
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(2).task_id());
}

TEST_F(SchedulerTest, AStaleSessionSendsTheTaskToAnotherAgent) {
  hub_->Put(Agent("a", 3));
  ledger_->Refuse(Task(1).task_id(), "STALE_SESSION");
  Start();
  AwaitAgents(1, 3);
  AwaitLive();
  ledger_->Offer(Task(1));
  ledger_->AwaitBatch(1);
  hub_->Put(Agent("b", 1));
  EXPECT_EQ(hub_->AwaitItem(1).agent_id(), "b");
}

TEST_F(SchedulerTest, WhatTheHubDoesNotTakeIsHandedBack) {
  hub_->Put(Agent("a", 1));
  hub_->Refuse("AGENT_NOT_HERE");
  ledger_->Store(Task(1));
  Start();
  const task_queue::v1::TaskReport report = ledger_->AwaitReport();
  EXPECT_EQ(report.task_id(), Task(1).task_id());
  EXPECT_EQ(report.generation(), 1);
  EXPECT_EQ(report.session_epoch(), 7);
  EXPECT_EQ(report.released().reason(), "AGENT_NOT_HERE");
}

TEST_F(SchedulerTest, AfterTheFeedEndedEverythingIsReadAnew) {
  hub_->Put(Agent("a", 9));
  Start();
  AwaitLive();
  // Nobody tells of this one.
  ledger_->Store(Task(1));
  ledger_->EndFeed();
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(1).task_id());
  EXPECT_EQ(ledger_->streams(), 2);
}

TEST_F(SchedulerTest, AGapInTheCapacityFeedOpensItAgain) {
  hub_->Put(Agent("a", 1));
  Start();
  AwaitAgents(1, 1);
  hub_->SkipANumber();
  hub_->Put(Agent("b", 4));
  AwaitAgents(2, 5);
}

TEST_F(SchedulerTest, CreditsOfADispatchThatWasNotAnsweredAreAskedForAnew) {
  hub_->Put(Agent("a", 1));
  hub_->FailDispatches(1);
  Start();
  AwaitAgents(1, 1);
  ledger_->Offer(Task(1));
  ledger_->AwaitBatch(1);
  ledger_->Offer(Task(2));
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(2).task_id());
}

TEST_F(SchedulerTest, NewShardsMeanNewEpochs) {
  hub_->Put(Agent("a", 9));
  Start();
  AwaitLive();
  ledger_->SetShards(16, 2);
  while (scheduler_->Shards().shards_size() == 0 || scheduler_->Shards().shards(0).epoch() != 2) {
  }
  AwaitLive();
  ledger_->Offer(Task(1));
  EXPECT_EQ(ledger_->AwaitBatch(1).assignments(0).shard_epoch(), 2);
}

TEST_F(SchedulerTest, AStandbyWatchesNobodyAndSaysSo) {
  ledger_->SetShards(0, 0);
  hub_->Put(Agent("a", 9));
  Start();
  SY_ASSERT_OK(scheduler_->RenewShards());
  EXPECT_EQ(ledger_->streams(), 0);
  EXPECT_THAT(Explain(1).status(), IsError("SCHEDULER_STANDBY"));
  ledger_->Store(Task(1));
  ledger_->SetShards(16, 5);
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(1).task_id());
}

TEST_F(SchedulerTest, GivesItsShardsBackWhenItStops) {
  Start();
  AwaitLive();
  scheduler_->Stop();
  EXPECT_TRUE(ledger_->released());
}

TEST_F(SchedulerTest, ATaskWithoutItsRouteHoldsUpNobody) {
  hub_->Put([] {
    agent::v1::AgentCapacity agent = Agent("a", 9);
    agent.add_features("kind.prompt");
    agent.add_capabilities("model:small@a");
    return agent;
  }());
  Start();
  AwaitAgents(1, 9);
  AwaitLive();
  task_queue::v1::ReadyTask prompt = Task(1);
  prompt.set_kind("prompt");
  prompt.set_free_fallback(true);
  ledger_->Offer(prompt);
  auto [questions, answer] = routes_.AwaitQuestion();
  ASSERT_THAT(questions, SizeIs(1));
  EXPECT_TRUE(questions[0].free_fallback);
  ledger_->Offer(Task(2));
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(2).task_id());
  Describe(prompt);
  EXPECT_EQ(AwaitReason(1, v1::WAIT_REASON_NO_ROUTE).explanation(), "Its route was asked for and is not known yet.");
  answer({Route{.hold = std::nullopt,
                .capabilities = {"model:small@a"},
                .ticket = std::make_shared<const RouteTicket>(
                    RouteTicket{.decision = "", .annotation = "tier 1", .summary = "s", .near_hosts = {}})}});
  const agent::v1::DispatchItem item = hub_->AwaitItem(2);
  EXPECT_EQ(item.assignment().task_id(), prompt.task_id());
  EXPECT_EQ(item.assignment().routing(), "tier 1");
  EXPECT_EQ(ledger_->AwaitBatch(2).assignments(0).routing(), "tier 1");
}

TEST_F(SchedulerTest, ReservesBetweenMatchAndAssignmentAndLeavesWhatTheLedgerRefusesToTheRouter) {
  hub_->Put([] {
    agent::v1::AgentCapacity agent = Agent("a", 9);
    agent.add_features("kind.prompt");
    agent.add_features("endpoints");
    agent.add_capabilities("credential:env:KEY");
    agent.add_capabilities("os:linux");
    return agent;
  }());
  Start();
  AwaitAgents(1, 9);
  AwaitLive();
  task_queue::v1::ReadyTask prompt = Task(1);
  prompt.set_kind("prompt");
  ledger_->Offer(prompt);
  routes_.AwaitQuestion().second({Route{.hold = std::nullopt, .capabilities = {}, .ticket = Decided("d1")}});
  EXPECT_THAT(routes_.offered(), ElementsAre("agent:a", "credential:env:KEY"));
  auto [questions, reserve] = routes_.AwaitReserve();
  ASSERT_THAT(questions, SizeIs(1));
  EXPECT_EQ(questions[0].decision, "d1");
  EXPECT_EQ(questions[0].generation, prompt.generation() + 1);
  EXPECT_EQ(questions[0].agent_id, "a");
  EXPECT_THAT(questions[0].offered, ElementsAre("agent:a", "credential:env:KEY"));
  ledger_->Refuse(prompt.task_id(), "STALE_GENERATION");
  reserve({Reserved{.hold = std::nullopt,
                    .ticket = std::make_shared<const RouteTicket>(
                        RouteTicket{.decision = "", .annotation = "r", .summary = "s", .near_hosts = {}})}});
  EXPECT_EQ(ledger_->AwaitBatch(1).assignments(0).route_summary(), "s");
  // It may run under that very generation, assigned by a call whose answer was lost.
  scheduler_->Stop();
  EXPECT_EQ(routes_.releases(), 0u);
}

TEST_F(SchedulerTest, ReleasesWhatWasHandedBackAndNotWhatTheNewerSessionHas) {
  hub_->Put(PromptAgent("a", 9));
  Start();
  AwaitAgents(1, 9);
  AwaitLive();
  for (const int number : {1, 2}) {
    task_queue::v1::ReadyTask prompt = Task(number);
    prompt.set_kind("prompt");
    hub_->Refuse(number == 1 ? "STALE_SESSION" : "OVER_CAPACITY");
    ledger_->Offer(prompt);
    routes_.AwaitQuestion().second({Route{.hold = std::nullopt, .capabilities = {}, .ticket = Decided("d")}});
    routes_.AwaitReserve().second({Reserved{.hold = std::nullopt, .ticket = Decided("")}});
    if (number == 1) {
      hub_->AwaitItem(1);
      // The agent comes back.
      agent::v1::AgentCapacity agent = PromptAgent("a", 9);
      agent.set_session_epoch(8);
      hub_->Put(agent);
    }
  }
  const RouteKey released = routes_.AwaitRelease();
  EXPECT_EQ(released.task.ToString(), Task(2).task_id());
  EXPECT_EQ(released.generation, Task(2).generation() + 1);
  EXPECT_EQ(routes_.releases(), 0u);
}

TEST_F(SchedulerTest, ARouterThatHangsLeavesHalfOfTheAgentsToOthers) {
  hub_->Put(PromptAgent("a", 4));
  Start();
  AwaitAgents(1, 4);
  AwaitLive();
  for (int number = 1; number <= 4; ++number) {
    task_queue::v1::ReadyTask prompt = Task(number);
    prompt.set_kind("prompt");
    ledger_->Offer(prompt);
    routes_.AwaitQuestion().second({Route{.hold = std::nullopt, .capabilities = {}, .ticket = Decided("d")}});
  }
  auto [first, answer_first] = routes_.AwaitReserve();
  auto [second, answer_second] = routes_.AwaitReserve();
  EXPECT_EQ(first.size() + second.size(), 2u);
  ledger_->Offer(Task(5));
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), Task(5).task_id());
  answer_first({});
  answer_second({});
}

TEST_F(SchedulerTest, ATaskWithoutAPlaceIsHeldAtTheLedgerWithTheReason) {
  hub_->Put(PromptAgent("a", 9));
  Start();
  AwaitAgents(1, 9);
  AwaitLive();
  task_queue::v1::ReadyTask prompt = Task(1);
  prompt.set_kind("prompt");
  ledger_->Offer(prompt);
  routes_.AwaitQuestion().second(
      {Route{.hold = RouteHold{.message = "no model has that", .retry_after = absl::Seconds(9)},
             .capabilities = {},
             .ticket = nullptr}});
  const task_queue::v1::Hold hold = ledger_->AwaitHold();
  EXPECT_EQ(hold.task_id(), prompt.task_id());
  EXPECT_EQ(hold.reason(), task_queue::v1::HOLD_REASON_NO_ROUTE);
  EXPECT_EQ(hold.message(), "no model has that");
  EXPECT_TRUE(hold.has_until());
  // Its place was taken between match and assignment: in line again, as soon as there may be one.
  ledger_->Offer(prompt);
  routes_.AwaitQuestion().second({Route{.hold = std::nullopt, .capabilities = {}, .ticket = Decided("d1")}});
  routes_.AwaitReserve().second(
      {Reserved{.hold = RouteHold{.message = "all taken", .crowded = true}, .ticket = nullptr}});
  auto [again, answer] = routes_.AwaitQuestion();
  ASSERT_THAT(again, SizeIs(1));
  Describe(prompt);
  EXPECT_EQ(AwaitReason(1, v1::WAIT_REASON_NO_ROUTE).explanation(), "all taken");
  answer({Route{}});
  EXPECT_EQ(hub_->AwaitItem(1).assignment().task_id(), prompt.task_id());
}

TEST_F(SchedulerTest, ExplainsWhichCapabilityNobodyHas) {
  agent::v1::AgentCapacity agent = Agent("a", 1);
  agent.add_capabilities("os:linux");
  hub_->Put(agent);
  task_queue::v1::ReadyTask task = Task(1);
  task.add_capabilities("gpu");
  task.add_capabilities("os:linux");
  task.set_effects(task_queue::v1::EFFECTS_NETWORK);
  ledger_->Store(task);
  Describe(task);
  Start();
  const v1::ExplainTaskResponse why = AwaitReason(1, v1::WAIT_REASON_NO_FITTING_AGENT);
  EXPECT_THAT(why.missing_capabilities(), ElementsAre("gpu"));
  EXPECT_THAT(why.missing_features(), ElementsAre("confirm"));
  EXPECT_EQ(why.explanation(),
            "None of the 1 connected agents has the capability gpu and the protocol feature confirm.");
  ASSERT_THAT(why.agents(), SizeIs(1));
  EXPECT_EQ(why.agents(0).ruled_out(), v1::RULED_OUT_MISSING_CAPABILITY);
  EXPECT_EQ(why.agents(0).detail(), "gpu");
}

TEST_F(SchedulerTest, NamesTheTasksThatOneWaitsFor) {
  hub_->Put(Agent("a", 1));
  task_queue::v1::DescribeTaskResponse described;
  *described.mutable_task() = Task(1);
  described.set_state(task_queue::v1::TASK_STATE_QUEUED);
  described.set_hold_reason(task_queue::v1::HOLD_REASON_DEPENDENCY);
  for (const char* id : {"one", "two", "three", "four", "five", "six"}) described.add_awaited_task_ids(id);
  ledger_->Describe(described);
  Start();
  EXPECT_EQ(AwaitReason(1, v1::WAIT_REASON_DEPENDENCY).explanation(),
            "It waits for task one, task two, task three, task four, task five and 1 more to end.");
}

TEST_F(SchedulerTest, ExplainsWhatRulesOutEachAgent) {
  hub_->Put(Agent("busy", 0));
  agent::v1::AgentCapacity draining = Agent("draining", 3);
  draining.set_available(false);
  draining.set_unavailable_reason("DRAINING");
  draining.set_unavailable_message("by an operator");
  hub_->Put(draining);
  agent::v1::AgentCapacity old = Agent("old", 3);
  old.clear_features();
  hub_->Put(old);
  ledger_->Store(Task(1));
  Describe(Task(1));
  Start();
  const v1::ExplainTaskResponse why = AwaitReason(1, v1::WAIT_REASON_AGENTS_BUSY);
  ASSERT_THAT(why.agents(), SizeIs(3));
  EXPECT_EQ(why.agents(0).name(), "busy");
  EXPECT_EQ(why.agents(0).ruled_out(), v1::RULED_OUT_BUSY);
  EXPECT_EQ(why.agents(1).name(), "draining");
  EXPECT_EQ(why.agents(1).detail(), "DRAINING: by an operator");
  EXPECT_EQ(why.agents(2).name(), "old");
  EXPECT_EQ(why.agents(2).ruled_out(), v1::RULED_OUT_MISSING_FEATURE);
  EXPECT_EQ(why.agents_connected(), 3);
  EXPECT_EQ(why.agents_fitting(), 2);
}

TEST_F(SchedulerTest, ExplainsThatEveryAgentRefusesIt) {
  hub_->Put(Agent("strict", 3));
  task_queue::v1::ReadyTask task = Task(1);
  task.add_refusing_agent_ids("strict");
  ledger_->Store(task);
  task_queue::v1::DescribeTaskResponse described;
  *described.mutable_task() = task;
  described.set_state(task_queue::v1::TASK_STATE_QUEUED);
  task_queue::v1::Refusal& refusal = *described.add_refusals();
  refusal.set_agent_id("strict");
  refusal.set_reason("NOT_ALLOWED");
  refusal.set_message("no rule allows rm");
  ledger_->Describe(described);
  Start();
  const v1::ExplainTaskResponse why = AwaitReason(1, v1::WAIT_REASON_REFUSED);
  EXPECT_EQ(
      why.explanation(),
      "Every connected agent that has what it needs refuses it: agent strict: NOT_ALLOWED: no rule allows rm. Once "
      "their rules have changed, a retry of the task asks them again.");
  ASSERT_THAT(why.agents(), SizeIs(1));
  EXPECT_EQ(why.agents(0).ruled_out(), v1::RULED_OUT_REFUSED);
  hub_->Put(Agent("other", 1));
  EXPECT_EQ(ledger_->AwaitBatch(1).assignments(0).agent_id(), "other");
}

TEST_F(SchedulerTest, ExplainsHoldsPausesAndEnds) {
  hub_->Put(Agent("a", 0));
  Start();
  AwaitLive();
  Describe(Task(1));
  ledger_->Pause("default");
  EXPECT_EQ(AwaitReason(1, v1::WAIT_REASON_PROJECT_PAUSED).explanation(), "The project default is paused.");
  task_queue::v1::DescribeTaskResponse held;
  *held.mutable_task() = Task(2);
  held.set_state(task_queue::v1::TASK_STATE_QUEUED);
  held.set_hold_reason(task_queue::v1::HOLD_REASON_BACKOFF);
  held.mutable_hold_until()->set_seconds(123);
  ledger_->Describe(held);
  EXPECT_EQ(AwaitReason(2, v1::WAIT_REASON_BACKOFF).until().seconds(), 123);
  held.mutable_task()->set_task_id(Task(3).task_id());
  held.set_state(task_queue::v1::TASK_STATE_RUNNING);
  held.set_agent_id("agent-9");
  ledger_->Describe(held);
  EXPECT_EQ(AwaitReason(3, v1::WAIT_REASON_NOT_WAITING).explanation(), "It runs on agent agent-9.");
  EXPECT_EQ(Explain(4).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerTest, RefusesWhatIsNoTask) {
  Start();
  v1::ExplainTaskRequest request;
  request.set_task_id("x");
  request.set_max_agents(-1);
  const auto answer = rpc::CallUnary(server_->caller("read-token"), *stub_,
                                     &v1::SchedulerAdminService::StubInterface::ExplainTask, request, {});
  EXPECT_THAT(answer.status(), IsError("INVALID_FIELD"));
  EXPECT_THAT(DetailsOf(answer.status()).violations, SizeIs(2));
}

// All agents go at once, come back, and everything is given in the end, without a storm of calls.
TEST_F(SchedulerTest, AllAgentsThatDropAndReturnFindTheirWork) {
  Start();
  AwaitLive();
  for (int n = 1; n <= 300; ++n) ledger_->Offer(Task(n));
  for (int a = 0; a < 50; ++a) hub_->Put(Agent("agent" + std::to_string(a), 6));
  hub_->AwaitItem(300);
  EXPECT_LE(ledger_->batches(), 300u);
}

}  // namespace
}  // namespace switchyard::scheduler

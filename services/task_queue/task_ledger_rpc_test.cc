#include "services/task_queue/task_ledger_rpc.h"

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/rpc/retry.h"
#include "libs/testing/bad_requests.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"
#include "tests/sim/forwarding_store.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsOk;
using ::testing::SizeIs;
using Stub = v1::TaskLedgerService::StubInterface;

// Cannot read single tasks, when told so.
class UnreadableStore final : public sim::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  absl::StatusOr<StoredTask> Get(const TaskId& id, const ReadOptions& options) override {
    if (away) return MakeError(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE", "away");
    return ForwardingStore::Get(id, options);
  }
  bool away = false;
};

// Refuses everything, when told so.
class FullExecutor final : public Executor {
 public:
  absl::Status Run(std::function<void()> work) override {
    if (full) return MakeError(absl::StatusCode::kResourceExhausted, "EXECUTOR_FULL", "full");
    work();
    return absl::OkStatus();
  }
  bool full = false;
};

// A task that goes on with another one, which left something behind.
class TaskLedgerRpcTest : public ::testing::Test {
 protected:
  TaskLedgerRpcTest() {
    server_.Register(rpc_, v1::TaskLedgerService::service_full_name());
    server_.Start();
    stub_ = v1::TaskLedgerService::NewStub(server_.channel());
    const TaskId before = Submit({});
    v1::TaskResult result;
    result.set_state_summary("half of it is done");
    Do({before, Assign{.agent = "a", .session_epoch = session_.epoch}});
    Do({before, Report{.generation = Generation(1),
                       .agent = "a",
                       .session_epoch = session_.epoch,
                       .what = Finished{.result = result.SerializeAsString()}}});
    v1::TaskSpec spec;
    spec.set_continues_task_id(before.ToString());
    id_ = Submit(spec.SerializeAsString());
  }
  ~TaskLedgerRpcTest() override {
    stub_ = nullptr;
    server_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return rpc::CallUnary(server_.caller("service-token"), *stub_, method, request, {});
  }
  TaskId Submit(std::string spec) {
    Submission submission;
    submission.task.spec = std::move(spec);
    TaskId id;
    lanes_.Submit(std::move(submission), [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    return id;
  }
  void Do(Command command) {
    lanes_.Execute(std::move(command), [](const absl::StatusOr<Executed>& answer) { EXPECT_THAT(answer, IsOk()); });
  }
  absl::StatusOr<v1::AssignTasksResponse> AssignIt() {
    v1::AssignTasksRequest request;
    v1::Assignment& assignment = *request.add_assignments();
    assignment.set_task_id(id_.ToString());
    assignment.set_agent_id("a");
    assignment.set_session_epoch(session_.epoch);
    return Call(&Stub::AssignTasks, request);
  }
  // Assigned, told so, and without what was left behind.
  void ExpectAssignedAlone() {
    SY_ASSERT_OK_AND_ASSIGN(const v1::AssignTasksResponse answer, AssignIt());
    ASSERT_THAT(answer.results(), SizeIs(1));
    EXPECT_FALSE(answer.results(0).has_error());
    EXPECT_EQ(answer.results(0).generation(), 1);
    EXPECT_EQ(answer.results(0).state_summary(), "");
    EXPECT_EQ(store_.Get(id_)->record.stage(), Stage::kRunning);
  }

  const DisciplinedClock clock_;
  testing::FakeIdSource ids_{clock_};
  const Rules rules_;
  const LaneWeights weights_;
  InMemoryTaskStore store_;
  UnreadableStore reads_{store_};
  const Session session_ = *store_.OpenSession("a", "hub", absl::InfiniteFuture());
  RecordCache cache_{1'000, 1u << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{store_, queue_};
  FullExecutor executor_;
  WatchHub watchers_{store_, clock_, {}};
  ReadyFeed ready_{store_, cache_, executor_};
  DirectiveFeed directives_{store_};
  VerifyingFeed verifying_{store_, clock_, executor_};
  SessionDesk sessions_{rules_, store_, lanes_, clock_};
  testing::RpcTestServer server_;
  TaskQueueMeter meter_{server_.metrics()};
  TaskLedgerRpc rpc_{server_.gate(),
                     {.store = reads_,
                      .reads = reads_,
                      .lanes = lanes_,
                      .watchers = watchers_,
                      .ready = ready_,
                      .blocking = executor_,
                      .reading = executor_,
                      .clock = clock_,
                      .meter = meter_,
                      .weights = weights_},
                     directives_,
                     verifying_,
                     sessions_,
                     rules_};
  std::unique_ptr<v1::TaskLedgerService::Stub> stub_;
  TaskId id_;
};

TEST_F(TaskLedgerRpcTest, WhoGoesOnIsGivenWhatWasLeftBehind) {
  SY_ASSERT_OK_AND_ASSIGN(const v1::AssignTasksResponse answer, AssignIt());
  ASSERT_THAT(answer.results(), SizeIs(1));
  EXPECT_EQ(answer.results(0).state_summary(), "half of it is done");
}

TEST_F(TaskLedgerRpcTest, AnAssignmentIsToldThoughWhatWasLeftBehindCannotBeRead) {
  reads_.away = true;
  ExpectAssignedAlone();
}

TEST_F(TaskLedgerRpcTest, AnAssignmentIsToldThoughNoThreadIsFreeToReadWhatWasLeftBehind) {
  executor_.full = true;
  ExpectAssignedAlone();
}

TEST_F(TaskLedgerRpcTest, WhatAnAgentOwnsIsToldThoughWhatWasLeftBehindCannotBeRead) {
  ASSERT_THAT(AssignIt(), IsOk());
  v1::ListAssignedRequest list;
  list.add_agent_ids("a");
  v1::OpenSessionRequest open;
  open.set_agent_id("a");
  open.set_hub_id("hub");
  for (const bool away : {false, true}) {
    reads_.away = away;
    const std::string left = away ? "" : "half of it is done";
    SY_ASSERT_OK_AND_ASSIGN(const v1::ListAssignedResponse owned, Call(&Stub::ListAssigned, list));
    ASSERT_THAT(owned.tasks(), SizeIs(1));
    EXPECT_EQ(owned.tasks(0).assignment().state_summary(), left);
    SY_ASSERT_OK_AND_ASSIGN(const v1::OpenSessionResponse opened, Call(&Stub::OpenSession, open));
    ASSERT_THAT(opened.redeliver(), SizeIs(1));
    EXPECT_EQ(opened.redeliver(0).state_summary(), left);
  }
}

TEST_F(TaskLedgerRpcTest, NoMethodTakesTextThatIsNotUtf8OrWhatIsNoMessage) {
  const auto& service = *v1::AssignTasksRequest::descriptor()->file()->FindServiceByName("TaskLedgerService");
  EXPECT_THAT(testing::WronglyAnsweredBadRequests(server_, service, "service-token"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace switchyard::task_queue

// `yard task why` against a scheduler in memory.
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_scheduler.h"
#include "tools/yard/testing/fake_services.h"

namespace switchyard::yard {
namespace {

namespace sc = scheduler::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TaskWhyTest : public CommandTest {
 protected:
  TaskWhyTest() {
    server_.Register(scheduler_, sc::SchedulerAdminService::service_full_name());
    server_.Register(queue_, task_queue::v1::TaskQueueService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "read-token";
    terminal_ = true;
    columns_ = 120;
    pauses_ = 1'000;
    sc::ExplainTaskResponse& why = scheduler_.answer;
    why.set_task_id("01920000-0000-7000-8000-000000000001");
    why.set_state(task_queue::v1::TASK_STATE_QUEUED);
    why.set_reason(sc::WAIT_REASON_NO_FITTING_AGENT);
    why.set_explanation("None of the 2 connected agents has the capability gpu.");
    why.set_lane(task_queue::v1::LANE_HIGH);
    why.add_required_capabilities("gpu");
    why.add_required_features("kind.command");
    why.add_missing_capabilities("gpu");
    why.set_ahead_in_lane(3);
    why.set_agents_connected(2);
    sc::AgentVerdict& agent = *why.add_agents();
    agent.set_agent_id("id-1");
    agent.set_name("alpha");
    agent.set_ruled_out(sc::RULED_OUT_MISSING_CAPABILITY);
    agent.set_detail("gpu");
    agent.set_slots(2);
    agent.set_free_credits(1);
  }
  ~TaskWhyTest() override { server_.Stop(); }

  int Run(const std::vector<std::string>& words) {
    Result result = CommandTest::Run(words);
    out_ = std::move(result.out);
    err_ = std::move(result.err);
    return result.code;
  }

  FakeScheduler scheduler_{server_.gate()};
  FakeTaskQueue queue_{server_.gate()};
  std::string out_;
  std::string err_;
};

TEST_F(TaskWhyTest, SaysWhatItWaitsForAndWhatRulesOutEachAgent) {
  ASSERT_EQ(Run({"task", "why", "01920000-0000-7000-8000-000000000001", "--color", "never"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("waits for     no-fitting-agent"), HasSubstr("has the capability gpu."),
                          HasSubstr("needs         gpu, feature kind.command"), HasSubstr("nobody has    gpu"),
                          HasSubstr("3 before it in lane high"), HasSubstr("2 connected, 0 fit")));
  EXPECT_THAT(out_, HasSubstr("alpha"));
  EXPECT_THAT(out_, HasSubstr("missing-capability"));
}

TEST_F(TaskWhyTest, ATaskThatRunsWaitsForNothing) {
  scheduler_.answer.set_state(task_queue::v1::TASK_STATE_RUNNING);
  scheduler_.answer.set_reason(sc::WAIT_REASON_NOT_WAITING);
  scheduler_.answer.set_explanation("It runs on agent a.");
  ASSERT_EQ(Run({"task", "why", "01920000-0000-7000-8000-000000000001"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("It runs on agent a."), Not(HasSubstr("waits for")), Not(HasSubstr("alpha"))));
}

TEST_F(TaskWhyTest, GivesAllOfItAsJson) {
  ASSERT_EQ(Run({"task", "why", "01920000-0000-7000-8000-000000000001", "--agents", "50", "-o", "json"}), 0) << err_;
  EXPECT_EQ(scheduler_.asked.max_agents(), 50);
  EXPECT_THAT(out_, AllOf(HasSubstr("WAIT_REASON_NO_FITTING_AGENT"), HasSubstr("RULED_OUT_MISSING_CAPABILITY")));
}

TEST_F(TaskWhyTest, SaysWithWhatWordsTheRouterHeldIt) {
  const std::string id = "01920000-0000-7000-8000-000000000001";
  scheduler_.answer.set_reason(sc::WAIT_REASON_NO_ROUTE);
  queue_.Add(id, task_queue::v1::TASK_STATE_QUEUED);
  task_queue::v1::TaskEvent held;
  held.set_task_id(id);
  held.set_kind(task_queue::v1::EVENT_KIND_HELD);
  held.set_state(task_queue::v1::TASK_STATE_QUEUED);
  held.set_cause("NO_ROUTE");
  held.set_message("budget all is spent");
  queue_.Happen(held);
  ASSERT_EQ(Run({"task", "why", id}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("NO_ROUTE: budget all is spent"));
  ASSERT_EQ(Run({"task", "why", id, "-o", "json"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("\"last_words\": \"NO_ROUTE: budget all is spent\""));
}

TEST_F(TaskWhyTest, SaysThatASchedulerOnlyStandsBy) {
  scheduler_.status = absl::FailedPreconditionError("this scheduler holds no shards");
  EXPECT_NE(Run({"task", "why", "01920000-0000-7000-8000-000000000001"}), 0);
  EXPECT_THAT(err_, HasSubstr("holds no shards"));
}

}  // namespace
}  // namespace switchyard::yard

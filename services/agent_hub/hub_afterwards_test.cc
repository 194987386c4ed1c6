// What outlives a moment: reports and output of streams that ended, breakers that wait for a sign of health.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/hub_fixture.h"

namespace switchyard::agent_hub {
namespace {

using ::testing::SizeIs;

class HubAfterwardsTest : public HubTest {};

// The stream ends at the same moment: the ledger hears all the same, and need not wait for the grace period.
TEST_F(HubAfterwardsTest, WhatTheHubFoundReachesTheLedgerThoughTheStreamEnded) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef late = NewTask();
  const TaskRef running = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(running)));
  Say(stream, 1, running, ReportKind::kAccept);
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(late, absl::Seconds(5))));
  // The acceptance is under way, so what the hub finds waits behind it, as does what the agent says next.
  Say(stream, 2, running, ReportKind::kPhase);
  ASSERT_THAT(ports_.reports, SizeIs(1));
  clock_.Advance(absl::Seconds(5));
  hub_.Tick();
  hub_.Closed(stream);
  hub_.Reported(ports_.reports[0].batch, absl::UnavailableError("away"));
  clock_.Advance(absl::Seconds(5));
  hub_.Tick();
  ASSERT_THAT(ports_.reports, SizeIs(2));
  ASSERT_THAT(ports_.reports[1].reports, SizeIs(1));
  EXPECT_EQ(ports_.reports[1].reports[0].report.ref, late);
  EXPECT_EQ(ports_.reports[1].reports[0].report.text, "ACCEPT_TIMEOUT");
  EXPECT_EQ(ports_.reports[1].reports[0].session_epoch, epoch_);
  hub_.Reported(ports_.reports[1].batch, std::vector<absl::Status>(1));
  EXPECT_EQ(hub_.pending_reports(), 0u);
}

TEST_F(HubAfterwardsTest, AnAgentThatIsRemovedHandsBackWhatItHas) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  // The ledger is away just now.
  Say(stream, 1, task, ReportKind::kAccept);
  ASSERT_THAT(ports_.reports, SizeIs(1));
  AgentRecord removed = Record(agent);
  removed.remove_time = clock_.Now();
  hub_.Touched(removed);
  EXPECT_EQ(ClosedWith(stream), "AGENT_REMOVED");
  hub_.Closed(stream);
  hub_.Reported(ports_.reports[0].batch, absl::UnavailableError("away"));
  clock_.Advance(absl::Seconds(5));
  hub_.Tick();
  ASSERT_THAT(ports_.reports, SizeIs(2));
  EXPECT_EQ(ports_.reports[1].reports[0].report.kind, ReportKind::kReleased);
  Commit();
  EXPECT_EQ(hub_.pending_reports(), 0u);
}

TEST_F(HubAfterwardsTest, OutputMayComeAfterTheEndWasAcknowledged) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(1));
  const TaskRef first = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(first)));
  Say(stream, 1, first, ReportKind::kComplete);
  Commit();
  EXPECT_TRUE(hub_.Holds(stream, first));
  EXPECT_FALSE(hub_.Holds(stream, NewTask()));
  EXPECT_FALSE(hub_.Holds(stream, {first.task, 2}));
  // Also in the next session.
  hub_.Closed(stream);
  const StreamId second = Join(agent, Greeting(1));
  EXPECT_TRUE(hub_.Holds(second, first));
  // Not without end.
  for (std::int64_t number = 1; number <= 200; ++number) {
    const TaskRef task = NewTask();
    SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
    Say(second, number, task, ReportKind::kComplete);
    Commit();
    clock_.Advance(absl::Milliseconds(100));
  }
  EXPECT_FALSE(hub_.Holds(second, first));
}

TEST_F(HubAfterwardsTest, ABreakerClosesOnlyWithAHealthyHeartbeat) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(1));
  for (std::int64_t number = 1; number <= 3; ++number) {
    const TaskRef task = NewTask();
    SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
    Say(stream, number, task, ReportKind::kFail, true, "SANDBOX: no user namespaces");
    Commit();
  }
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded);
  clock_.Advance(rules_.breaker_open - absl::Seconds(5));
  Beat(stream, {}, 100, 1);
  hub_.Tick();
  Renew();
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded) << "its time is not over";
  clock_.Advance(absl::Seconds(5));
  hub_.Tick();
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded) << "time alone does not close it";
  Heartbeat sick{.number = ++beats_, .last_assignment = 100, .slots = 1};
  sick.self_tests = {{.name = "local_exec", .passed = false, .message = "no user namespaces"}};
  hub_.Receive(stream, sick, 100);
  EXPECT_EQ(last_[agent].unavailable_reason.substr(0, 12), "BREAKER_OPEN");
  Heartbeat well{.number = ++beats_, .last_assignment = 100, .slots = 1};
  well.self_tests = {{.name = "local_exec", .passed = true, .message = ""}};
  hub_.Receive(stream, well, 100);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
}

}  // namespace
}  // namespace switchyard::agent_hub

#include "services/agent_hub/stale_agents.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/in_memory_agent_store.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::IsOkAndHolds;

constexpr absl::Duration kSilence = absl::Minutes(2);

class StaleAgentsTest : public ::testing::Test {
 protected:
  AgentId Seen(const std::string& name, AgentState state) {
    Enrollment enrollment;
    enrollment.id = ids_.New<EnrollmentId>();
    enrollment.agent = ids_.New<AgentId>();
    enrollment.name = name;
    enrollment.token_hash = std::string(32 - name.size(), 'h') + name;
    enrollment.create_time = clock_.Now();
    enrollment.expire_time = clock_.Now() + absl::Hours(1);
    EXPECT_TRUE(store_.Enroll(enrollment, 10).ok());
    EXPECT_TRUE(store_.Redeem(enrollment.token_hash, "r", "host", clock_.Now()).ok());
    Hear(enrollment.agent, state);
    return enrollment.agent;
  }
  void Hear(const AgentId& agent, AgentState state) {
    Observation seen;
    seen.agent = agent;
    seen.session_epoch = 1;
    seen.hub = "hub-1";
    seen.state = state;
    seen.state_time = start_;
    seen.heartbeat_time = clock_.Now();
    SY_EXPECT_OK(store_.Observe({&seen, 1}));
  }
  absl::StatusOr<int> Mark(const AgentId& here = {}) {
    return MarkStaleAgents(store_, clock_.Now(), kSilence, [&](const AgentId& agent) { return agent == here; });
  }
  AgentState StateOf(const AgentId& agent) { return store_.Find(agent, false)->seen.state; }

  testing::FakeClock clock_;
  const absl::Time start_ = clock_.Now();
  testing::FakeIdSource ids_{clock_};
  InMemoryAgentStore store_;
};

TEST_F(StaleAgentsTest, WhatNoHubWritesOfAnyMoreBecomesOffline) {
  const AgentId lost = Seen("lost", AgentState::kIdle);
  const AgentId alive = Seen("alive", AgentState::kWorking);
  clock_.Advance(kSilence);
  Hear(alive, AgentState::kWorking);
  EXPECT_THAT(Mark(), IsOkAndHolds(1));
  EXPECT_EQ(StateOf(lost), AgentState::kOffline);
  EXPECT_EQ(StateOf(alive), AgentState::kWorking);
  EXPECT_THAT(Mark(), IsOkAndHolds(0));
}

TEST_F(StaleAgentsTest, WhatThisHubHoldsIsItsOwnToJudge) {
  const AgentId here = Seen("here", AgentState::kIdle);
  clock_.Advance(kSilence);
  EXPECT_THAT(Mark(here), IsOkAndHolds(0));
  EXPECT_EQ(StateOf(here), AgentState::kIdle);
}

}  // namespace
}  // namespace switchyard::agent_hub

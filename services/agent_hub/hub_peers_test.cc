// Peers that break the protocol.
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/hub.h"
#include "services/agent_hub/hub_test_ports.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::testing::SizeIs;

class HubPeersTest : public ::testing::Test {
 protected:
  static HubRules Rules() {
    HubRules rules;
    rules.messages_per_second = 10;
    rules.flood_burst_seconds = 2;
    rules.bytes_per_second = 10'000;
    return rules;
  }
  StreamId Greeted() {
    const StreamId stream = Loaded();
    Hello hello;
    hello.slots = 1;
    hub_.Receive(stream, std::move(hello), 10);
    hub_.SessionOpened(stream, OpenedSession{.epoch = ++epoch_, .lease = absl::Seconds(30)});
    return stream;
  }
  StreamId Loaded() {
    const StreamId stream{++streams_};
    EXPECT_TRUE(hub_.Opened(stream, agent_, "peer").ok());
    hub_.Loaded(stream, record_);
    return stream;
  }
  std::string ClosedWith(StreamId stream) {
    const auto closing = ports_.closed.find(stream);
    return closing == ports_.closed.end() ? "" : ReasonOf(closing->second.status);
  }
  static AgentRecord Record(const AgentId& agent) {
    AgentRecord record;
    record.id = agent;
    record.name = "worker";
    record.probe.state = ProbeState::kPassed;
    return record;
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  RecordingPorts ports_;
  const HubRules rules_ = Rules();
  Hub hub_{rules_, clock_, ids_, ports_, "hub-1"};
  const AgentId agent_{FakeUuid(clock_.Now(), 7)};
  AgentRecord record_ = Record(agent_);
  std::uint64_t streams_ = 0;
  std::int64_t epoch_ = 0;
};

TEST_F(HubPeersTest, WhoeverNeverSaysHelloIsCutOff) {
  const StreamId stream = Loaded();
  clock_.Advance(rules_.hello);
  hub_.Tick();
  EXPECT_EQ(ClosedWith(stream), "HELLO_MISSING");
}

TEST_F(HubPeersTest, HelloComesFirstAndOnce) {
  const StreamId first = Loaded();
  hub_.Receive(first, Heartbeat{}, 10);
  EXPECT_EQ(ClosedWith(first), "HELLO_MISSING");
  hub_.Closed(first);
  clock_.Advance(rules_.penalty_first);
  const StreamId second = Greeted();
  hub_.Receive(second, Hello{}, 10);
  EXPECT_EQ(ClosedWith(second), "HELLO_REPEATED");
}

TEST_F(HubPeersTest, FloodsOfMessagesAndOfBytesAreCutOff) {
  const StreamId stream = Greeted();
  for (int i = 0; i < 100; ++i) hub_.Receive(stream, Pong{}, 1);
  EXPECT_EQ(ClosedWith(stream), "FLOOD");
  hub_.Closed(stream);
  clock_.Advance(rules_.penalty_first);
  const StreamId other = Greeted();
  hub_.Receive(other, Pong{}, 1 << 20);
  EXPECT_EQ(ClosedWith(other), "FLOOD");
}

TEST_F(HubPeersTest, WhoeverDoesNotReadIsCutOff) {
  const StreamId stream = Greeted();
  ports_.full.insert(stream);
  hub_.Receive(stream, Heartbeat{.number = 1, .held = {{{TaskId(FakeUuid(clock_.Now(), 1)), 1}, HeldState::kRunning}}},
               10);
  EXPECT_EQ(ClosedWith(stream), "SLOW_READER");
}

TEST_F(HubPeersTest, GarbageIsCutOff) {
  const StreamId stream = Greeted();
  hub_.Malformed(stream, "task and generation must name an assignment");
  EXPECT_EQ(ClosedWith(stream), "BAD_MESSAGE");
  EXPECT_EQ(hub_.live(), 0u);
}

TEST_F(HubPeersTest, EachViolationDoublesTheWait) {
  absl::Duration wait = rules_.penalty_first;
  for (int i = 0; i < 3; ++i) {
    const StreamId stream = Greeted();
    hub_.Malformed(stream, "garbage");
    hub_.Closed(stream);
    const absl::Status early = hub_.Opened(StreamId{1000}, agent_, "peer");
    EXPECT_THAT(early, IsError("AGENT_PENALIZED"));
    EXPECT_EQ(DetailsOf(early).retry_after, wait);
    clock_.Advance(wait);
    wait *= 2;
  }
}

TEST_F(HubPeersTest, ThePenaltyOutlivesTheProcess) {
  const StreamId stream = Greeted();
  hub_.Malformed(stream, "garbage");
  const auto healths = hub_.TakeHealths();
  ASSERT_THAT(healths, SizeIs(1));
  ASSERT_TRUE(healths[0].penalty.has_value());

  Hub next(rules_, clock_, ids_, ports_, "hub-2");
  record_.penalty = *healths[0].penalty;
  ASSERT_TRUE(next.Opened(StreamId{50}, agent_, "peer").ok());
  next.Loaded(StreamId{50}, record_);
  EXPECT_EQ(ClosedWith(StreamId{50}), "AGENT_PENALIZED");
}

TEST_F(HubPeersTest, APersonCanEndThePenalty) {
  const StreamId stream = Greeted();
  hub_.Malformed(stream, "garbage");
  hub_.Closed(stream);
  hub_.TakeHealths();
  hub_.Touched(record_);
  EXPECT_TRUE(hub_.Opened(StreamId{50}, agent_, "peer").ok());
}

TEST_F(HubPeersTest, ConnectingOverAndOverIsAFlood) {
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    const StreamId stream{static_cast<std::uint64_t>(100 + i)};
    status = hub_.Opened(stream, agent_, "peer");
    hub_.Closed(stream);
  }
  EXPECT_THAT(status, IsError("AGENT_PENALIZED"));
}

}  // namespace
}  // namespace switchyard::agent_hub

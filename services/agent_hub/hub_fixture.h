// The hub's core with ports that remember, and an agent and a ledger that do what a test says.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "services/agent_hub/hub.h"
#include "services/agent_hub/hub_test_ports.h"

namespace switchyard::agent_hub {

class HubTest : public ::testing::Test {
 protected:
  static HubRules Rules() {
    HubRules rules;
    rules.messages_per_second = 100;
    return rules;
  }

  AgentId NewAgent(std::uint64_t n = 1) { return AgentId(testing::FakeUuid(clock_.Now(), 1000 + n)); }
  TaskRef NewTask(std::int64_t generation = 1) {
    return {TaskId(testing::FakeUuid(clock_.Now(), ++tasks_)), generation};
  }

  AgentRecord Record(const AgentId& agent, ProbeState probe = ProbeState::kPassed) {
    AgentRecord record;
    record.id = agent;
    record.name = "worker";
    record.probe.state = probe;
    return record;
  }

  StreamId Open(const AgentId& agent) {
    const StreamId stream{++streams_};
    const absl::Status taken = hub_.Opened(stream, agent, "ipv4:127.0.0.1:1");
    EXPECT_TRUE(taken.ok()) << taken;
    return stream;
  }

  static Hello Greeting(int slots = 2) {
    Hello hello;
    hello.features = {"kind.command", "status", "confirm", "logs"};
    hello.slots = slots;
    return hello;
  }

  StreamId Join(const AgentId& agent, Hello hello, OpenedSession opened = {}, ProbeState probe = ProbeState::kPassed) {
    const StreamId stream = Open(agent);
    hub_.Loaded(stream, Record(agent, probe));
    hub_.Receive(stream, std::move(hello), 100);
    if (opened.epoch == 0) opened.epoch = ++epoch_;
    if (opened.lease == absl::ZeroDuration()) opened.lease = absl::Seconds(30);
    hub_.SessionOpened(stream, std::move(opened));
    return stream;
  }

  Work MakeWork(const TaskRef& ref, absl::Duration within = absl::Seconds(60)) {
    return {.ref = ref, .accept_by = clock_.Now() + within, .body = nullptr};
  }

  void Say(StreamId stream, std::int64_t number, const TaskRef& ref, ReportKind kind, bool agent_fault = false,
           std::string text = "") {
    Reports reports;
    reports.reports.push_back({.number = number,
                               .ref = ref,
                               .kind = kind,
                               .agent_fault = agent_fault,
                               .text = std::move(text),
                               .bytes = 100,
                               .body = nullptr});
    hub_.Receive(stream, std::move(reports), 100);
  }
  void Beat(StreamId stream, std::vector<Held> held = {}, std::int64_t last = 0, int slots = 2) {
    hub_.Receive(stream,
                 Heartbeat{.number = ++beats_, .held = std::move(held), .last_assignment = last, .slots = slots}, 100);
  }
  // Time passes, and the agent says no more than that it is there.
  void PassQuietly(StreamId stream, absl::Duration time, const std::vector<Held>& held) {
    const absl::Time end = clock_.Now() + time;
    while (clock_.Now() < end) {
      clock_.Advance(std::min(rules_.heartbeat, end - clock_.Now()));
      Beat(stream, held, 0, 3);
      hub_.Tick();
      if (ledger_answers_) Renew();
    }
  }
  // Answers every renewal: all sessions live.
  void Renew() {
    for (const auto& asked : std::exchange(ports_.renewals, {})) {
      std::vector<AgentId> alive;
      for (const auto& [agent, epoch] : asked) alive.push_back(agent);
      hub_.Renewed(asked, std::move(alive));
    }
  }
  // Answers every call with reports, all items alike.
  void Commit(const absl::Status& status = absl::OkStatus()) {
    while (!ports_.reports.empty()) {
      const auto call = std::move(ports_.reports.front());
      ports_.reports.pop_front();
      hub_.Reported(call.batch, std::vector<absl::Status>(call.reports.size(), status));
    }
  }
  std::string ClosedWith(StreamId stream) {
    const auto closing = ports_.closed.find(stream);
    return closing == ports_.closed.end() ? "" : ReasonOf(closing->second.status);
  }
  AgentState StateOf(const AgentId& agent) {
    for (const Observation& seen : hub_.TakeObservations()) {
      if (seen.agent == agent) last_[agent] = seen;
    }
    return last_[agent].state;
  }
  // What the only reader may give to the only agent.
  std::int64_t Limit(WatchId watch) {
    for (const auto& offered : news_.agents) limit_ = offered.credit_limit;
    while (hub_.book().HasNews(watch)) {
      const CapacityNews news = hub_.book().Take(watch, 100);
      for (const auto& offered : news.agents) limit_ = offered.credit_limit;
      for (const auto& [handle, limit] : news.credits) limit_ = limit;
    }
    return limit_;
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  RecordingPorts ports_;
  const HubRules rules_ = Rules();
  Hub hub_{rules_, clock_, ids_, ports_, "hub-1"};
  CapacityNews news_;
  std::int64_t limit_ = 0;
  bool ledger_answers_ = true;
  std::map<AgentId, Observation> last_;
  std::uint64_t streams_ = 0;
  std::uint64_t tasks_ = 0;
  std::int64_t epoch_ = 0;
  std::int64_t beats_ = 0;
};

}  // namespace switchyard::agent_hub

#include "services/agent_hub/hub.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/hub_fixture.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(HubTest, ReadsNothingBeforeTheAgentIsKnown) {
  const AgentId agent = NewAgent();
  const StreamId stream = Open(agent);
  EXPECT_THAT(ports_.reading, IsEmpty());
  hub_.Loaded(stream, Record(agent));
  EXPECT_TRUE(ports_.reading.contains(stream));
}

TEST_F(HubTest, TurnsAwayAnAgentThatWasRemoved) {
  const StreamId stream = Open(NewAgent());
  hub_.Loaded(stream, MakeError(absl::StatusCode::kNotFound, "AGENT_NOT_FOUND", "none"));
  EXPECT_EQ(ClosedWith(stream), "AGENT_REMOVED");
  EXPECT_TRUE(ports_.closed.at(stream).permanent);
}

TEST_F(HubTest, TellsAnOlderExecutorWhatItLacks) {
  const StreamId stream = Join(NewAgent(), Greeting());
  const auto welcome = ports_.Take<Welcome>(stream);
  ASSERT_THAT(welcome, SizeIs(1));
  EXPECT_THAT(welcome[0].features, ElementsAre("kind.command", "logs", "confirm", "status"));
  EXPECT_THAT(welcome[0].missing_features, ElementsAre("progress", "phase", "blocked", "route_grant", "endpoints"));
}

TEST_F(HubTest, TellsOfAGraceThatEndsBeforeTheLeaseWhicheverRenewalWasTheLast) {
  const StreamId stream = Join(NewAgent(), Greeting());
  // Of 30 s, renewed every 5 s.
  EXPECT_EQ(ports_.Take<Welcome>(stream).at(0).grace, absl::Seconds(20));
}

TEST_F(HubTest, RefusesAVersionThatItDoesNotSpeak) {
  const AgentId agent = NewAgent();
  const StreamId stream = Open(agent);
  hub_.Loaded(stream, Record(agent));
  Hello hello = Greeting();
  hello.min_version = 2;
  hello.max_version = 3;
  hub_.Receive(stream, std::move(hello), 10);
  EXPECT_EQ(ClosedWith(stream), "VERSION_UNSUPPORTED");
}

TEST_F(HubTest, GrantsAsManyCreditsAsThereAreFreeSlots) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(2));
  EXPECT_EQ(Limit(watch), 2);
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  // One used, one left: the sum stays.
  EXPECT_EQ(Limit(watch), 2);
  Say(stream, 1, task, ReportKind::kAccept);
  EXPECT_EQ(Limit(watch), 2);
  Say(stream, 2, task, ReportKind::kComplete);
  EXPECT_EQ(Limit(watch), 3);
}

TEST_F(HubTest, NeverSendsBeyondTheSlots) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(1));
  const TaskRef first = NewTask();
  const TaskRef second = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(first)));
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(second)));
  EXPECT_THAT(ports_.Take<Assign>(stream), SizeIs(1));
  Say(stream, 1, first, ReportKind::kComplete);
  const auto assigned = ports_.Take<Assign>(stream);
  ASSERT_THAT(assigned, SizeIs(1));
  EXPECT_EQ(assigned[0].ref, second);
}

TEST_F(HubTest, DispatchNamesTheSessionThatItIsMeantFor) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  EXPECT_THAT(hub_.Dispatch(watch, agent, 1, MakeWork(NewTask())), IsError("AGENT_NOT_HERE"));
  Join(agent, Greeting());
  EXPECT_THAT(hub_.Dispatch(watch, agent, epoch_ - 1, MakeWork(NewTask())), IsError("STALE_SESSION"));
}

TEST_F(HubTest, TheSameDispatchTwiceIsSentOnce) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  EXPECT_THAT(ports_.Take<Assign>(stream), SizeIs(1));
}

TEST_F(HubTest, AcknowledgesOnlyAfterTheCommit) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  Say(stream, 7, task, ReportKind::kAccept);
  EXPECT_THAT(ports_.Take<Ack>(stream), IsEmpty());
  Commit();
  const auto acks = ports_.Take<Ack>(stream);
  ASSERT_THAT(acks, SizeIs(1));
  EXPECT_EQ(acks[0].through, 7);
  EXPECT_THAT(acks[0].refused, IsEmpty());
}

TEST_F(HubTest, NamesTheReportsThatChangedNothing) {
  const StreamId stream = Join(NewAgent(), Greeting());
  Say(stream, 3, NewTask(), ReportKind::kComplete);
  Commit(MakeError(absl::StatusCode::kFailedPrecondition, "STALE_GENERATION", "old"));
  const auto acks = ports_.Take<Ack>(stream);
  ASSERT_THAT(acks, SizeIs(1));
  ASSERT_THAT(acks[0].refused, SizeIs(1));
  EXPECT_EQ(acks[0].refused[0].number, 3);
  EXPECT_THAT(acks[0].refused[0].status, IsError("STALE_GENERATION"));
}

TEST_F(HubTest, KeepsReportsWhileTheLedgerIsAway) {
  const StreamId stream = Join(NewAgent(), Greeting());
  const TaskRef task = NewTask();
  Say(stream, 1, task, ReportKind::kComplete);
  ASSERT_THAT(ports_.reports, SizeIs(1));
  hub_.Reported(ports_.reports.front().batch, absl::UnavailableError("away"));
  ports_.reports.clear();
  EXPECT_THAT(ports_.Take<Ack>(stream), IsEmpty());
  clock_.Advance(absl::Seconds(3));
  hub_.Tick();
  ASSERT_THAT(ports_.reports, SizeIs(1));
  Commit();
  EXPECT_THAT(ports_.Take<Ack>(stream), SizeIs(1));
}

TEST_F(HubTest, ReportsOfOneAgentAreNeverUnderWayTwiceAtOnce) {
  const StreamId stream = Join(NewAgent(), Greeting());
  Say(stream, 1, NewTask(), ReportKind::kAccept);
  Say(stream, 2, NewTask(), ReportKind::kAccept);
  EXPECT_THAT(ports_.reports, SizeIs(1));
  Commit();
  EXPECT_EQ(ports_.Take<Ack>(stream).back().through, 2);
}

TEST_F(HubTest, StopsReadingWhileTooManyReportsWait) {
  const StreamId stream = Join(NewAgent(), Greeting());
  Reports many;
  for (std::size_t i = 1; i <= 400; ++i) {
    many.reports.push_back({.number = static_cast<std::int64_t>(i),
                            .ref = NewTask(),
                            .kind = ReportKind::kAccept,
                            .bytes = 64 << 10,
                            .body = nullptr});
  }
  hub_.Receive(stream, std::move(many), 100);
  EXPECT_TRUE(ports_.paused.contains(stream));
  Commit();
  EXPECT_FALSE(ports_.paused.contains(stream));
}

TEST_F(HubTest, AHeartbeatDropsWhatIsNotTheAgents) {
  const StreamId stream = Join(NewAgent(), Greeting());
  const TaskRef stranger = NewTask();
  Beat(stream, {{stranger, HeldState::kRunning}});
  const auto answers = ports_.Take<Reconcile>(stream);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_THAT(answers[0].drop, ElementsAre(stranger));
}

TEST_F(HubTest, AnAssignmentLostOnTheWayIsSentAgain) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  const std::int64_t number = ports_.Take<Assign>(stream).at(0).number;
  // It may still be on its way.
  Beat(stream, {}, number - 1);
  EXPECT_THAT(ports_.lists, IsEmpty());
  Beat(stream, {}, number);
  ASSERT_THAT(ports_.lists, SizeIs(1));
  std::vector<Work> owned;
  owned.push_back(MakeWork(task));
  hub_.Listed(agent, epoch_, std::move(owned));
  const auto again = ports_.Take<Assign>(stream);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_TRUE(again[0].redelivered);
}

TEST_F(HubTest, AWithdrawalThatWasLostIsMadeUpFor) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(3));
  const TaskRef lost = NewTask();
  const TaskRef owned = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(lost, absl::Hours(1))));
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(owned, absl::Hours(1))));
  Say(stream, 1, lost, ReportKind::kBlocked);
  Say(stream, 2, owned, ReportKind::kBlocked);
  Commit();
  PassQuietly(stream, rules_.audit * 2, {{lost, HeldState::kBlocked}, {owned, HeldState::kBlocked}});
  ASSERT_THAT(ports_.lists, SizeIs(1));
  // What comes while the question is under way is not judged by its answer.
  const TaskRef late = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(late, absl::Hours(1))));
  ports_.Take<Assign>(stream);
  std::vector<Work> works;
  works.push_back({.ref = owned, .body = nullptr});
  // Ended meanwhile, or not here yet.
  works.push_back(MakeWork(NewTask()));
  hub_.Listed(agent, epoch_, std::move(works));

  const auto cancels = ports_.Take<Cancel>(stream);
  ASSERT_THAT(cancels, SizeIs(1));
  EXPECT_EQ(cancels[0].ref, lost);
  EXPECT_TRUE(cancels[0].withdrawn);
  EXPECT_FALSE(hub_.Holds(stream, lost));
  EXPECT_TRUE(hub_.Holds(stream, owned));
  EXPECT_TRUE(hub_.Holds(stream, late));
  EXPECT_THAT(ports_.Take<Assign>(stream), IsEmpty());
}

TEST_F(HubTest, AnAuditThatGetsNoAnswerJudgesNothingAndIsRepeated) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task, absl::Hours(1))));
  Say(stream, 1, task, ReportKind::kAccept);
  Commit();
  PassQuietly(stream, rules_.audit * 2, {{task, HeldState::kRunning}});
  ASSERT_THAT(ports_.lists, SizeIs(1));
  hub_.Listed(agent, epoch_, absl::UnavailableError("away"));
  EXPECT_TRUE(hub_.Holds(stream, task));
  PassQuietly(stream, rules_.audit, {{task, HeldState::kRunning}});
  EXPECT_THAT(ports_.lists, SizeIs(2));
}

TEST_F(HubTest, WhoeverHoldsNothingOrReportsIsNotAskedAbout) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  PassQuietly(stream, rules_.audit * 3, {});
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task, absl::Hours(1))));
  for (int report = 1; report <= 6; ++report) {
    Say(stream, report, task, ReportKind::kPhase);
    Commit();
    PassQuietly(stream, rules_.audit / 2, {{task, HeldState::kRunning}});
  }
  EXPECT_THAT(ports_.lists, IsEmpty());
}

TEST_F(HubTest, WhenDirectivesMayBeLostEveryAgentIsAskedAboutOnceTheLedgerAnswers) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task, absl::Hours(1))));
  Say(stream, 1, task, ReportKind::kAccept);
  Commit();
  hub_.DirectivesLost();
  hub_.Renewed({{agent, epoch_}}, absl::UnavailableError("away"));
  ledger_answers_ = false;
  const absl::Duration wait = rules_.reconnect_spread + rules_.heartbeat;
  ASSERT_LT(wait, rules_.audit);
  PassQuietly(stream, wait, {{task, HeldState::kRunning}});
  EXPECT_THAT(ports_.lists, IsEmpty());
  hub_.Renewed({{agent, epoch_}}, std::vector<AgentId>{agent});
  PassQuietly(stream, wait, {{task, HeldState::kRunning}});
  EXPECT_THAT(ports_.lists, SizeIs(1));
}

TEST_F(HubTest, AResumedSessionKeepsItsTasks) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId first = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  Say(first, 1, task, ReportKind::kAccept);
  hub_.Closed(first);
  EXPECT_EQ(StateOf(agent), AgentState::kUnresponsive);
  Hello hello = Greeting();
  hello.held = {{task, HeldState::kRunning}};
  OpenedSession opened;
  opened.epoch = ++epoch_;
  opened.keep = {task};
  const StreamId second = Join(agent, std::move(hello), std::move(opened));
  EXPECT_THAT(ports_.Take<Welcome>(second).at(0).keep, ElementsAre(task));
  EXPECT_EQ(StateOf(agent), AgentState::kWorking);
  EXPECT_TRUE(hub_.Holds(second, task));
}

TEST_F(HubTest, GoesOfflineOnceTheGracePeriodIsOver) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(NewTask())));
  hub_.Closed(stream);
  EXPECT_EQ(StateOf(agent), AgentState::kUnresponsive);
  clock_.Advance(absl::Seconds(31));
  hub_.Tick();
  EXPECT_EQ(StateOf(agent), AgentState::kOffline);
}

TEST_F(HubTest, ANewerStreamEndsTheOlder) {
  const AgentId agent = NewAgent();
  const StreamId first = Join(agent, Greeting());
  const StreamId second = Join(agent, Greeting());
  EXPECT_EQ(ClosedWith(first), "SESSION_SUPERSEDED");
  hub_.Closed(first);
  EXPECT_EQ(ClosedWith(second), "");
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  EXPECT_EQ(hub_.live(), 1u);
}

TEST_F(HubTest, AStreamThatIsOlderThanTheSessionEndsAlone) {
  const AgentId agent = NewAgent();
  Hello hello = Greeting();
  hello.connection = 8;
  const StreamId live = Join(agent, hello);
  const StreamId late = Open(agent);
  hub_.Loaded(late, Record(agent));
  hello.connection = 7;
  hub_.Receive(late, hello, 100);
  ASSERT_THAT(ports_.sessions, SizeIs(2));
  EXPECT_EQ(ports_.sessions[0].connection, 8);
  EXPECT_EQ(ports_.sessions[1].connection, 7);
  hub_.SessionOpened(late, MakeError(absl::StatusCode::kFailedPrecondition, "STALE_CONNECTION", "older"));
  EXPECT_EQ(ClosedWith(late), "STALE_CONNECTION");
  EXPECT_FALSE(ports_.closed.at(late).permanent);
  hub_.Closed(late);
  EXPECT_EQ(ClosedWith(live), "");
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  EXPECT_EQ(hub_.live(), 1u);
}

TEST_F(HubTest, WhatIsNotAcceptedInTimeIsFencedOff) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task, absl::Seconds(5))));
  clock_.Advance(absl::Seconds(5));
  hub_.Tick();
  ASSERT_THAT(ports_.reports, SizeIs(1));
  EXPECT_EQ(ports_.reports[0].reports[0].report.kind, ReportKind::kReject);
  const auto cancels = ports_.Take<Cancel>(stream);
  ASSERT_THAT(cancels, SizeIs(1));
  EXPECT_TRUE(cancels[0].withdrawn);
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded);
  Commit();
  // Its slot is free again once a heartbeat shows that it is gone, and two of them that the agent is awake.
  Beat(stream, {}, 10);
  Beat(stream, {}, 10);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  EXPECT_EQ(Limit(watch), 3);
}

TEST_F(HubTest, ThreeFailuresInARowOfItsOwnOpenTheBreaker) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(1));
  const auto fail = [&](std::int64_t number, bool agent_fault) {
    const TaskRef task = NewTask();
    SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
    Say(stream, number, task, ReportKind::kFail, agent_fault, "SANDBOX: no user namespaces");
    Commit();
  };
  fail(1, true);
  fail(2, true);
  // A task whose own command fails shows that the agent works.
  fail(3, false);
  fail(4, true);
  fail(5, true);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  fail(6, true);
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded);
  const auto healths = hub_.TakeHealths();
  ASSERT_THAT(healths, SizeIs(1));
  EXPECT_EQ(healths[0].breaker->failures_in_row, 3);
  const std::int64_t before = Limit(watch);
  clock_.Advance(rules_.breaker_open);
  Beat(stream, {}, 100, 1);
  hub_.Tick();
  Renew();
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  EXPECT_EQ(Limit(watch), before + 1);
}

TEST_F(HubTest, WithoutAPassedProbeThereIsNoWork) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(), {}, ProbeState::kPending);
  EXPECT_EQ(Limit(watch), 0);
  const auto probes = ports_.Take<ProbeWork>(stream);
  ASSERT_THAT(probes, SizeIs(1));
  Say(stream, 0, probes[0].ref, ReportKind::kAccept);
  Say(stream, 0, probes[0].ref, ReportKind::kComplete, false, probes[0].nonce);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  EXPECT_EQ(Limit(watch), 2);
  EXPECT_THAT(ports_.reports, IsEmpty());
  const auto healths = hub_.TakeHealths();
  ASSERT_THAT(healths, SizeIs(1));
  EXPECT_EQ(healths[0].probe->state, ProbeState::kPassed);
}

TEST_F(HubTest, AProbeThatComesBackWrongFails) {
  const AgentId agent = NewAgent();
  const StreamId stream = Join(agent, Greeting(), {}, ProbeState::kPending);
  const auto probes = ports_.Take<ProbeWork>(stream);
  Say(stream, 0, probes.at(0).ref, ReportKind::kComplete, false, "a guess");
  EXPECT_EQ(hub_.TakeHealths().at(0).probe->state, ProbeState::kFailed);
}

TEST_F(HubTest, AFailedSelfTestMakesItUnavailable) {
  const AgentId agent = NewAgent();
  Hello hello = Greeting();
  hello.self_tests = {{"sandbox", false, "bwrap is missing"}};
  const StreamId stream = Join(agent, std::move(hello));
  EXPECT_EQ(StateOf(agent), AgentState::kDegraded);
  EXPECT_EQ(last_[agent].unavailable_reason, "SELF_TEST_FAILED: sandbox: bwrap is missing");
  Heartbeat beat{.number = 1, .slots = 2, .self_tests = {{"sandbox", true, ""}}};
  hub_.Receive(stream, std::move(beat), 10);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
}

TEST_F(HubTest, SilenceMakesItUnresponsiveAndThenEndsTheStream) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  clock_.Advance(rules_.heartbeat * 2 + absl::Seconds(1));
  hub_.Tick();
  EXPECT_EQ(StateOf(agent), AgentState::kUnresponsive);
  EXPECT_EQ(Limit(watch), 0);
  Beat(stream);
  EXPECT_EQ(StateOf(agent), AgentState::kIdle);
  clock_.Advance(rules_.heartbeat * 3 + absl::Seconds(1));
  hub_.Tick();
  EXPECT_EQ(ClosedWith(stream), "HEARTBEAT_MISSING");
}

TEST_F(HubTest, ASessionThatIsNotRenewedIsOver) {
  const AgentId agent = NewAgent();
  const StreamId stream = Join(agent, Greeting());
  hub_.Tick();
  ASSERT_THAT(ports_.renewals, SizeIs(1));
  hub_.Renewed(ports_.renewals[0], absl::UnavailableError("away"));
  EXPECT_EQ(ClosedWith(stream), "");
  hub_.Renewed(ports_.renewals[0], std::vector<AgentId>{});
  EXPECT_EQ(ClosedWith(stream), "SESSION_LOST");
}

TEST_F(HubTest, ASessionThatIsNotRenewedIsNotVouchedFor) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(3));
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task, absl::Hours(1))));
  Say(stream, 1, task, ReportKind::kAccept);
  Commit();
  const absl::Time welcomed = clock_.Now();
  const absl::Duration trust = ports_.Take<Welcome>(stream).at(0).grace;
  absl::Time heard = welcomed;
  ledger_answers_ = false;
  while (clock_.Now() < welcomed + absl::Seconds(30)) {
    clock_.Advance(absl::Seconds(1));
    ports_.sent.clear();
    Beat(stream, {{task, HeldState::kRunning}}, 1, 3);
    hub_.Tick();
    for (const auto& asked : std::exchange(ports_.renewals, {})) hub_.Renewed(asked, absl::UnavailableError("away"));
    if (!ports_.sent[stream].empty()) heard = clock_.Now();
  }
  EXPECT_GT(heard, welcomed);
  EXPECT_LE(heard + trust, welcomed + absl::Seconds(30));
  EXPECT_EQ(ClosedWith(stream), "");
  EXPECT_TRUE(hub_.Holds(stream, task));
  // What is to be said meanwhile waits.
  hub_.Direct({.agent = agent, .ref = task, .kind = DirectiveKind::kCancel, .text = "by a user"});
  EXPECT_THAT(ports_.Take<Cancel>(stream), IsEmpty());
  clock_.Advance(rules_.renew);
  hub_.Tick();
  Renew();
  EXPECT_THAT(ports_.Take<Cancel>(stream), SizeIs(1));
  Beat(stream, {{task, HeldState::kRunning}}, 1, 3);
  EXPECT_FALSE(ports_.Take<Reconcile>(stream).empty());
}

TEST_F(HubTest, AnAgentThatIsNotVouchedForIsOfferedToNobody) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(2));
  EXPECT_EQ(Limit(watch), 2);
  ledger_answers_ = false;
  PassQuietly(stream, absl::Seconds(11), {});
  EXPECT_EQ(Limit(watch), 0);
  ports_.renewals.clear();
  hub_.Renewed({{agent, epoch_}}, absl::UnavailableError("away"));
  clock_.Advance(absl::Seconds(1));
  hub_.Tick();
  Renew();
  Beat(stream, {}, 0, 2);
  EXPECT_EQ(Limit(watch), 2);
}

TEST_F(HubTest, WhatASchedulerLeftBehindIsFoundAtTheLedger) {
  const AgentId agent = NewAgent();
  const WatchId gone = hub_.OpenWatch();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(3));
  Renew();
  hub_.CloseWatch(gone);
  EXPECT_EQ(Limit(watch), 3);
  PassQuietly(stream, rules_.undelivered + rules_.heartbeat, {});
  ASSERT_THAT(ports_.lists, SizeIs(1));
  // No answer is no answer.
  hub_.Listed(agent, epoch_, absl::UnavailableError("away"));
  PassQuietly(stream, rules_.heartbeat, {});
  ASSERT_THAT(ports_.lists, SizeIs(2));
  const TaskRef lost = NewTask();
  const TaskRef ended = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(ended)));
  Say(stream, 1, ended, ReportKind::kComplete);
  Commit();
  ports_.Take<Assign>(stream);
  std::vector<Work> owned;
  owned.push_back(MakeWork(lost));
  owned.push_back(MakeWork(ended));
  owned.push_back(MakeWork(NewTask(), -absl::Seconds(1)));
  owned.push_back({.ref = NewTask(), .body = nullptr});
  hub_.Listed(agent, epoch_, std::move(owned));
  const auto again = ports_.Take<Assign>(stream);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].ref, lost);
  EXPECT_TRUE(again[0].redelivered);
  // It was on its way all the same: sent once, and the credit counts.
  const std::int64_t before = Limit(watch);
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(lost)));
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(lost)));
  EXPECT_THAT(ports_.Take<Assign>(stream), IsEmpty());
  EXPECT_EQ(Limit(watch), before + 1);
  PassQuietly(stream, rules_.heartbeat * 2, {{lost, HeldState::kAssigned}});
  EXPECT_THAT(ports_.lists, SizeIs(2));
}

TEST_F(HubTest, WhatHasNoSlotYetIsLookedForAgain) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(1));
  const TaskRef first = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(first, absl::Hours(1))));
  hub_.CloseWatch(watch);
  const auto pass = [&] {
    for (int i = 0; i < 12; ++i) {
      clock_.Advance(absl::Seconds(1));
      Beat(stream, {{first, HeldState::kAssigned}}, 0, 1);
      hub_.Tick();
      Renew();
    }
  };
  pass();
  ASSERT_THAT(ports_.lists, SizeIs(1));
  std::vector<Work> owned;
  owned.push_back(MakeWork(first, absl::Hours(1)));
  owned.push_back(MakeWork(NewTask(), absl::Hours(1)));
  hub_.Listed(agent, epoch_, std::move(owned));
  EXPECT_THAT(ports_.Take<Assign>(stream), SizeIs(1));
  pass();
  EXPECT_THAT(ports_.lists, SizeIs(2));
}

TEST_F(HubTest, CancelsAreRepeatedSparingly) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  const Directive cancel{.agent = agent, .ref = task, .kind = DirectiveKind::kCancel, .text = "by a user"};
  hub_.Direct(cancel);
  hub_.Direct(cancel);
  EXPECT_THAT(ports_.Take<Cancel>(stream), SizeIs(1));
  clock_.Advance(rules_.repeat_directive);
  hub_.Direct(cancel);
  EXPECT_THAT(ports_.Take<Cancel>(stream), SizeIs(1));
}

TEST_F(HubTest, QuarantineTakesBackWhatRuns) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  Say(stream, 1, task, ReportKind::kAccept);
  Commit();
  AgentRecord record = Record(agent);
  record.quarantine = Mark{.reason = "odd results", .set_by = "ann", .time = clock_.Now()};
  hub_.Touched(record);
  EXPECT_EQ(StateOf(agent), AgentState::kQuarantined);
  ASSERT_THAT(ports_.reports, SizeIs(1));
  EXPECT_EQ(ports_.reports[0].reports[0].report.kind, ReportKind::kReleased);
  EXPECT_TRUE(ports_.Take<Cancel>(stream).at(0).withdrawn);
  record.quarantine.reset();
  hub_.Touched(record);
  EXPECT_NE(StateOf(agent), AgentState::kQuarantined);
}

TEST_F(HubTest, AsksForAnotherRouteOnlyForWhatTheAgentHoldsAndTellsTheLedgerOfIt) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  Hello hello = Greeting();
  hello.capabilities = {"credential:env:KEY", "os:linux"};
  const StreamId stream = Join(agent, std::move(hello));
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  hub_.Receive(stream, RouteAsked{.request = 1, .ref = NewTask(), .body = nullptr}, 10);
  EXPECT_EQ(ports_.Take<RouteGranted>(stream).at(0).refusal, "NOT_OWNER");
  EXPECT_THAT(ports_.routes_asked, IsEmpty());

  hub_.Receive(stream, RouteAsked{.request = 2, .ref = task, .body = nullptr}, 10);
  ASSERT_THAT(ports_.routes_asked, SizeIs(1));
  EXPECT_THAT(std::get<RouteAsked>(ports_.routes_asked[0]).offered, ElementsAre("credential:env:KEY", "agent:worker"))
      << "so that the router knows which endpoints this agent can use";
  const std::size_t reports = ports_.reports.size();
  hub_.Granted(stream, task, {.request = 2, .routing = "r", .refusal = "", .message = "m"}, std::make_shared<Opaque>());
  EXPECT_EQ(ports_.Take<RouteGranted>(stream).at(0).routing, "r");
  EXPECT_EQ(ports_.reports.size(), reports + 1);

  hub_.Receive(stream, RouteAsked{.request = 3, .ref = task, .body = nullptr}, 10);
  hub_.Receive(stream, RouteAsked{.request = 4, .ref = task, .body = nullptr}, 10);
  EXPECT_EQ(ClosedWith(stream), "FLOOD") << "one question for a task at a time";
  hub_.Granted(stream, task, {.request = 3, .routing = "r", .refusal = "", .message = ""}, nullptr);
}

TEST_F(HubTest, ConfirmsOnlyWhatTheAgentHolds) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting());
  const TaskRef task = NewTask();
  SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(task)));
  hub_.Receive(stream, Confirm{.request = 1, .ref = NewTask()}, 10);
  EXPECT_FALSE(ports_.Take<ConfirmResult>(stream).at(0).current);
  hub_.Receive(stream, Confirm{.request = 2, .ref = task}, 10);
  ASSERT_THAT(ports_.confirms, SizeIs(1));
  hub_.Confirmed(stream, 2, true);
  EXPECT_TRUE(ports_.Take<ConfirmResult>(stream).at(0).current);
  hub_.Confirmed(stream, 3, absl::UnavailableError("away"));
  EXPECT_TRUE(ports_.Take<ConfirmResult>(stream).at(0).unavailable);
}

TEST_F(HubTest, AsksTheLedgerOncePerTaskAndNotWithoutLimit) {
  const AgentId agent = NewAgent();
  const WatchId watch = hub_.OpenWatch();
  const StreamId stream = Join(agent, Greeting(65));
  std::vector<TaskRef> tasks;
  for (int i = 0; i < 66; ++i) {
    tasks.push_back(NewTask());
    Beat(stream, {}, 0, 70);
    SY_ASSERT_OK(hub_.Dispatch(watch, agent, epoch_, MakeWork(tasks.back())));
  }
  Beat(stream, {}, 0, 65);
  hub_.Receive(stream, Confirm{.request = 1, .ref = tasks[0]}, 10);
  hub_.Receive(stream, Confirm{.request = 2, .ref = tasks[0]}, 10);
  EXPECT_THAT(ports_.confirms, SizeIs(1));
  EXPECT_TRUE(ports_.Take<ConfirmResult>(stream).at(0).unavailable);
  hub_.Confirmed(stream, 1, true);
  for (int i = 0; i < 65; ++i) hub_.Receive(stream, Confirm{.request = 10 + i, .ref = tasks[i]}, 10);
  EXPECT_THAT(ports_.confirms, SizeIs(66));
  EXPECT_EQ(ClosedWith(stream), "");
  hub_.Receive(stream, Confirm{.request = 99, .ref = tasks[65]}, 10);
  EXPECT_THAT(ports_.confirms, SizeIs(66));
  EXPECT_EQ(ClosedWith(stream), "FLOOD");
}

TEST_F(HubTest, DrainTellsEveryAgentAndTakesNoneInAnyMore) {
  const AgentId agent = NewAgent();
  const StreamId stream = Join(agent, Greeting());
  hub_.Drain();
  EXPECT_THAT(ports_.Take<DrainNotice>(stream), SizeIs(1));
  EXPECT_EQ(StateOf(agent), AgentState::kDraining);
  EXPECT_THAT(hub_.Opened(StreamId{99}, NewAgent(2), ""), IsError("HUB_DRAINING"));
}

TEST_F(HubTest, CreditsThatLieUnusedGoToTheNextScheduler) {
  const AgentId agent = NewAgent();
  Join(agent, Greeting(4));
  std::map<WatchId, std::int64_t> limits = {{hub_.OpenWatch(), 0}, {hub_.OpenWatch(), 0}};
  const auto read = [&] {
    for (auto& [watch, limit] : limits) {
      while (hub_.book().HasNews(watch)) {
        const CapacityNews news = hub_.book().Take(watch, 10);
        for (const auto& offered : news.agents) limit = offered.credit_limit;
        for (const auto& [handle, at] : news.credits) limit = at;
      }
    }
  };
  read();
  EXPECT_EQ(limits.begin()->second, 4);
  hub_.Tick();
  read();
  EXPECT_EQ(limits.begin()->second, 2);
  EXPECT_EQ(limits.rbegin()->second, 2);
  hub_.CloseWatch(limits.begin()->first);
  limits.erase(limits.begin());
  read();
  EXPECT_EQ(limits.begin()->second, 4);
}

}  // namespace
}  // namespace switchyard::agent_hub

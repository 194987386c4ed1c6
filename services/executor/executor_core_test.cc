#include "services/executor/executor_core.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/in_memory_journal.h"

namespace switchyard::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kGrace = absl::Seconds(60);

TaskKey Key(const std::string& id, std::int64_t generation = 1) { return {.task_id = id, .generation = generation}; }

class FakeChecker final : public WorkChecker {
 public:
  absl::Status Check(Assignment& assignment) override {
    if (raises) assignment.beyond_workspace = true;
    return answer;
  }
  absl::Status answer;
  bool raises = false;
};

// "accept a", "reject b NO_SLOT".
std::string Line(const Report& report) {
  static const char* const kNames[] = {"", "accept", "reject", "phase", "blocked", "complete", "fail", "released"};
  std::string line = std::string(kNames[static_cast<int>(report.kind)]) + " " + report.key.task_id;
  if (!report.reason.empty()) line += " " + report.reason;
  return line;
}

class ExecutorCoreTest : public ::testing::Test {
 protected:
  ExecutorCoreTest() { Restart(); }

  // As after a kill -9: only the journal is left.
  void Restart() {
    core_ = std::make_unique<ExecutorCore>(journal_, checker_, clock_, CoreLimits{.slots = 2, .max_held = 5});
    SY_ASSERT_OK(core_->Open());
    next_assignment_ = 1;
  }
  void Welcome(std::vector<TaskKey> drop = {}) {
    core_->OnWelcome({.heartbeat_interval = absl::Seconds(10), .grace = kGrace, .drop = std::move(drop)});
    core_->Commit();
  }
  Assignment Given(const TaskKey& key, bool beyond = false) {
    return {.number = next_assignment_++, .key = key, .beyond_workspace = beyond, .payload = "work"};
  }
  // Keys that start.
  std::vector<std::string> Assign(std::vector<Assignment> given) {
    core_->OnAssign(std::move(given));
    return Started(core_->Commit());
  }
  static std::vector<std::string> Started(const Actions& actions) {
    std::vector<std::string> ids;
    for (const Assignment& assignment : actions.start) ids.push_back(assignment.key.task_id);
    return ids;
  }
  std::vector<std::string> Said() {
    std::vector<std::string> lines;
    for (const Report& report : core_->TakeReports(100)) {
      lines.push_back(Line(report));
      last_number_ = std::max(last_number_, report.number);
    }
    return lines;
  }
  void Finish(const std::string& id, bool cancelled = false, ReportKind kind = ReportKind::kComplete) {
    core_->OnFinished(Key(id), {.kind = kind, .result = "result"}, cancelled);
    last_actions_ = core_->Commit();
  }
  void AckAll(std::vector<std::int64_t> refused = {}) {
    core_->OnAck(last_number_, refused);
    last_actions_ = core_->Commit();
  }
  // The ledger knows what was accepted.
  void Accepted() {
    Said();
    AckAll();
  }
  std::vector<std::string> Held() const {
    std::vector<std::string> ids;
    for (const HeldTask& held : core_->Hello().held) {
      ids.push_back(held.key.task_id + (held.state == HeldState::kDone ? " done" : ""));
    }
    return ids;
  }

  testing::FakeClock clock_;
  InMemoryJournal journal_;
  FakeChecker checker_;
  std::unique_ptr<ExecutorCore> core_;
  Actions last_actions_;
  std::int64_t next_assignment_ = 1;
  std::int64_t last_number_ = 0;
};

TEST_F(ExecutorCoreTest, AcceptsStartsCompletesAndForgets) {
  Welcome();
  EXPECT_THAT(Assign({Given(Key("a"))}), ElementsAre("a"));
  EXPECT_THAT(Said(), ElementsAre("accept a"));
  Finish("a");
  EXPECT_THAT(Said(), ElementsAre("complete a"));
  EXPECT_THAT(Held(), ElementsAre("a done"));
  AckAll();
  EXPECT_THAT(Held(), IsEmpty());
  EXPECT_THAT(last_actions_.forgotten, ElementsAre(Key("a")));
  SY_ASSERT_OK_AND_ASSIGN(const JournalContent content, journal_.Load());
  EXPECT_THAT(content.work, IsEmpty());
  EXPECT_THAT(content.reports, IsEmpty());
}

TEST_F(ExecutorCoreTest, NothingIsSaidBeforeTheJournalHasIt) {
  Welcome();
  core_->OnAssign({Given(Key("a"))});
  EXPECT_FALSE(core_->has_reports());
  EXPECT_THAT(Said(), IsEmpty());
  core_->Commit();
  EXPECT_THAT(Said(), ElementsAre("accept a"));
}

TEST_F(ExecutorCoreTest, BeyondItsSlotsItRejects) {
  Welcome();
  EXPECT_THAT(Assign({Given(Key("a")), Given(Key("b")), Given(Key("c"))}), ElementsAre("a", "b"));
  EXPECT_THAT(Said(), ElementsAre("accept a", "accept b", "reject c NO_SLOT"));
  EXPECT_THAT(Held(), ElementsAre("a", "b"));
}

TEST_F(ExecutorCoreTest, WhatTheBackEndsDoNotTakeIsRejectedWithTheirReason) {
  Welcome();
  checker_.answer = MakeError(absl::StatusCode::kPermissionDenied, "NOT_ALLOWED", "no rule allows rm");
  EXPECT_THAT(Assign({Given(Key("a"))}), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("reject a NOT_ALLOWED"));
}

TEST_F(ExecutorCoreTest, OnlyWhatItsRulesForbidIsRefusedForGood) {
  Welcome();
  const auto permanent = [&](const absl::Status& status, const char* task) {
    checker_.answer = status;
    core_->OnAssign({Given(Key(task))});
    core_->Commit();
    const std::vector<Report> reports = core_->TakeReports(10);
    EXPECT_EQ(reports.size(), 1u);
    return !reports.empty() && reports[0].permanent;
  };
  EXPECT_TRUE(permanent(MakeError(absl::StatusCode::kPermissionDenied, "NOT_ALLOWED", "no rule allows rm"), "a"));
  EXPECT_TRUE(permanent(MakeError(absl::StatusCode::kInvalidArgument, "UNSUPPORTED", "no prompts here"), "b"));
  EXPECT_FALSE(permanent(MakeError(absl::StatusCode::kUnavailable, "PROGRAM_MISSING", "not installed"), "c"));
}

TEST_F(ExecutorCoreTest, TheSameAssignmentRunsOnceAndIsAnsweredAgain) {
  Welcome();
  Assign({Given(Key("a"))});
  Said();
  AckAll();
  EXPECT_THAT(Assign({Given(Key("a"))}), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("accept a"));
  Finish("a");
  Said();
  AckAll();
  EXPECT_THAT(Assign({Given(Key("a"))}), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("reject a ALREADY_FINISHED"));
}

TEST_F(ExecutorCoreTest, ANewerGenerationEndsTheOlderOneInSilence) {
  Welcome();
  Assign({Given(Key("a", 1))});
  Said();
  core_->OnAssign({Given(Key("a", 2))});
  const Actions actions = core_->Commit();
  EXPECT_THAT(actions.cancel, ElementsAre(Key("a", 1)));
  EXPECT_THAT(Started(actions), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("accept a"));
  core_->OnFinished(Key("a", 1), {.kind = ReportKind::kComplete}, true);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
  EXPECT_THAT(Said(), IsEmpty());
  Assign({Given(Key("a", 1))});
  EXPECT_THAT(Said(), ElementsAre(::testing::StartsWith("reject a")));
}

TEST_F(ExecutorCoreTest, ReportsComeAgainInEachSessionUntilAcknowledged) {
  Welcome();
  Assign({Given(Key("a"))});
  EXPECT_THAT(Said(), ElementsAre("accept a"));
  core_->OnStreamEnded();
  Finish("a");
  EXPECT_THAT(Said(), IsEmpty());
  Welcome();
  EXPECT_THAT(Said(), ElementsAre("accept a", "complete a"));
  EXPECT_THAT(Said(), IsEmpty());
  AckAll();
  core_->OnStreamEnded();
  Welcome();
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(ExecutorCoreTest, AnAckCoversOnlyWhatThisSessionWasSent) {
  Welcome();
  Assign({Given(Key("a"))});
  Finish("a");
  core_->OnAck(1'000'000'000, {});
  core_->Commit();
  EXPECT_THAT(Said(), ElementsAre("accept a", "complete a"));
}

TEST_F(ExecutorCoreTest, AfterAKillEndsAreDeliveredAndStartedWorkIsNotHeld) {
  Welcome();
  Assign({Given(Key("a")), Given(Key("b"))});
  Said();
  Finish("a");
  Restart();
  EXPECT_THAT(Held(), ElementsAre("a done"));
  EXPECT_TRUE(core_->Hello().restarted);
  Welcome();
  EXPECT_FALSE(core_->Hello().restarted);
  EXPECT_THAT(Said(), ElementsAre("complete a"));
  AckAll();
  EXPECT_THAT(Held(), IsEmpty());
  SY_ASSERT_OK_AND_ASSIGN(const JournalContent content, journal_.Load());
  EXPECT_THAT(content.work, IsEmpty());
}

TEST_F(ExecutorCoreTest, NumbersGrowAcrossRestarts) {
  Welcome();
  Assign({Given(Key("a"))});
  Said();
  const std::int64_t before = last_number_;
  Restart();
  Welcome();
  Assign({Given(Key("b"))});
  const std::vector<Report> reports = core_->TakeReports(10);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_GT(reports[0].number, before);
}

TEST_F(ExecutorCoreTest, ConnectionsAreNumberedUpwardsAcrossRestartsAndALostJournal) {
  const std::int64_t first = core_->NextConnection();
  EXPECT_GT(first, 0);
  const std::int64_t second = core_->NextConnection();
  EXPECT_GT(second, first);
  Restart();
  const std::int64_t third = core_->NextConnection();
  EXPECT_GT(third, second);
  core_->OnStaleConnection(third - 1);
  EXPECT_EQ(core_->NextConnection(), third + 1);
  core_->OnStaleConnection(third + 1'000'000'000);
  EXPECT_EQ(core_->NextConnection(), third + 1'000'000'001);
}

TEST_F(ExecutorCoreTest, ARefusedReportMeansThatTheTaskIsNotOurs) {
  Welcome();
  Assign({Given(Key("a"))});
  const std::vector<Report> reports = core_->TakeReports(10);
  core_->OnAck(reports[0].number, {reports[0].number});
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("a")));
  EXPECT_THAT(Held(), IsEmpty());
  Finish("a", true);
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(ExecutorCoreTest, DroppedWorkKeepsItsSlotUntilItIsDead) {
  Welcome();
  Assign({Given(Key("a")), Given(Key("b"))});
  core_->OnReconcile({Key("a")});
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("a")));
  EXPECT_THAT(Assign({Given(Key("c"))}), IsEmpty());
  EXPECT_THAT(Held(), ElementsAre("b", "c"));
  Finish("a", true);
  EXPECT_THAT(Started(last_actions_), ElementsAre("c"));
}

TEST_F(ExecutorCoreTest, AcceptedWorkThatNeverStartedSurvivesAKill) {
  Welcome();
  Assign({Given(Key("a")), Given(Key("b"))});
  core_->OnReconcile({Key("a")});
  core_->Commit();
  EXPECT_THAT(Assign({Given(Key("c"))}), IsEmpty());
  Restart();
  EXPECT_THAT(Held(), ElementsAre("c"));
  const Actions actions = core_->Commit();
  EXPECT_THAT(Started(actions), ElementsAre("c"));
  EXPECT_EQ(actions.start[0].payload, "work");
  // Its acceptance may have been lost with the process, and the ledger waits for it.
  Welcome();
  EXPECT_THAT(Said(), ElementsAre("accept c"));
}

TEST_F(ExecutorCoreTest, CancelledWorkIsReleasedAndWithdrawnWorkIsNotMentioned) {
  Welcome();
  Assign({Given(Key("a")), Given(Key("b"))});
  Said();
  core_->OnCancel(Key("a"), "a person changed their mind", false);
  core_->OnCancel(Key("a"), "said twice", false);
  core_->OnCancel(Key("b"), "", true);
  EXPECT_THAT(core_->Commit().cancel, ::testing::UnorderedElementsAre(Key("a"), Key("b")));
  Finish("a", true);
  Finish("b", true);
  EXPECT_THAT(Said(), ElementsAre("released a a person changed their mind"));
}

TEST_F(ExecutorCoreTest, WorkThatEndedBeforeItsCancelReportsItsEnd) {
  Welcome();
  Assign({Given(Key("a"))});
  Said();
  core_->OnCancel(Key("a"), "late", false);
  core_->Commit();
  Finish("a", false);
  EXPECT_THAT(Said(), ElementsAre("complete a"));
}

TEST_F(ExecutorCoreTest, WorkBeyondTheWorkspaceIsConfirmedBeforeItStarts) {
  Welcome();
  EXPECT_THAT(Assign({Given(Key("a"), true)}), IsEmpty());
  Accepted();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  EXPECT_THAT(core_->TakeConfirms(), IsEmpty());
  core_->OnConfirmation(Key("a"), Confirmation::kUnknown);
  core_->Commit();
  EXPECT_THAT(core_->TakeConfirms(), IsEmpty());
  EXPECT_EQ(core_->NextWake(), clock_.Now());  // the first heartbeat
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
}

TEST_F(ExecutorCoreTest, IsConfirmedOnlyOnceTheLedgerKnowsThatItWasAccepted) {
  Welcome();
  Assign({Given(Key("a"), true)});
  EXPECT_THAT(core_->TakeConfirms(), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("accept a"));
  EXPECT_THAT(core_->TakeConfirms(), IsEmpty());
  AckAll();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
}

TEST_F(ExecutorCoreTest, AnotherGenerationOfATaskWaitsForTheEndOfTheFormer) {
  Welcome();
  EXPECT_THAT(Assign({Given(Key("a", 1))}), ElementsAre("a"));
  core_->OnCancel(Key("a", 1), "not its own any more", true);
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("a", 1)));
  EXPECT_THAT(Assign({Given(Key("a", 2))}), IsEmpty()) << "a slot is free, and yet";
  core_->OnFinished(Key("a", 1), {.kind = ReportKind::kFail}, true);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
}

TEST_F(ExecutorCoreTest, WorkThatIsNotConfirmedIsForgotten) {
  Welcome();
  Assign({Given(Key("a"), true)});
  Accepted();
  core_->TakeConfirms();
  core_->OnStreamEnded();
  Welcome();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  core_->OnConfirmation(Key("a"), Confirmation::kStale);
  EXPECT_THAT(Started(core_->Commit()), IsEmpty());
  EXPECT_THAT(Held(), IsEmpty());
}

TEST_F(ExecutorCoreTest, AConfirmationThatDidNotStartTheWorkIsAskedForAgain) {
  Welcome();
  Assign({Given(Key("a"), true)});
  Accepted();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  journal_.FailWith(MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL", "no space left"));
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), IsEmpty());
  journal_.FailWith(absl::OkStatus());
  core_->OnStreamEnded();
  clock_.Advance(kGrace * 2);
  core_->Tick();
  EXPECT_THAT(Started(core_->Commit()), IsEmpty()) << "the lease ended";
  Welcome();
  EXPECT_THAT(Started(core_->Commit()), IsEmpty());
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
}

TEST_F(ExecutorCoreTest, AConfirmationEndsWithItsSession) {
  Welcome();
  Assign({Given(Key("a"), true)});
  Accepted();
  core_->TakeConfirms();
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  core_->OnStreamEnded();
  EXPECT_THAT(Started(core_->Commit()), IsEmpty());
  Welcome();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
}

TEST_F(ExecutorCoreTest, NothingWithOuterEffectsStartsAfterTheLease) {
  Welcome();
  Assign({Given(Key("a"), true)});
  Accepted();
  core_->TakeConfirms();
  clock_.Advance(kGrace);
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), IsEmpty());
  core_->OnHeard();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
}

TEST_F(ExecutorCoreTest, WorkThatTheBackEndGrantsMoreThanItSaysIsFencedToo) {
  checker_.raises = true;
  Welcome();
  EXPECT_THAT(Assign({Given(Key("a"))}), IsEmpty());
  Accepted();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("a")));
  core_->OnConfirmation(Key("a"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("a"));
  core_->OnStreamEnded();
  clock_.Advance(kGrace);
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("a")));
}

TEST_F(ExecutorCoreTest, WhenTheLeaseEndsWorkWithOuterEffectsStopsAndTheRestGoesOn) {
  Welcome();
  Assignment outer = Given(Key("outer"), true);
  outer.retry_when_lost = false;
  Assign({Given(Key("inner")), outer});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  core_->OnStreamEnded();
  clock_.Advance(kGrace - absl::Seconds(1));
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, IsEmpty());
  EXPECT_EQ(core_->NextWake(), clock_.Now() + absl::Seconds(1));
  clock_.Advance(absl::Seconds(1));
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("outer")));
  Finish("outer", true);
  Finish("inner");
  Welcome();
  EXPECT_THAT(Said(), ElementsAre("accept inner", "accept outer", "fail outer LEASE_ENDED", "complete inner"));
}

TEST_F(ExecutorCoreTest, WhenTheLeaseEndsWorkThatMayRunAgainIsHandedBackWithoutAFailure) {
  Welcome();
  Assign({Given(Key("outer"), true)});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  core_->OnStreamEnded();
  clock_.Advance(kGrace);
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("outer")));
  Finish("outer", true);
  Welcome();
  EXPECT_THAT(Said(), ElementsAre("accept outer", "released outer the lease ended"));
}

// A program that ignores the request is gone by the end of the lease, not a grace later.
TEST_F(ExecutorCoreTest, WorkWithOuterEffectsIsAskedToEndBeforeTheLeaseDoes) {
  core_ = std::make_unique<ExecutorCore>(journal_, checker_, clock_,
                                         CoreLimits{.slots = 2, .max_held = 5, .kill_grace = absl::Seconds(5)});
  SY_ASSERT_OK(core_->Open());
  Welcome();
  Assign({Given(Key("inner")), Given(Key("outer"), true)});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  core_->OnStreamEnded();
  clock_.Advance(kGrace - absl::Seconds(6));
  core_->Tick();
  EXPECT_EQ(core_->NextWake(), clock_.Now() + absl::Seconds(1));
  EXPECT_THAT(core_->Commit().cancel, IsEmpty());
  clock_.Advance(absl::Seconds(1));
  core_->Tick();
  const Actions asked = core_->Commit();
  EXPECT_THAT(asked.cancel, ElementsAre(Key("outer")));
  EXPECT_THAT(asked.kill, IsEmpty());
  EXPECT_EQ(core_->NextWake(), clock_.Now() + absl::Seconds(5));
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, IsEmpty()) << "once is enough";
  clock_.Advance(absl::Seconds(5));
  core_->Tick();
  const Actions over = core_->Commit();
  EXPECT_THAT(over.cancel, IsEmpty());
  EXPECT_THAT(over.kill, ElementsAre(Key("outer")));
  core_->Tick();
  EXPECT_THAT(core_->Commit().kill, IsEmpty());
}

TEST_F(ExecutorCoreTest, AHeartbeatThatIsALittleLateEndsNothingHoweverLongTheGraceOfWork) {
  core_ = std::make_unique<ExecutorCore>(journal_, checker_, clock_,
                                         CoreLimits{.slots = 2, .max_held = 5, .kill_grace = absl::Minutes(10)});
  SY_ASSERT_OK(core_->Open());
  Welcome();
  Assign({Given(Key("outer"), true)});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  clock_.Advance(absl::Seconds(14));
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, IsEmpty());
  clock_.Advance(absl::Seconds(1));
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("outer")));
}

// As after SIGSTOP and SIGCONT: what comes first is what was said long ago.
TEST_F(ExecutorCoreTest, AProcessThatStoodStillTrustsNothingThatWaitedForIt) {
  Welcome();
  Assign({Given(Key("outer"), true), Given(Key("next"), true)});
  Accepted();
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("next")));
  clock_.Advance(kGrace + absl::Seconds(1));
  core_->OnHeard();
  core_->OnConfirmation(Key("next"), Confirmation::kCurrent);
  core_->Tick();
  const Actions actions = core_->Commit();
  EXPECT_THAT(actions.cancel, ElementsAre(Key("outer")));
  EXPECT_THAT(actions.kill, ElementsAre(Key("outer")));
  EXPECT_THAT(Started(actions), IsEmpty());
  EXPECT_THAT(core_->TakeConfirms(), ElementsAre(Key("next"))) << "it is asked anew";
  core_->OnConfirmation(Key("next"), Confirmation::kCurrent);
  EXPECT_THAT(Started(core_->Commit()), ElementsAre("next"));
}

TEST_F(ExecutorCoreTest, ASilentHubEndsTheLeaseAlthoughTheStreamStands) {
  Welcome();
  Assign({Given(Key("outer"), true)});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  clock_.Advance(kGrace / 2);
  core_->OnHeard();
  clock_.Advance(kGrace / 2);
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, IsEmpty());
  clock_.Advance(kGrace / 2);
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("outer")));
}

TEST_F(ExecutorCoreTest, AHubThatSpeaksAgainBeginsANewLeaseThatCanEndToo) {
  Welcome();
  clock_.Advance(kGrace);
  core_->Tick();
  core_->OnHeard();
  Assign({Given(Key("outer"), true)});
  core_->OnConfirmation(Key("outer"), Confirmation::kCurrent);
  core_->Commit();
  EXPECT_THAT(core_->Commit().cancel, IsEmpty());
  clock_.Advance(kGrace);
  core_->Tick();
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("outer")));
}

TEST_F(ExecutorCoreTest, AFullDiskRefusesNewWorkAndDeliversWhatItHas) {
  Welcome();
  Assign({Given(Key("a"))});
  Said();
  journal_.FailWith(MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL", "no space left"));
  EXPECT_THAT(Assign({Given(Key("b"))}), IsEmpty());
  EXPECT_THAT(Said(), ElementsAre("reject b DISK_FULL"));
  EXPECT_EQ(core_->refusing(), "no space left");
  EXPECT_EQ(core_->TakeHeartbeat()->refusing, "no space left");
  Finish("a");
  EXPECT_THAT(Said(), ElementsAre("complete a"));
  AckAll();
  EXPECT_THAT(Held(), IsEmpty());

  journal_.FailWith(absl::OkStatus());
  clock_.Advance(absl::Seconds(1));
  core_->Tick();
  core_->Commit();
  EXPECT_EQ(core_->refusing(), "");
  EXPECT_THAT(Assign({Given(Key("c"))}), ElementsAre("c"));
}

TEST_F(ExecutorCoreTest, AnEndThatTheFullDiskDidNotTakeIsWrittenOnceThereIsRoom) {
  Welcome();
  Assign({Given(Key("a"))});
  core_->OnStreamEnded();
  journal_.FailWith(MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL", "no space left"));
  Finish("a");
  journal_.FailWith(absl::OkStatus());
  clock_.Advance(absl::Seconds(1));
  core_->Tick();
  core_->Commit();
  Restart();
  Welcome();
  EXPECT_THAT(Said(), ElementsAre("complete a"));
}

TEST_F(ExecutorCoreTest, LittleRoomOnTheDiskIsToldAtOnce) {
  Welcome();
  core_->TakeHeartbeat();
  core_->SetDiskFull("less than 64 MiB are free");
  EXPECT_EQ(core_->TakeHeartbeat()->refusing, "less than 64 MiB are free");
  Assign({Given(Key("a"))});
  EXPECT_THAT(Said(), ElementsAre("reject a DISK_FULL"));
  core_->SetDiskFull("");
  EXPECT_EQ(core_->TakeHeartbeat()->refusing, "");
}

TEST_F(ExecutorCoreTest, WhatNoHubAcknowledgesIsBounded) {
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    Welcome();
    Assign({Given(Key(id))});
    Finish(id);
    core_->OnStreamEnded();
  }
  Welcome();
  Said();
  Assign({Given(Key("f"))});
  EXPECT_THAT(Said(), ElementsAre("reject f TOO_MANY_HELD"));
}

TEST_F(ExecutorCoreTest, HeartbeatsFollowTheOffsetAndTheInterval) {
  core_->OnWelcome({.heartbeat_interval = absl::Seconds(10), .heartbeat_offset = absl::Seconds(3), .grace = kGrace});
  EXPECT_EQ(core_->TakeHeartbeat(), std::nullopt);
  EXPECT_EQ(core_->NextWake(), clock_.Now() + absl::Seconds(3));
  clock_.Advance(absl::Seconds(3));
  Assign({Given(Key("a"))});
  const std::optional<HeartbeatFacts> first = core_->TakeHeartbeat();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->number, 1);
  EXPECT_EQ(first->last_assignment, 1);
  EXPECT_THAT(first->held, ElementsAre(HeldTask{.key = Key("a"), .state = HeldState::kRunning}));
  EXPECT_EQ(core_->TakeHeartbeat(), std::nullopt);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(core_->TakeHeartbeat()->number, 2);
}

TEST_F(ExecutorCoreTest, DrainingTakesNothingNewAndEndsWhenAllIsDelivered) {
  Welcome();
  core_->TakeHeartbeat();
  Assign({Given(Key("a"))});
  core_->Drain();
  EXPECT_TRUE(core_->TakeHeartbeat()->draining);
  Assign({Given(Key("b"))});
  EXPECT_THAT(Said(), ElementsAre("accept a", "reject b DRAINING"));
  EXPECT_FALSE(core_->drained());
  Finish("a");
  Said();
  EXPECT_FALSE(core_->drained());
  AckAll();
  EXPECT_TRUE(core_->drained());
}

TEST_F(ExecutorCoreTest, WhatDoesNotEndInTimeIsHandedBack) {
  Welcome();
  Assign({Given(Key("a"))});
  core_->Drain();
  core_->ReleaseAll("the executor stops");
  EXPECT_THAT(core_->Commit().cancel, ElementsAre(Key("a")));
  Finish("a", true);
  EXPECT_THAT(Said(), ElementsAre("accept a", "released a the executor stops"));
}

TEST_F(ExecutorCoreTest, ProbesAreNeitherHeldNorKept) {
  Welcome();
  Assignment probe = Given(Key("probe"));
  probe.probe = true;
  core_->OnAssign({probe});
  EXPECT_THAT(core_->Commit().probe, SizeIs(1));
  EXPECT_THAT(Held(), IsEmpty());
  const std::vector<Report> accepted = core_->TakeReports(10);
  ASSERT_THAT(accepted, SizeIs(1));
  EXPECT_EQ(accepted[0].number, 0);
  core_->OnFinished(Key("probe"), {.kind = ReportKind::kComplete}, false);
  core_->Commit();
  EXPECT_THAT(Said(), ElementsAre("complete probe"));
  EXPECT_FALSE(core_->has_reports());
}

TEST_F(ExecutorCoreTest, PhasesThatNobodyHeardOfAreNotTold) {
  Welcome();
  Assign({Given(Key("a"))});
  Said();
  core_->OnPhase(Key("a"), 1);
  core_->OnPhase(Key("a"), 5);
  core_->Commit();
  const std::vector<Report> reports = core_->TakeReports(10);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].phase, 5);
  core_->OnPhase(Key("a"), 4);
  Finish("a");
  EXPECT_THAT(Said(), ElementsAre("complete a"));
}

TEST_F(ExecutorCoreTest, AnAnswerReachesTheWorkThatAsked) {
  Welcome();
  Assign({Given(Key("a"))});
  core_->OnBlocked(Key("a"), "needs_input", "which one?");
  core_->Commit();
  EXPECT_EQ(core_->Hello().held[0].state, HeldState::kBlocked);
  EXPECT_THAT(Said(), ElementsAre("accept a", "blocked a needs_input"));
  core_->OnAnswer(Key("a"), "the left one");
  const Actions actions = core_->Commit();
  ASSERT_THAT(actions.answers, SizeIs(1));
  EXPECT_EQ(actions.answers[0].text, "the left one");
  core_->OnAnswer(Key("a"), "again");
  EXPECT_THAT(core_->Commit().answers, IsEmpty());
}

// Random walk: whatever happens, an end is delivered exactly once per acknowledged session, nothing runs twice in one
// process, slots hold, and once all calms down nothing is left.
TEST_F(ExecutorCoreTest, WalksAtRandomWithoutLosingAnEnd) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    journal_ = InMemoryJournal();
    Restart();
    std::set<TaskKey> running, ended, delivered;
    std::int64_t made = 0, sent = 0;
    const auto act = [&] {
      for (const Assignment& assignment : core_->Commit().start) {
        ASSERT_TRUE(running.insert(assignment.key).second);
        ASSERT_FALSE(ended.contains(assignment.key));
      }
      ASSERT_LE(running.size(), 2u);
    };
    const auto deliver = [&] {
      for (const Report& report : core_->TakeReports(3)) {
        ASSERT_TRUE(report.number > sent);
        sent = report.number;
        if (report.kind == ReportKind::kComplete) delivered.insert(report.key);
      }
    };
    for (int step = 0; step < 200; ++step) {
      switch (rng->Below(9)) {
        case 0:
          if (core_->connected()) core_->OnStreamEnded();
          break;
        case 1:
          if (!core_->connected()) {
            core_->OnWelcome({.grace = kGrace});
            sent = 0;
          }
          break;
        case 2:
        case 3:
          if (core_->connected()) core_->OnAssign({Given(Key("t" + std::to_string(++made)))});
          break;
        case 4:
          if (!running.empty()) {
            const TaskKey key = *running.begin();
            running.erase(key);
            ended.insert(key);
            core_->OnFinished(key, {.kind = ReportKind::kComplete}, false);
          }
          break;
        case 5:
          deliver();
          break;
        case 6:
          if (core_->connected()) core_->OnAck(sent, {});
          break;
        case 7:
          journal_.FailWith(rng->Below(3) == 0 ? MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full")
                                               : absl::OkStatus());
          clock_.Advance(absl::Seconds(1));
          core_->Tick();
          break;
        case 8:
          if (rng->Below(8) != 0) break;
          // Only while the journal works is an end promised to survive.
          journal_.FailWith(absl::OkStatus());
          clock_.Advance(absl::Seconds(2));
          core_->Commit();
          running.clear();
          Restart();
          sent = 0;
          break;
      }
      act();
    }
    journal_.FailWith(absl::OkStatus());
    clock_.Advance(absl::Seconds(5));
    for (int round = 0; round < 100; ++round) {
      if (!core_->connected()) {
        core_->OnWelcome({.grace = kGrace});
        sent = 0;
      }
      for (const TaskKey& key : std::exchange(running, {})) {
        ended.insert(key);
        core_->OnFinished(key, {.kind = ReportKind::kComplete}, false);
      }
      act();
      deliver();
      core_->OnAck(sent, {});
      act();
    }
    EXPECT_EQ(core_->held(), 0u);
    EXPECT_EQ(core_->unacknowledged(), 0u);
    EXPECT_EQ(delivered, ended);
  }
}

}  // namespace
}  // namespace switchyard::executor

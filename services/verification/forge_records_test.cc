#include "services/verification/forge_records.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "services/verification/fake_queue.h"
#include "services/verification/in_memory_verification_store.h"
#include "services/verification/verification_convert.h"
#include "services/verification/verifier.h"

namespace switchyard::verification {
namespace {

using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace tq = task_queue::v1;

class ForgeRecordsTest : public ::testing::Test {
 protected:
  // Verified work that asks to be merged and brought a pull request.
  WorkKey Verified(const std::function<void(tq::Task&, v1::Change&)>& also = {}) {
    const WorkKey key = queue_.Await("qwen2.5-coder:7b", [&](tq::Task& task) {
      task.mutable_spec()->mutable_context()->set_repository("https://forge.example/a/b");
      task.mutable_spec()->mutable_context()->set_base_branch("main");
      task.mutable_spec()->mutable_delivery()->set_auto_merge(true);
      v1::CheckReport report;
      report.ParseFromString(task.result().checks());
      v1::Change& change = *report.mutable_change();
      change.set_repository("https://forge.example/a/b");
      change.set_base_commit("b");
      change.set_head_commit("h");
      change.set_base_branch("main");
      change.set_pushed(true);
      change.set_files_changed(1);
      change.set_lines_added(3);
      change.add_paths("README.md");
      change.mutable_pull_request()->set_number(7);
      if (also) also(task, change);
      task.mutable_result()->set_checks(report.SerializeAsString());
    });
    verifier_.Hear({&key, 1});
    SY_EXPECT_OK(verifier_.Tick());
    return key;
  }

  void SetMerges(int max_base_behind = 0, bool enabled = true) {
    Policy policy;
    policy.merge.enabled = enabled;
    policy.merge.max_base_behind = max_base_behind;
    v1::Policy body;
    ToProto(policy, body);
    SY_ASSERT_OK(store_.SetPolicy({.body = body.SerializeAsString()}, 10, "test"));
  }
  WatchedPullRequest Only() {
    const absl::StatusOr<std::vector<WatchedPullRequest>> watched = records_.ListWatched("", 10);
    EXPECT_THAT(watched, IsOkAndHolds(SizeIs(1)));
    return watched.ok() && !watched->empty() ? watched->front() : WatchedPullRequest();
  }

  testing::FakeClock clock_;
  telemetry::Metrics metrics_;
  VerificationMeter meter_{metrics_};
  InMemoryVerificationStore store_;
  FakeQueue queue_{clock_};
  Verifier verifier_{{store_, queue_, clock_, meter_, [] {}, [] {}}, {}};
  ForgeRecords records_{store_, clock_};
};

TEST_F(ForgeRecordsTest, ShowsPullRequestsWithWhatTheRulesSay) {
  const WorkKey key = Verified();
  SY_ASSERT_OK_AND_ASSIGN(std::vector<WatchedPullRequest> watched, records_.ListWatched("", 10));
  ASSERT_THAT(watched, SizeIs(1));
  EXPECT_EQ(watched[0].task_id, key.task.ToString());
  EXPECT_EQ(watched[0].repository, "https://forge.example/a/b");
  EXPECT_EQ(watched[0].number, 7);
  EXPECT_EQ(watched[0].head_commit, "h");
  EXPECT_EQ(watched[0].base_branch, "main");
  EXPECT_THAT(watched[0].paths, ElementsAre("README.md"));
  EXPECT_TRUE(watched[0].auto_merge);
  EXPECT_FALSE(watched[0].eligible) << "built in: nothing is";
  EXPECT_THAT(records_.ListWatched(key.task.ToString(), 10), IsOkAndHolds(IsEmpty()));
}

TEST_F(ForgeRecordsTest, IsEligibleByThePolicyThatItWasDecidedBy) {
  SetMerges(2);
  Verified();
  const WatchedPullRequest watched = Only();
  EXPECT_TRUE(watched.eligible);
  EXPECT_EQ(watched.max_base_behind, 2);
  EXPECT_THAT(records_.MayStillMerge(watched), IsOkAndHolds(true));
}

TEST_F(ForgeRecordsTest, IsEligibleOnlyAsLongAsThePolicyOfTodaySaysSoToo) {
  SetMerges(2);
  Verified();
  const WatchedPullRequest before = Only();
  SetMerges(1);
  EXPECT_THAT(records_.MayStillMerge(before), IsOkAndHolds(false)) << "the base may have gone on by two";
  EXPECT_EQ(Only().max_base_behind, 1);
  EXPECT_THAT(records_.MayStillMerge(Only()), IsOkAndHolds(true));
  SetMerges(2, /*enabled=*/false);
  EXPECT_THAT(records_.MayStillMerge(before), IsOkAndHolds(false));
  EXPECT_FALSE(Only().eligible);
}

TEST_F(ForgeRecordsTest, AMarkAgainstTheWorkKeepsItFromBeingMerged) {
  SetMerges();
  const WorkKey key = Verified();
  const WatchedPullRequest watched = Only();
  for (const OutcomeKind kind : {OutcomeKind::kBad, OutcomeKind::kRejected, OutcomeKind::kReverted}) {
    SY_ASSERT_OK(store_.AddMark(key.task, {kind, "ann", "", clock_.Now()}));
    EXPECT_THAT(records_.MayStillMerge(watched), IsOkAndHolds(false));
    clock_.Advance(absl::Seconds(1));
    SY_ASSERT_OK(store_.AddMark(key.task, {OutcomeKind::kGood, "ann", "", clock_.Now()}));
    EXPECT_THAT(records_.MayStillMerge(watched), IsOkAndHolds(true)) << "ann thought better of it";
    clock_.Advance(absl::Seconds(1));
  }
}

TEST_F(ForgeRecordsTest, AsksWhereTheTaskSaidAndMergesNothingThatIsReportedFromElsewhere) {
  SetMerges();
  Verified([](tq::Task&, v1::Change& change) { change.set_repository("https://forge.example/a/other"); });
  EXPECT_EQ(Only().repository, "https://forge.example/a/b");
  EXPECT_FALSE(Only().eligible);
}

TEST_F(ForgeRecordsTest, MergesIntoNoBranchThatTheTaskDoesNotName) {
  SetMerges();
  Verified([](tq::Task& task, v1::Change&) { task.mutable_spec()->mutable_context()->clear_base_branch(); });
  EXPECT_FALSE(Only().eligible);
  EXPECT_EQ(Only().base_branch, "main");
}

TEST_F(ForgeRecordsTest, WatchesWhatOnlyAnExecutorKnowsByNameButMergesItNot) {
  SetMerges();
  Verified([](tq::Task& task, v1::Change&) { task.mutable_spec()->mutable_context()->set_repository("widget"); });
  EXPECT_EQ(Only().repository, "https://forge.example/a/b");
  EXPECT_FALSE(Only().eligible);
}

TEST_F(ForgeRecordsTest, WatchesNoMoreOnceItIsKnownWhatBecameOfIt) {
  const WorkKey key = Verified();
  SY_ASSERT_OK_AND_ASSIGN(std::vector<WatchedPullRequest> watched, records_.ListWatched("", 10));
  SY_ASSERT_OK(records_.RecordOutcome(watched.at(0), PullRequestOutcome::kRejected, "a/b#7"));
  EXPECT_THAT(records_.ListWatched("", 10), IsOkAndHolds(IsEmpty()));
  SY_ASSERT_OK_AND_ASSIGN(const FoundRecord found, store_.Find(key.task, 0));
  ASSERT_THAT(found.marks, SizeIs(1));
  EXPECT_EQ(found.marks[0].kind, OutcomeKind::kRejected);
  EXPECT_EQ(found.marks[0].source, "forge");
}

TEST_F(ForgeRecordsTest, AsksNotForEver) {
  Verified();
  clock_.Advance(ForgeRecords::kWorthAsking + absl::Seconds(1));
  EXPECT_THAT(records_.ListWatched("", 10), IsOkAndHolds(IsEmpty()));
}

}  // namespace
}  // namespace switchyard::verification

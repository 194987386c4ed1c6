#include "services/verification/forge_records.h"

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
  WorkKey Verified() {
    const WorkKey key = queue_.Await("qwen2.5-coder:7b", [](tq::Task& task) {
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
      task.mutable_result()->set_checks(report.SerializeAsString());
    });
    verifier_.Hear({&key, 1});
    SY_EXPECT_OK(verifier_.Tick());
    return key;
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
  Policy policy;
  policy.merge.enabled = true;
  policy.merge.max_base_behind = 2;
  v1::Policy body;
  ToProto(policy, body);
  SY_ASSERT_OK(store_.SetPolicy({.body = body.SerializeAsString()}, 10, "test"));
  Verified();
  SY_ASSERT_OK_AND_ASSIGN(std::vector<WatchedPullRequest> watched, records_.ListWatched("", 10));
  ASSERT_THAT(watched, SizeIs(1));
  EXPECT_TRUE(watched[0].eligible);
  EXPECT_EQ(watched[0].max_base_behind, 2);
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

#include "services/verification/verification_store_contract.h"

#include <thread>

#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::verification {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void PrintTo(const VerificationStoreParam& param, std::ostream* os) { *os << param.name; }

WorkKey VerificationStoreContract::Key(int task, std::int64_t generation) const {
  return {TaskId(FakeUuid(now_, static_cast<std::uint64_t>(task))), generation};
}

Record VerificationStoreContract::Make(int task, std::int64_t generation) const {
  Record record;
  record.key = Key(task, generation);
  record.verdict = Verdict::kSucceeded;
  record.reason = "CHECKS_PASSED";
  // Each a second later than the one before.
  record.create_time = now_ + absl::Seconds(task);
  record.decide_time = record.create_time;
  record.project = "web";
  record.model = "author";
  record.tier = Tier::kSmall;
  record.cost_micros = 5;
  record.body = std::string("body\0\xff", 6);
  record.policy = "policy";
  record.spec = "spec";
  record.report = "report";
  return record;
}

Record VerificationStoreContract::Judging(int task) const {
  Record record = Make(task);
  record.state = RecordState::kJudging;
  record.verdict = Verdict::kNone;
  record.decide_time.reset();
  record.judge_state = JudgeState::kPending;
  record.judge_due = now_ + absl::Minutes(15);
  return record;
}

KeptRecord VerificationStoreContract::Add(const Record& record, int replica) {
  const absl::StatusOr<std::vector<KeptRecord>> kept = store(replica).Add({&record, 1}, now_ + absl::Minutes(1));
  EXPECT_THAT(kept, IsOkAndHolds(SizeIs(1)));
  return kept.ok() && kept->size() == 1 ? kept->front() : KeptRecord();
}

Record VerificationStoreContract::Find(int task, std::int64_t generation) {
  const absl::StatusOr<FoundRecord> found = store().Find(Key(task).task, generation);
  EXPECT_THAT(found, IsOk());
  return found.ok() ? found->record : Record();
}

std::vector<Record> VerificationStoreContract::Claim(absl::Time now, int limit, int replica) {
  const auto claimed = store(replica).Claim(now, absl::Seconds(1), absl::Seconds(10), limit);
  EXPECT_THAT(claimed, IsOk());
  return claimed.ok() ? *claimed : std::vector<Record>();
}

std::vector<int> VerificationStoreContract::List(const RecordQuery& query) {
  const absl::StatusOr<std::vector<FoundRecord>> found = store().List(query);
  EXPECT_THAT(found, IsOk());
  std::vector<int> tasks;
  for (const FoundRecord& one : *found) {
    EXPECT_EQ(one.record.report, "");
    tasks.push_back(static_cast<int>(absl::ToInt64Seconds(one.record.create_time - now_)));
  }
  return tasks;
}

void VerificationStoreContract::Mark(int task, OutcomeKind kind, const std::string& source, absl::Duration after) {
  SY_EXPECT_OK(store().AddMark(Key(task).task, {kind, source, "note", now_ + after}));
}

TEST_P(VerificationStoreContract, KeepsWhatItIsGiven) {
  Record record = Make(1);
  record.permanent = true;
  record.cost_unknown = true;
  record.same_family = true;
  record.judge_state = JudgeState::kUnjudged;
  record.judge_model = "judge";
  record.judge_confidence = 0.5;
  const KeptRecord kept = Add(record);
  EXPECT_TRUE(kept.fresh);
  EXPECT_EQ(Find(1), record);
  EXPECT_EQ(Find(1, 1), record);
  record.report.clear();
  EXPECT_EQ(kept.record, record);
  EXPECT_THAT(store().Find(Key(1).task, 2), IsError("VERIFICATION_NOT_FOUND"));
  EXPECT_THAT(store().Find(Key(2).task, 0), IsError("VERIFICATION_NOT_FOUND"));
}

TEST_P(VerificationStoreContract, AnswersLaterOnesWithTheFirst) {
  Add(Make(1));
  Record other = Make(1);
  other.verdict = Verdict::kFailed;
  other.reason = "CHECK_FAILED";
  const std::vector<Record> both = {Make(2), other};
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<KeptRecord> kept, store(1).Add(both, now_));
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_TRUE(kept[0].fresh);
  EXPECT_EQ(kept[0].record.key, Key(2));
  EXPECT_FALSE(kept[1].fresh);
  EXPECT_EQ(kept[1].record.verdict, Verdict::kSucceeded);
}

TEST_P(VerificationStoreContract, LetsOneOfManyBeTheFirst) {
  std::vector<std::thread> threads;
  std::atomic<int> fresh{0};
  for (int replica = 0; replica < 3; ++replica) {
    threads.emplace_back([this, replica, &fresh] {
      for (int task = 1; task <= 20; ++task) fresh += Add(Make(task), replica).fresh ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fresh, 20);
}

TEST_P(VerificationStoreContract, DecidesWhatAJudgeWasAskedAboutOnce) {
  Add(Judging(1));
  Record decided = Make(1);
  decided.verdict = Verdict::kFailed;
  decided.reason = "JUDGE_REJECTED";
  decided.decide_time = now_ + absl::Minutes(1);
  decided.judge_state = JudgeState::kRejected;
  decided.judge_model = "judge";
  decided.judge_confidence = 0.75;
  decided.body = "judged";
  decided.report = "something else";
  const std::vector<Record> records = {decided, Make(2)};
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<KeptRecord> kept, store().Decide(records, now_));
  ASSERT_THAT(kept, SizeIs(1)) << "the other is not there";
  EXPECT_TRUE(kept[0].fresh);
  EXPECT_EQ(kept[0].record.verdict, Verdict::kFailed);
  EXPECT_EQ(Find(1).report, "report") << "stays as it came";
  EXPECT_EQ(Find(1).body, "judged");
  EXPECT_EQ(Find(1).judge_due, now_ + absl::Minutes(15));
  decided.verdict = Verdict::kSucceeded;
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<KeptRecord> again, store(1).Decide({&decided, 1}, now_));
  EXPECT_FALSE(again[0].fresh);
  EXPECT_EQ(again[0].record.verdict, Verdict::kFailed);
}

TEST_P(VerificationStoreContract, KeepsTheFirstTaskOfAJudge) {
  Add(Judging(1));
  SY_ASSERT_OK(store().SetJudgeTask(Key(1), Key(7).task));
  SY_ASSERT_OK(store().SetJudgeTask(Key(1), Key(8).task));
  EXPECT_EQ(Find(1).judge_task, Key(7).task);
  Add(Make(2));
  SY_ASSERT_OK(store().SetJudgeTask(Key(2), Key(7).task));
  EXPECT_TRUE(Find(2).judge_task.is_nil());
}

TEST_P(VerificationStoreContract, EndsWhatIsUnfinishedOnce) {
  Add(Make(1));
  Add(Judging(2));
  SY_ASSERT_OK(store().End(std::vector<Finish>{{Key(2), RecordState::kSuperseded}, {Key(1), RecordState::kConcluded}}));
  EXPECT_EQ(Find(1).state, RecordState::kConcluded);
  EXPECT_EQ(Find(2).state, RecordState::kSuperseded);
  EXPECT_EQ(Find(2).decide_time, Find(2).create_time);
  SY_ASSERT_OK(store(1).End(std::vector<Finish>{{Key(1), RecordState::kSuperseded}}));
  EXPECT_EQ(Find(1).state, RecordState::kConcluded);
  Record decided = Make(2);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<KeptRecord> kept, store().Decide({&decided, 1}, now_));
  EXPECT_FALSE(kept[0].fresh);
}

TEST_P(VerificationStoreContract, HandsOutWhatIsUnfinishedToOneAtATime) {
  Add(Make(1));
  Add(Judging(2));
  const absl::Time later = now_ + absl::Seconds(2);
  EXPECT_THAT(Claim(now_ + absl::Seconds(1)), IsEmpty());
  std::vector<Record> claimed = Claim(later);
  ASSERT_THAT(claimed, SizeIs(1)) << "a judge is asked at once, a verdict was just told";
  EXPECT_EQ(claimed[0].key, Key(2));
  EXPECT_THAT(Claim(later, 10, 1), IsEmpty());
  EXPECT_THAT(Claim(later + absl::Seconds(1) - absl::Microseconds(1)), IsEmpty());
  EXPECT_THAT(Claim(later + absl::Seconds(1)), SizeIs(1)) << "at least a second";
  EXPECT_THAT(Claim(now_ + absl::Minutes(2), 1), SizeIs(1)) << "as many as were asked for";
  EXPECT_THAT(Claim(now_ + absl::Minutes(2)), SizeIs(1));
  EXPECT_THAT(Claim(now_ + absl::Minutes(2) + absl::Seconds(10) - absl::Microseconds(1)), IsEmpty());
  EXPECT_THAT(Claim(now_ + absl::Minutes(2) + absl::Seconds(10)), SizeIs(2)) << "at most ten seconds";
  EXPECT_THAT(store().CountUnfinished(), IsOkAndHolds(::testing::AllOf(::testing::Field(&Backlog::judging, 1),
                                                                       ::testing::Field(&Backlog::decided, 1))));
  SY_ASSERT_OK(store().End(std::vector<Finish>{{Key(1), RecordState::kConcluded}, {Key(2), RecordState::kSuperseded}}));
  EXPECT_THAT(Claim(now_ + absl::Hours(1)), IsEmpty());
}

TEST_P(VerificationStoreContract, ListsNewestFirstWhatFits) {
  for (int task = 1; task <= 5; ++task) {
    Record record = Make(task);
    if (task % 2 == 0) record.project = "api";
    if (task == 3) record.verdict = Verdict::kFailed;
    if (task == 4) record.model = "other";
    Add(record);
  }
  SY_ASSERT_OK(store().End(std::vector<Finish>{{Key(5), RecordState::kConcluded}}));
  EXPECT_THAT(List({}), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(List({.limit = 2}), ElementsAre(5, 4));
  EXPECT_THAT(List({.before_time = now_ + absl::Seconds(4), .before = Key(4), .limit = 2}), ElementsAre(3, 2));
  EXPECT_THAT(List({.project = "web"}), ElementsAre(5, 3, 1));
  EXPECT_THAT(List({.model = "other"}), ElementsAre(4));
  EXPECT_THAT(List({.state = RecordState::kConcluded}), ElementsAre(5));
  EXPECT_THAT(List({.verdict = Verdict::kFailed}), ElementsAre(3));
  EXPECT_THAT(List({.task = Key(2).task}), ElementsAre(2));
  EXPECT_THAT(List({.task = Key(2).task, .project = "web"}), IsEmpty());
}

TEST_P(VerificationStoreContract, CountsVersionsOfPolicies) {
  SY_ASSERT_OK_AND_ASSIGN(const StoredPolicy first, store().SetPolicy({.update_time = now_, .body = "a"}, 2, "me"));
  SY_ASSERT_OK_AND_ASSIGN(
      const StoredPolicy second,
      store(1).SetPolicy({.project = "web", .tier = Tier::kSmall, .update_time = now_, .body = "b"}, 2, "me"));
  EXPECT_GT(second.version, first.version);
  EXPECT_THAT(store().SetPolicy({.project = "api", .update_time = now_}, 2, "me"), IsError("TOO_MANY_POLICIES"));
  SY_ASSERT_OK_AND_ASSIGN(const StoredPolicy again, store().SetPolicy({.update_time = now_, .body = "c"}, 2, "me"));
  EXPECT_GT(again.version, second.version);
  EXPECT_THAT(store(1).ListPolicies(), IsOkAndHolds(ElementsAre(again, second)));
  SY_EXPECT_OK(store().RemovePolicy("web", Tier::kSmall));
  EXPECT_THAT(store().RemovePolicy("web", Tier::kSmall), IsError("POLICY_NOT_FOUND"));
  EXPECT_THAT(store().ListPolicies(), IsOkAndHolds(ElementsAre(again)));
}

TEST_P(VerificationStoreContract, KeepsOneMarkOfEachKindAndSource) {
  EXPECT_THAT(store().AddMark(Key(1).task, {OutcomeKind::kGood, "ann", "", now_}), IsError("VERIFICATION_NOT_FOUND"));
  Add(Make(1));
  Mark(1, OutcomeKind::kGood, "ann");
  Mark(1, OutcomeKind::kMerged, "forge", absl::Seconds(1));
  Mark(1, OutcomeKind::kGood, "ann", absl::Seconds(2));
  SY_ASSERT_OK_AND_ASSIGN(const FoundRecord found, store(1).Find(Key(1).task, 0));
  EXPECT_THAT(found.marks,
              ElementsAre(verification::Mark{OutcomeKind::kGood, "ann", "note", now_ + absl::Seconds(2)},
                          verification::Mark{OutcomeKind::kMerged, "forge", "note", now_ + absl::Seconds(1)}));
  SY_ASSERT_OK_AND_ASSIGN(const auto listed, store().List({}));
  EXPECT_THAT(listed[0].marks, SizeIs(2));
}

TEST_P(VerificationStoreContract, WatchesUntilTheForgeSaysWhatBecameOfIt) {
  for (int task = 1; task <= 4; ++task) {
    Record record = Make(task);
    record.watched = task != 3;
    Add(record);
  }
  Record newer = Make(2, 2);
  newer.watched = true;
  Add(newer);
  const auto watched = [this](int after, absl::Time since) {
    const auto found = store().ListWatched(after == 0 ? TaskId() : Key(after).task, since, 10);
    EXPECT_THAT(found, IsOk());
    std::vector<WorkKey> keys;
    for (const Record& record : *found) {
      keys.push_back(record.key);
      EXPECT_EQ(record.report, "report");
    }
    return keys;
  };
  EXPECT_THAT(watched(0, now_), IsEmpty()) << "nothing is concluded";
  std::vector<Finish> finishes = {{Key(2, 2), RecordState::kConcluded}};
  for (int task = 1; task <= 4; ++task) finishes.push_back({Key(task), RecordState::kConcluded});
  SY_ASSERT_OK(store().End(finishes));
  EXPECT_THAT(watched(0, now_), ElementsAre(Key(1), Key(2, 2), Key(4)));
  EXPECT_THAT(watched(1, now_), ElementsAre(Key(2, 2), Key(4)));
  EXPECT_THAT(watched(0, now_ + absl::Seconds(3)), ElementsAre(Key(4)));
  EXPECT_THAT(store().ListWatched(TaskId(), now_, 1), IsOkAndHolds(SizeIs(1)));
  Mark(1, OutcomeKind::kGood, "ann");
  Mark(2, OutcomeKind::kMerged, std::string(kForgeSource));
  EXPECT_THAT(watched(0, now_), ElementsAre(Key(1), Key(4)));
  EXPECT_FALSE(Find(2).watched);
}

TEST_P(VerificationStoreContract, AddsUpForCalibration) {
  for (int task = 1; task <= 6; ++task) {
    Record record = Make(task);
    record.judge_state = task == 6 ? JudgeState::kRejected : JudgeState::kPassed;
    record.judge_model = "judge";
    record.judge_confidence = 0.9;
    if (task == 2) record.cost_unknown = true;
    if (task == 6) record.same_family = true;
    Add(record);
  }
  Mark(1, OutcomeKind::kMerged, "forge");
  Mark(2, OutcomeKind::kMerged, "forge");
  Mark(2, OutcomeKind::kReverted, "forge", absl::Hours(1));
  Mark(3, OutcomeKind::kBad, "ann");
  Mark(3, OutcomeKind::kGood, "ann", absl::Hours(1));
  Mark(4, OutcomeKind::kGood, "ann");
  Mark(4, OutcomeKind::kRejected, "forge");
  SY_ASSERT_OK(store().End(std::vector<Finish>{{Key(5), RecordState::kSuperseded}}));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<CalibrationGroup> groups, store().Calibrate("web", now_));
  ASSERT_THAT(groups, SizeIs(3));
  std::map<Quality, CalibrationGroup> by;
  for (const CalibrationGroup& group : groups) by[group.quality] = group;
  EXPECT_EQ(by[Quality::kGood].count, 2) << "1 and 3";
  EXPECT_EQ(by[Quality::kBad].count, 2) << "2 and 4: one bad mark is enough";
  EXPECT_EQ(by[Quality::kBad].cost_micros, 5);
  EXPECT_EQ(by[Quality::kBad].cost_unknown, 1);
  EXPECT_NEAR(by[Quality::kGood].sum_good, 1.8, 1e-9);
  EXPECT_NEAR(by[Quality::kGood].sum_good_squared, 1.62, 1e-9);
  EXPECT_EQ(by[Quality::kUnknown].count, 1);
  EXPECT_EQ(by[Quality::kUnknown].judge_state, JudgeState::kRejected);
  EXPECT_NEAR(by[Quality::kUnknown].sum_good, 0.1, 1e-9);
  EXPECT_EQ(by[Quality::kUnknown].same_family, 1);
  EXPECT_THAT(store().Calibrate("api", now_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().Calibrate("", now_ + absl::Hours(1)), IsOkAndHolds(IsEmpty()));
}

TEST_P(VerificationStoreContract, LooksForWhatToAddUpNoFurtherBackThanADecisionTakes) {
  Add(Judging(1));
  Add(Judging(2));
  Record late = Make(1), soon = Make(2);
  late.decide_time = late.create_time + kLongestDecision + absl::Hours(2);
  soon.decide_time = soon.create_time + kLongestDecision - absl::Hours(2);
  SY_ASSERT_OK(store().Decide({late, soon}, now_).status());
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<CalibrationGroup> groups,
                          store().Calibrate("", now_ + kLongestDecision - absl::Hours(3)));
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].count, 2);
  EXPECT_THAT(store().Calibrate("", now_ + kLongestDecision + absl::Hours(1)), IsOkAndHolds(IsEmpty()));
}

TEST_P(VerificationStoreContract, MarksTheNewestGenerationOnly) {
  Record failed = Make(1, 1);
  failed.verdict = Verdict::kFailed;
  Add(failed);
  Add(Make(1, 2));
  EXPECT_EQ(Find(1).key.generation, 2);
  Mark(1, OutcomeKind::kMerged, "forge");
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<CalibrationGroup> groups, store().Calibrate("", now_));
  ASSERT_THAT(groups, SizeIs(2));
  for (const CalibrationGroup& group : groups) {
    EXPECT_EQ(group.quality, group.verdict == Verdict::kFailed ? Quality::kUnknown : Quality::kGood);
  }
}

TEST_P(VerificationStoreContract, ForgetsWhatIsOldAndFinishedInPieces) {
  for (int task = 1; task <= 4; ++task) Add(Make(task));
  Add(Judging(5));
  Add(Make(1, 2));
  Mark(1, OutcomeKind::kGood, "ann");
  Mark(2, OutcomeKind::kGood, "ann");
  std::vector<Finish> finishes;
  for (int task = 1; task <= 3; ++task) finishes.push_back({Key(task), RecordState::kConcluded});
  SY_ASSERT_OK(store().End(finishes));
  EXPECT_THAT(store().Forget(now_, 10), IsOkAndHolds(0));
  EXPECT_THAT(store().Forget(now_ + absl::Hours(1), 2), IsOkAndHolds(2));
  EXPECT_THAT(store().Forget(now_ + absl::Hours(1), 2), IsOkAndHolds(1));
  EXPECT_THAT(store().Forget(now_ + absl::Hours(1), 2), IsOkAndHolds(0));
  SY_ASSERT_OK_AND_ASSIGN(const FoundRecord left, store().Find(Key(1).task, 0));
  EXPECT_EQ(left.record.key.generation, 2);
  EXPECT_THAT(left.marks, SizeIs(1)) << "something of the task is left";
  Add(Make(2));
  SY_ASSERT_OK_AND_ASSIGN(const FoundRecord anew, store().Find(Key(2).task, 0));
  EXPECT_THAT(anew.marks, IsEmpty());
}

}  // namespace switchyard::verification

#include "services/scheduler/route_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "libs/testing/fake_clock.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

task_queue::v1::ReadyTask Prompt(int number, std::int64_t generation = 0) {
  task_queue::v1::ReadyTask task;
  task.set_task_id(TaskNumber(number).ToString());
  task.set_generation(generation);
  task.set_lane(task_queue::v1::LANE_NORMAL);
  task.set_kind("prompt");
  return task;
}

class RouteDeskTest : public ::testing::Test {
 protected:
  void Put(int number, std::int64_t generation = 0) { desk_.Put(TaskNumber(number), Prompt(number, generation)); }
  std::vector<TaskId> Asked() {
    std::vector<TaskId> tasks;
    for (const RouteQuestion& question : desk_.TakeQuestions()) tasks.push_back(question.task);
    return tasks;
  }
  void Wait(int number, const RouteHold& hold) { desk_.Wait(TaskNumber(number), hold, now_); }
  void Pass(absl::Duration by) {
    now_ += by;
    desk_.Upkeep(now_);
  }

  absl::Time now_ = testing::FakeClock().Now();
  RouteDesk desk_;
};

TEST_F(RouteDeskTest, AsksAboutEachTaskOnceUntilItIsAnswered) {
  Put(1);
  Put(1);
  EXPECT_THAT(Asked(), ElementsAre(TaskNumber(1)));
  Put(1);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_NE(desk_.Routed(TaskNumber(1)), nullptr);
  EXPECT_EQ(desk_.Routed(TaskNumber(1)), nullptr) << "an answer counts once";
  EXPECT_EQ(desk_.WhyNotInLine(TaskNumber(1)), std::nullopt);
}

TEST_F(RouteDeskTest, AsksAnewAboutANewerAssignmentOfATask) {
  Put(1, 0);
  Asked();
  Put(1, 1);
  EXPECT_THAT(Asked(), ElementsAre(TaskNumber(1)));
}

TEST_F(RouteDeskTest, AsksAboutATaskAgainWhenItsShortWaitIsOver) {
  Put(1);
  Asked();
  Wait(1, {.message = "soon", .retry_after = absl::Milliseconds(300)});
  EXPECT_EQ(desk_.WhyNotInLine(TaskNumber(1)), "soon");
  Pass(absl::Milliseconds(299));
  EXPECT_THAT(Asked(), IsEmpty());
  Pass(absl::Milliseconds(1));
  EXPECT_THAT(Asked(), ElementsAre(TaskNumber(1)));
}

TEST_F(RouteDeskTest, HandsALongWaitToTheLedgerAndWaitsLongerEachTime) {
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 8; ++i) {
    Put(1);
    ASSERT_THAT(Asked(), SizeIs(1));
    Wait(1, {.message = "no model", .retry_after = absl::Seconds(5)});
    const std::vector<task_queue::v1::Hold> holds = desk_.TakeHolds(now_);
    ASSERT_THAT(holds, SizeIs(1));
    EXPECT_THAT(desk_.TakeHolds(now_), IsEmpty());
    EXPECT_EQ(holds[0].message(), "no model");
    waits.push_back(absl::FromUnixSeconds(holds[0].until().seconds()) - now_);
    desk_.HoldAnswered(TaskNumber(1), true, now_);
    EXPECT_EQ(desk_.size(), 0u) << "the ledger offers it again";
  }
  EXPECT_GE(waits[1], waits[0]);
  EXPECT_GT(waits[3], waits[0] * 3);
  EXPECT_LE(waits.back(), absl::Minutes(1));
}

TEST_F(RouteDeskTest, KeepsATaskThatTheLedgerCouldNotHold) {
  Put(1);
  Asked();
  Wait(1, {.message = "no model", .retry_after = absl::Seconds(5)});
  ASSERT_THAT(desk_.TakeHolds(now_), SizeIs(1));
  desk_.HoldAnswered(TaskNumber(1), false, now_);
  Pass(absl::Seconds(1));
  EXPECT_THAT(Asked(), ElementsAre(TaskNumber(1)));
}

TEST_F(RouteDeskTest, AsksAboutAFewOfTheCrowdAtATimeAndLeavesNobodyOut) {
  for (int i = 1; i <= 100; ++i) Put(i);
  Asked();
  for (int i = 1; i <= 100; ++i) Wait(i, {.message = "full", .crowded = true});
  std::vector<TaskId> seen;
  for (int turn = 0; turn < 30; ++turn) {
    Pass(absl::Milliseconds(50));
    const std::vector<TaskId> asked = Asked();
    EXPECT_LE(asked.size(), 8u);
    EXPECT_THAT(asked, ::testing::Contains(TaskNumber(1))) << "the first in line is always among them";
    seen.insert(seen.end(), asked.begin(), asked.end());
    for (const TaskId& id : asked) desk_.Wait(id, {.message = "full", .crowded = true}, now_);
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_THAT(seen, SizeIs(100));
}

TEST_F(RouteDeskTest, AsksAboutMoreOfTheCrowdWhileAllFindAPlace) {
  for (int i = 1; i <= 1000; ++i) Put(i);
  while (!Asked().empty()) {
  }
  for (int i = 1; i <= 1000; ++i) Wait(i, {.message = "full", .crowded = true});
  std::size_t most = 0;
  for (int turn = 0; turn < 8; ++turn) {
    Pass(absl::Milliseconds(50));
    const std::vector<TaskId> asked = Asked();
    most = std::max(most, asked.size());
    for (const TaskId& id : asked) {
      ASSERT_NE(desk_.Routed(id), nullptr);
      desk_.Placed(id);
      desk_.Forget(id);
    }
  }
  EXPECT_GT(most, 100u);
  Pass(absl::Milliseconds(50));
  for (const TaskId& id : Asked()) desk_.Wait(id, {.message = "full", .crowded = true}, now_);
  Pass(absl::Milliseconds(50));
  EXPECT_LE(Asked().size(), 8u) << "nobody found one";
}

TEST_F(RouteDeskTest, ForgetsWhatIsGone) {
  Put(1);
  Put(2);
  Asked();
  Wait(1, {.message = "", .gone = true});
  EXPECT_EQ(desk_.size(), 1u);
  ASSERT_NE(desk_.Routed(TaskNumber(2)), nullptr);
  desk_.ForgetUnless([](const TaskId&) { return true; });
  EXPECT_EQ(desk_.size(), 1u);
  desk_.ForgetUnless([](const TaskId&) { return false; });
  EXPECT_EQ(desk_.size(), 0u);
}

TEST_F(RouteDeskTest, IsBounded) {
  for (int i = 1; i <= static_cast<int>(RouteDesk::kMaxTasks) + 10; ++i) Put(i);
  EXPECT_EQ(desk_.size(), RouteDesk::kMaxTasks);
  EXPECT_THAT(Asked(), SizeIs(RouteDesk::kMaxQuestions));
}

}  // namespace
}  // namespace switchyard::scheduler

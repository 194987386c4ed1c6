#include "libs/base/bounded_executor.h"

#include <atomic>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/testing/status_matchers.h"

namespace switchyard {
namespace {

using testing::IsError;
using testing::StatusIs;

// Holds whoever waits until it is opened.
class Gate {
 public:
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(mutex_);
    while (!open_) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

TEST(BoundedExecutorTest, RunsEverythingBeforeStopReturns) {
  std::atomic<int> done = 0;
  BoundedExecutor executor("test", 3, 1000);
  executor.Start();
  for (int i = 0; i < 1000; ++i) {
    // The queue is as long as all of the work, so that none is refused.
    SY_ASSERT_OK(executor.Run([&] { ++done; }));
  }
  executor.Stop();
  EXPECT_EQ(done, 1000);
  EXPECT_EQ(executor.queued(), 0u);
}

TEST(BoundedExecutorTest, RefusesWhatIsBeyondItsBound) {
  Gate started;
  Gate gate;
  std::atomic<int> done = 0;
  BoundedExecutor executor("test", 1, 2);
  executor.Start();
  SY_ASSERT_OK(executor.Run([&] {
    started.Open();
    gate.Wait();
    ++done;
  }));
  started.Wait();
  SY_EXPECT_OK(executor.Run([&] { ++done; }));
  SY_EXPECT_OK(executor.Run([&] { ++done; }));
  EXPECT_EQ(executor.queued(), 2u);
  const absl::Status refused = executor.Run([&] { done += 100; });
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused, IsError("EXECUTOR_FULL"));
  gate.Open();
  executor.Stop();
  EXPECT_EQ(done, 3);
}

TEST(BoundedExecutorTest, RefusesWorkOnceStopped) {
  BoundedExecutor executor("test", 1, 2);
  executor.Start();
  executor.Stop();
  EXPECT_THAT(executor.Run([] {}), StatusIs(absl::StatusCode::kUnavailable));
  executor.Stop();
}

TEST(BoundedExecutorTest, RunsWhatWasQueuedEvenIfItNeverStarted) {
  int done = 0;
  {
    BoundedExecutor executor("test", 2, 2);
    SY_ASSERT_OK(executor.Run([&] { ++done; }));
  }
  EXPECT_EQ(done, 1);
}

TEST(BoundedExecutorTest, RunsWorkThatQueuesWork) {
  Gate inner_ran;
  BoundedExecutor executor("test", 1, 2);
  executor.Start();
  SY_ASSERT_OK(executor.Run([&] { SY_EXPECT_OK(executor.Run([&] { inner_ran.Open(); })); }));
  inner_ran.Wait();
  executor.Stop();
}

TEST(InlineExecutorTest, RunsAtOnce) {
  bool ran = false;
  SY_ASSERT_OK(InlineExecutor().Run([&] { ran = true; }));
  EXPECT_TRUE(ran);
}

TEST(PeriodicTaskTest, RunsItsStepAtOnce) {
  Gate ran;
  PeriodicTask task(
      "test", [&] { ran.Open(); }, [] { return absl::InfiniteDuration(); });
  task.Start();
  ran.Wait();
  task.Stop();
}

TEST(PeriodicTaskTest, RunsAgainAfterThePeriod) {
  Gate ran_thrice;
  int steps = 0;
  PeriodicTask task(
      "test",
      [&] {
        if (++steps == 3) ran_thrice.Open();
      },
      [] { return absl::Milliseconds(1); });
  task.Start();
  ran_thrice.Wait();
  task.Stop();
  EXPECT_GE(steps, 3);
}

TEST(PeriodicTaskTest, WakeEndsTheWait) {
  Gate first;
  Gate second;
  int steps = 0;
  PeriodicTask task(
      "test", [&] { (++steps == 1 ? first : second).Open(); }, [] { return absl::InfiniteDuration(); });
  task.Start();
  first.Wait();
  task.Wake();
  second.Wait();
  task.Stop();
  EXPECT_EQ(steps, 2);
}

TEST(PeriodicTaskTest, StopWaitsForTheStepAndIsFinal) {
  Gate inside;
  std::atomic<bool> finished = false;
  std::atomic<int> steps = 0;
  PeriodicTask task(
      "test",
      [&] {
        ++steps;
        inside.Open();
        for (int i = 0; i < 1000; ++i) finished = false;
        finished = true;
      },
      [] { return absl::InfiniteDuration(); });
  task.Start();
  inside.Wait();
  task.Stop();
  EXPECT_TRUE(finished);
  task.Start();
  task.Wake();
  task.Stop();
  EXPECT_EQ(steps, 1);
}

TEST(PeriodicTaskTest, StopsThoughItNeverStarted) {
  PeriodicTask task(
      "test", [] { FAIL(); }, [] { return absl::ZeroDuration(); });
  task.Stop();
}

}  // namespace
}  // namespace switchyard

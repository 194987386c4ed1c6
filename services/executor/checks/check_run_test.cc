#include "services/executor/checks/check_run.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "libs/base/bounded_executor.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/limits.h"
#include "services/executor/runner.h"

namespace switchyard::executor::checks {
namespace {

using ::testing::ElementsAre;
using testing::FakeHttp;
using ::testing::HasSubstr;
using testing::IsError;

// Runs work when the test says so.
class LateExecutor final : public Executor {
 public:
  absl::Status Run(std::function<void()> work) override {
    if (full) return absl::ResourceExhaustedError("full");
    waiting.push_back(std::move(work));
    return absl::OkStatus();
  }
  bool RunOne() {
    if (waiting.empty()) return false;
    const std::function<void()> work = std::move(waiting.front());
    waiting.erase(waiting.begin());
    work();
    return true;
  }
  void RunAll() {
    while (RunOne()) {
    }
  }

  bool full = false;
  std::vector<std::function<void()>> waiting;
};

// A look at it takes as long as the test says.
class SlowChanges final : public ChangeView {
 public:
  explicit SlowChanges(testing::FakeClock& clock) : clock_(clock) {}
  absl::StatusOr<Changes> Look(absl::Duration time, const std::atomic<bool>&) override {
    clock_.Advance(takes);
    if (takes > time) return absl::DeadlineExceededError("too slow");
    Changes changes;
    changes.paths.push_back({.path = "a"});
    return changes;
  }

  absl::Duration takes;

 private:
  testing::FakeClock& clock_;
};

class Heard final : public CheckObserver {
 public:
  void OnStep(int step, const StepResult&) override {
    EXPECT_EQ(ends, 0);
    steps.push_back(step);
    if (on_step) on_step();
  }
  void OnProgress(std::string message) override {
    EXPECT_EQ(ends, 0);
    progress.push_back(std::move(message));
  }
  void OnEnded(CheckEnd how, std::vector<StepResult> all) override {
    ++ends;
    end = how;
    results = std::move(all);
    run.reset();
  }

  std::vector<StepStatus> statuses() const {
    std::vector<StepStatus> all;
    for (const StepResult& result : results) all.push_back(result.status);
    return all;
  }

  std::vector<int> steps;
  std::vector<std::string> progress;
  int ends = 0;
  CheckEnd end = CheckEnd::kDone;
  std::vector<StepResult> results;
  std::function<void()> on_step;
  // Destroyed by its own end.
  std::unique_ptr<CheckRun> run;
};

// Without programs: those have a test of their own, with real ones.
class CheckRunTest : public ::testing::Test {
 protected:
  CheckRunTest()
      : runner_(clock_, slow_, {}),
        programs_(
            {.host = absl::UnavailableError("no host"), .hidden = {}, .work_folder = "", .limits = DefaultLimits()},
            runner_),
        checker_(programs_, &http_, clock_, slow_, Checker::Limits()) {
    folder_.Write("a", "x");
  }
  ~CheckRunTest() override {
    slow_.RunAll();
    http_.DeliverAll();
  }

  void Start(std::vector<Step> steps, absl::Duration time = absl::ZeroDuration()) {
    CheckRequest request{.task_id = "t",
                         .generation = 1,
                         .place = {.folder = folder_.path(), .changes = &changes_},
                         .steps = std::move(steps),
                         .time = time};
    heard_.run = checker_.Make(std::move(request), heard_);
    heard_.run->Start();
  }

  testing::TempDir folder_;
  testing::FakeClock clock_;
  SlowChanges changes_{clock_};
  LateExecutor slow_;
  FakeHttp http_;
  Runner runner_;
  Programs programs_;
  Checker checker_;
  Heard heard_;
};

Step Of(Check check, absl::Duration timeout = absl::ZeroDuration()) {
  return {.name = "s", .timeout = timeout, .check = std::move(check)};
}

TEST_F(CheckRunTest, AllStepsAreMadeWhatNeedsNoProgramFirst) {
  http_.When("http://here", testing::Answer(200, "hello"));
  Start(
      {Of(CommandSucceeds{{"/bin/true"}}), Of(FileExists{"missing"}), Of(HttpOk{"http://here/"}), Of(FileExists{"a"})});
  while (slow_.RunOne() || http_.DeliverOne()) {
  }
  EXPECT_EQ(heard_.ends, 1);
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
  EXPECT_THAT(heard_.steps, ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(heard_.statuses(),
              ElementsAre(StepStatus::kError, StepStatus::kFailed, StepStatus::kPassed, StepStatus::kPassed));
  EXPECT_THAT(heard_.results[0].evidence, HasSubstr("no rule allows"));
  EXPECT_EQ(heard_.results[0].facts["reason"], "NOT_ALLOWED");
}

TEST_F(CheckRunTest, WithoutStepsItEndsAtOnce) {
  Start({});
  EXPECT_EQ(heard_.ends, 1);
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
}

TEST_F(CheckRunTest, TellsHowLongEachTook) {
  changes_.takes = absl::Seconds(3);
  Start({Of(DiffNotEmpty{})});
  slow_.RunAll();
  EXPECT_EQ(heard_.results[0].duration, absl::Seconds(3));
}

TEST_F(CheckRunTest, AStepsTimeEndsItAndTheNextOnesAreMade) {
  changes_.takes = absl::Seconds(3);
  Start({Of(DiffNotEmpty{}, absl::Seconds(2)), Of(FileExists{"a"})});
  slow_.RunAll();
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kTimedOut, StepStatus::kPassed));
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
}

TEST_F(CheckRunTest, TheTimeOfAllEndsTheRest) {
  changes_.takes = absl::Seconds(11);
  Start({Of(FileExists{"a"}), Of(DiffNotEmpty{}), Of(CommandSucceeds{{"x"}})}, absl::Seconds(10));
  slow_.RunAll();
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed, StepStatus::kTimedOut, StepStatus::kTimedOut));
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
  for (const StepResult& result : heard_.results) EXPECT_FALSE(result.evidence.empty());
}

TEST_F(CheckRunTest, AStepsTimeDoesNotRunWhileItWaitsForItsTurn) {
  Start({Of(FileExists{"a"}, absl::Seconds(2))});
  clock_.Advance(absl::Seconds(3));
  slow_.RunAll();
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed));
  EXPECT_EQ(heard_.results[0].duration, absl::ZeroDuration());
}

TEST_F(CheckRunTest, TimeThatOthersTookIsNoFinding) {
  Start({Of(FileExists{"a"}), Of(FileExists{"a"}), Of(CommandSucceeds{{"x"}})}, absl::Seconds(10));
  slow_.RunOne();
  clock_.Advance(absl::Seconds(11));
  slow_.RunAll();
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed, StepStatus::kError, StepStatus::kError));
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
  EXPECT_THAT(heard_.results[1].evidence, HasSubstr("busy"));
}

TEST_F(CheckRunTest, CancelSkipsTheRest) {
  Start({Of(FileExists{"a"}), Of(FileExists{"a"}), Of(NoSecrets{})});
  slow_.RunOne();
  heard_.run->Cancel();
  heard_.run->Kill();
  EXPECT_EQ(heard_.ends, 0) << "what looks has to come back first";
  slow_.RunAll();
  EXPECT_EQ(heard_.ends, 1);
  EXPECT_EQ(heard_.end, CheckEnd::kCancelled);
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed, StepStatus::kSkipped, StepStatus::kSkipped));
}

TEST_F(CheckRunTest, CancelBeforeTheStartAndWithinAStepAreHeard) {
  heard_.run =
      checker_.Make({.task_id = "t", .place = {.folder = folder_.path()}, .steps = {Of(FileExists{"a"})}}, heard_);
  heard_.run->Cancel();
  heard_.run->Start();
  EXPECT_EQ(heard_.end, CheckEnd::kCancelled);
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kSkipped));
  heard_ = Heard();
  heard_.on_step = [this] { heard_.run->Cancel(); };
  Start({Of(FileExists{"a"}), Of(FileExists{"a"})});
  slow_.RunAll();
  EXPECT_EQ(heard_.end, CheckEnd::kCancelled);
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed, StepStatus::kSkipped));
}

TEST_F(CheckRunTest, CancelAfterTheLastStepChangesNothing) {
  heard_.on_step = [this] { heard_.run->Cancel(); };
  Start({Of(FileExists{"a"})});
  slow_.RunAll();
  EXPECT_EQ(heard_.end, CheckEnd::kDone);
}

TEST_F(CheckRunTest, CancelEndsAQuestionToAServer) {
  Start({Of(HttpOk{"http://here/"}), Of(FileExists{"a"})});
  heard_.run->Cancel();
  EXPECT_EQ(heard_.end, CheckEnd::kCancelled);
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kSkipped, StepStatus::kSkipped));
}

TEST_F(CheckRunTest, StopEndsWhatRunsAndWhatComes) {
  Start({Of(HttpOk{"http://here/"})});
  checker_.Stop();
  EXPECT_EQ(heard_.end, CheckEnd::kStopped);
  heard_ = Heard();
  Start({Of(FileExists{"a"})});
  EXPECT_EQ(heard_.ends, 1);
  EXPECT_EQ(heard_.end, CheckEnd::kStopped);
}

TEST_F(CheckRunTest, ABusyExecutorIsAnError) {
  slow_.full = true;
  Start({Of(FileExists{"a"})});
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kError));
}

TEST_F(CheckRunTest, SignsOfLifeComeWhileAStepIsUnderWay) {
  Start({Of(FileExists{"a"}), Of(NoSecrets{})});
  checker_.Tick();
  EXPECT_EQ(heard_.progress.size(), 0u);
  for (int i = 0; i < 6; ++i) {
    clock_.Advance(absl::Seconds(10));
    checker_.Tick();
  }
  ASSERT_EQ(heard_.progress.size(), 3u);
  EXPECT_EQ(heard_.progress[0], "check 1 of 2, file_exists, for 20s");
  slow_.RunAll();
  clock_.Advance(absl::Hours(1));
  checker_.Tick();
  EXPECT_EQ(heard_.progress.size(), 3u);
}

TEST_F(CheckRunTest, ServersAreAskedByGetAndOnlyForTheirStatus) {
  http_.When("http://good", testing::Answer(204, ""));
  http_.When("http://bad", testing::Answer(500, "a secret of the server"));
  http_.When("http://elsewhere", testing::Answer(302, "", {{"location", "http://169.254.169.254/"}}));
  http_.When("http://refused", testing::Fails(http::HttpFailure::kRefused));
  http_.When("http://late", testing::Fails(http::HttpFailure::kTotalTimeout));
  http_.When("http://broken", testing::Fails(http::HttpFailure::kInternal));
  Start({Of(HttpOk{"http://good/?key=1", 204}, absl::Seconds(7)), Of(HttpOk{"http://bad/"}),
         Of(HttpOk{"http://elsewhere/"}), Of(HttpOk{"http://refused/"}), Of(HttpOk{"http://late/"}),
         Of(HttpOk{"http://broken/"})});
  http_.DeliverAll();
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kPassed, StepStatus::kFailed, StepStatus::kFailed,
                                             StepStatus::kFailed, StepStatus::kTimedOut, StepStatus::kError));
  EXPECT_EQ(heard_.results[0].facts["status"], "204");
  EXPECT_THAT(heard_.results[0].evidence, ::testing::Not(HasSubstr("key=1")));
  EXPECT_EQ(heard_.results[1].facts["status"], "500");
  EXPECT_THAT(heard_.results[1].evidence, ::testing::Not(HasSubstr("secret")));
  EXPECT_EQ(http_.requests().size(), 6u) << "no redirect was followed";
  for (const http::HttpRequest& request : http_.requests()) {
    EXPECT_EQ(request.method, "GET");
    EXPECT_TRUE(request.headers.empty());
  }
  EXPECT_EQ(http_.requests()[0].timeouts.total, absl::Seconds(7));
  EXPECT_EQ(http_.requests()[1].timeouts.total, absl::Seconds(30));
}

TEST_F(CheckRunTest, AUrlThatCannotBeAskedIsAnError) {
  http_.RefuseNext(absl::InvalidArgumentError("not http"));
  Start({Of(HttpOk{"file:///etc/passwd"})});
  EXPECT_THAT(heard_.statuses(), ElementsAre(StepStatus::kError));
}

TEST_F(CheckRunTest, ProgramsThatNoRuleAllowsAreRefusedBeforehandUnlessOptional) {
  CheckRequest request{.task_id = "t", .steps = {Of(FileExists{"a"}), Of(TestPasses{{"/bin/rm"}})}};
  EXPECT_THAT(checker_.Check(request), IsError("NOT_ALLOWED"));
  request.steps[1].optional = true;
  SY_EXPECT_OK(checker_.Check(request));
  EXPECT_FALSE(checker_.ReachesBeyond(request));
}

}  // namespace
}  // namespace switchyard::executor::checks

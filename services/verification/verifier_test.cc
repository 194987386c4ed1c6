#include "services/verification/verifier.h"

#include <algorithm>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "services/verification/fake_queue.h"
#include "services/verification/in_memory_verification_store.h"
#include "services/verification/proto_time.h"
#include "services/verification/verification_records.h"

namespace switchyard::verification {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
namespace tq = task_queue::v1;

constexpr char kPassing[] =
    R"({"passed": true, "issues": [{"severity": "low", "where": "a.cc:1", "description": "sound"}], "confidence": 0.9})";
constexpr char kRejecting[] =
    R"({"passed": false, "issues": [{"severity": "high", "where": "a.cc:9", "description": "test weakened"}],
        "confidence": 0.9})";

class VerifierTest : public ::testing::Test {
 protected:
  VerifierTest() { Restart(); }

  // Another life over the same store: what was in memory is lost.
  void Restart() {
    verifier_ = std::make_unique<Verifier>(
        Verifier::Deps{store_, queue_, clock_, meter_, [] {}, [this] { ++sweeps_wanted_; }}, VerifierOptions());
  }
  void SetJudge(JudgeRule rule, bool required = false) {
    Policy policy;
    policy.judge = rule;
    policy.judge_required = required;
    v1::Policy body;
    ToProto(policy, body);
    SY_ASSERT_OK(store_.SetPolicy({.body = body.SerializeAsString()}, 10, "test"));
  }
  void Decide(const WorkKey& key) {
    verifier_->Hear({&key, 1});
    SY_EXPECT_OK(verifier_->Tick());
  }
  v1::Verification Get(const WorkKey& key) {
    v1::GetVerificationRequest request;
    request.set_task_id(key.task.ToString());
    v1::GetVerificationResponse response;
    SY_EXPECT_OK(records_.Get(request, response));
    return response.verification();
  }
  void Sweep() {
    clock_.Advance(absl::Seconds(6));
    SY_EXPECT_OK(verifier_->Sweep().status());
  }
  tq::TaskState StateOf(const WorkKey& key) { return queue_.task(key.task).state(); }

  testing::FakeClock clock_;
  telemetry::Metrics metrics_;
  VerificationMeter meter_{metrics_};
  InMemoryVerificationStore store_;
  FakeQueue queue_{clock_};
  VerificationRecords records_{store_, clock_};
  std::unique_ptr<Verifier> verifier_;
  int sweeps_wanted_ = 0;
};

TEST_F(VerifierTest, TellsWhatTheChecksSay) {
  const WorkKey good = queue_.Await();
  const WorkKey bad = queue_.Await("qwen2.5-coder:7b", [](tq::Task& task) { task.mutable_result()->clear_checks(); });
  verifier_->Hear({good, bad, good});
  SY_ASSERT_OK(verifier_->Tick());
  EXPECT_EQ(queue_.told(), 1) << "together";
  EXPECT_EQ(StateOf(good), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(StateOf(bad), tq::TASK_STATE_QUEUED);
  EXPECT_EQ(queue_.task(bad.task).failure().reason(), "REPORT_MISSING");
  const v1::Verification kept = Get(good);
  EXPECT_EQ(kept.state(), v1::VERIFICATION_STATE_CONCLUDED);
  EXPECT_EQ(kept.reason(), "CHECKS_PASSED");
  EXPECT_EQ(kept.policy(), "built-in");
  EXPECT_EQ(kept.judgement().state(), v1::JUDGE_STATE_NOT_ASKED);
  EXPECT_EQ(kept.report().steps(0).evidence(), "12 passed");
  EXPECT_EQ(kept.model(), "qwen2.5-coder:7b");
  EXPECT_EQ(kept.cost_micros(), 7);
  EXPECT_EQ(kept.steps_passed(), 1);
  EXPECT_EQ(Get(bad).verdict(), tq::VERDICT_FAILED);
}

TEST_F(VerifierTest, DecidesOnceForAnyNumberOfReplicas) {
  const WorkKey key = queue_.Await();
  Verifier other({store_, queue_, clock_, meter_, [] {}, [] {}}, {});
  other.Hear({&key, 1});
  Decide(key);
  SY_EXPECT_OK(other.Tick());
  EXPECT_EQ(queue_.conclusions(key.task), 1);
}

TEST_F(VerifierTest, LeavesAlonePassedGenerations) {
  const WorkKey key = queue_.Await();
  queue_.task(key.task).set_generation(2);
  Decide(key);
  v1::GetVerificationRequest request;
  request.set_task_id(key.task.ToString());
  v1::GetVerificationResponse response;
  EXPECT_THAT(records_.Get(request, response), IsError("VERIFICATION_NOT_FOUND"));
}

TEST_F(VerifierTest, IsSupersededWhenTheTaskMovedOn) {
  const WorkKey key = queue_.Await();
  queue_.before = [&](std::string_view call) {
    if (call == "Conclude") queue_.task(key.task).set_state(tq::TASK_STATE_CANCELLED);
    return absl::OkStatus();
  };
  Decide(key);
  EXPECT_EQ(Get(key).state(), v1::VERIFICATION_STATE_SUPERSEDED);
  EXPECT_EQ(queue_.conclusions(key.task), 0);
}

TEST_F(VerifierTest, KnowsItsOwnVerdictAfterTheTaskWentOn) {
  const WorkKey key = queue_.Await("qwen2.5-coder:7b", [](tq::Task& task) { task.mutable_result()->clear_checks(); });
  int answers_lost = 0;
  queue_.after = [&](std::string_view call) {
    if (call != "Conclude" || answers_lost++ > 0) return absl::OkStatus();
    return absl::UnavailableError("the answer was lost");
  };
  verifier_->Hear({&key, 1});
  EXPECT_FALSE(verifier_->Tick().ok());
  // Retried, and given to somebody already.
  queue_.task(key.task).set_generation(2);
  Sweep();
  EXPECT_EQ(Get(key).state(), v1::VERIFICATION_STATE_CONCLUDED);
  EXPECT_EQ(queue_.conclusions(key.task), 1);
}

TEST_F(VerifierTest, TriesAgainWhatFoundTheQueueOrTheStoreAway) {
  const WorkKey key = queue_.Await();
  bool away = true;
  queue_.before = [&](std::string_view) { return away ? absl::UnavailableError("away") : absl::OkStatus(); };
  verifier_->Hear({&key, 1});
  EXPECT_FALSE(verifier_->Tick().ok());
  away = false;
  store_.SetAway(true);
  EXPECT_THAT(verifier_->Tick(), IsError("DATABASE_UNAVAILABLE"));
  store_.SetAway(false);
  SY_EXPECT_OK(verifier_->Tick());
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
}

TEST_F(VerifierTest, DecidesTheOthersWhenOneCannotBeRead) {
  Verifier small({store_, queue_, clock_, meter_, [] {}, [] {}}, {.in_flight = 2});
  std::vector<WorkKey> keys;
  for (int i = 0; i < 5; ++i) keys.push_back(queue_.Await());
  for (const absl::Status& failure : {absl::UnavailableError("busy"), absl::InternalError("broken")}) {
    keys.push_back(queue_.Await());
    std::rotate(keys.begin(), keys.end() - 1, keys.end());
    int reads = 0;
    queue_.before = [&](std::string_view call) {
      return call == "ReadVerifying" && ++reads == 1 ? failure : absl::OkStatus();
    };
    small.Hear(keys);
    EXPECT_FALSE(small.Tick().ok());
    EXPECT_EQ(StateOf(keys[0]), tq::TASK_STATE_VERIFYING);
    for (std::size_t i = 1; i < keys.size(); ++i) EXPECT_EQ(StateOf(keys[i]), tq::TASK_STATE_SUCCEEDED) << i;
    if (absl::IsInternal(failure)) small.Hear({&keys[0], 1});
    SY_EXPECT_OK(small.Tick());
    EXPECT_EQ(StateOf(keys[0]), tq::TASK_STATE_SUCCEEDED);
  }
}

TEST_F(VerifierTest, SweepsTheOthersWhenOneCannotBeRead) {
  SetJudge(JudgeRule::kAlways);
  Verifier small({store_, queue_, clock_, meter_, [] {}, [] {}}, {.in_flight = 2});
  std::vector<WorkKey> keys;
  for (int i = 0; i < 5; ++i) keys.push_back(queue_.Await());
  small.Hear(keys);
  SY_ASSERT_OK(small.Tick());
  int reads = 0;
  queue_.before = [&](std::string_view call) {
    return call == "ReadVerifying" && ++reads == 1 ? absl::UnavailableError("busy") : absl::OkStatus();
  };
  EXPECT_FALSE(small.Sweep().ok());
  EXPECT_EQ(queue_.judges(), 4);
}

TEST_F(VerifierTest, TellsAgainWhatATaskQueueOfAnOlderCopyAwaits) {
  const WorkKey key = queue_.Await();
  const tq::Task copy = queue_.task(key.task);
  Decide(key);
  clock_.Advance(absl::Hours(1));
  queue_.task(key.task) = copy;
  Decide(key);
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(key).state(), v1::VERIFICATION_STATE_CONCLUDED);
}

TEST_F(VerifierTest, AsksAJudgeOfAnotherFamilyAndGoesByIt) {
  SetJudge(JudgeRule::kComplex);
  const WorkKey key = queue_.Await();
  Decide(key);
  EXPECT_EQ(sweeps_wanted_, 1) << "at once";
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_VERIFYING);
  EXPECT_THAT(verifier_->Sweep(), IsOkAndHolds(true));
  const tq::TaskSpec& spec = queue_.judge_of(key).spec();
  EXPECT_THAT(spec.excluded_model_families(), ElementsAre("qwen"));
  EXPECT_EQ(spec.role(), "judge");
  EXPECT_EQ(spec.project(), "web");
  EXPECT_EQ(spec.verdict_policy(), tq::VERDICT_POLICY_NONE) << "it never waits for a judge itself";
  EXPECT_EQ(spec.prompt().edit_format(), tq::EDIT_FORMAT_NONE);
  EXPECT_THAT(spec.description(), HasSubstr("Mend the parser.")) << "what others wrote is data";
  EXPECT_THAT(spec.description(), HasSubstr("12 passed"));
  EXPECT_THAT(spec.prompt().instruction(), ::testing::Not(HasSubstr("Mend the parser.")));
  EXPECT_EQ(Get(key).judgement().task_id(), queue_.judge_of(key).id());
  Sweep();
  EXPECT_EQ(queue_.judges(), 1) << "asked once";
  queue_.Answer(key, kRejecting);
  Sweep();
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_QUEUED);
  EXPECT_EQ(queue_.task(key.task).failure().reason(), "JUDGE_REJECTED");
  EXPECT_THAT(queue_.task(key.task).failure().message(), HasSubstr("test weakened"));
  const v1::Verification kept = Get(key);
  EXPECT_EQ(kept.state(), v1::VERIFICATION_STATE_CONCLUDED);
  EXPECT_EQ(kept.judgement().state(), v1::JUDGE_STATE_REJECTED);
  EXPECT_EQ(kept.judgement().family(), "gpt");
  EXPECT_EQ(kept.judgement().author_family(), "qwen");
  EXPECT_EQ(kept.judgement().cost_micros(), 3);
  EXPECT_THAT(kept.judgement().issues(), SizeIs(1));
}

TEST_F(VerifierTest, ConcludesWhatTheJudgePassed) {
  SetJudge(JudgeRule::kAlways, true);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  queue_.Answer(key, kPassing);
  Sweep();
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(key).reason(), "CHECKS_PASSED");
}

TEST_F(VerifierTest, NeverAsksAboutFailedOrTrivialWorkOrWorkWithoutAModel) {
  SetJudge(JudgeRule::kAlways);
  Decide(queue_.Await("qwen2.5-coder:7b", [](tq::Task& task) { task.mutable_result()->clear_checks(); }));
  Decide(queue_.Await("qwen2.5-coder:7b",
                      [](tq::Task& task) { task.mutable_spec()->set_complexity(tq::COMPLEXITY_TRIVIAL); }));
  Decide(queue_.Await("", [](tq::Task& task) { task.mutable_spec()->mutable_command()->add_argv("make"); }));
  Sweep();
  EXPECT_EQ(queue_.judges(), 0);
}

TEST_F(VerifierTest, SaysUnjudgedWhereNoOtherFamilyCanBeShown) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey unknown = queue_.Await("house-model");
  Decide(unknown);
  EXPECT_EQ(StateOf(unknown), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(unknown).reason(), "UNJUDGED");
  EXPECT_EQ(queue_.judges(), 0);
  SetJudge(JudgeRule::kAlways, true);
  const WorkKey required = queue_.Await("house-model");
  Decide(required);
  EXPECT_EQ(StateOf(required), tq::TASK_STATE_QUEUED);
}

TEST_F(VerifierTest, RefusesAJudgeOfTheAuthorsFamilyAndCountsIt) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  queue_.Answer(key, kRejecting, "qwen3:32b");
  Sweep();
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(key).judgement().state(), v1::JUDGE_STATE_UNJUDGED);
  v1::GetCalibrationResponse calibration;
  SY_ASSERT_OK(records_.GetCalibration({}, calibration));
  EXPECT_EQ(calibration.same_family_attempts(), 1);
}

TEST_F(VerifierTest, SaysWhenTheAuthorsAgentRanTheJudge) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await(), other = queue_.Await();
  for (const WorkKey& one : {key, other}) Decide(one);
  Sweep();
  queue_.Answer(key, kPassing);
  queue_.judge_of(key).set_agent_id("agent-1");
  queue_.Answer(other, kPassing);
  queue_.judge_of(other).set_agent_id("agent-2");
  Sweep();
  EXPECT_EQ(Get(key).judgement().state(), v1::JUDGE_STATE_PASSED);
  EXPECT_THAT(Get(key).judgement().message(), HasSubstr("the agent that did the work"));
  EXPECT_EQ(Get(other).judgement().state(), v1::JUDGE_STATE_PASSED);
  EXPECT_EQ(Get(other).judgement().message(), "");
}

TEST_F(VerifierTest, BelievesNoJudgeOfAnotherFamilyThanItWasAssigned) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  queue_.Answer(key, kPassing, "gpt-5");
  queue_.judge_of(key).mutable_result()->mutable_usage()->set_assigned_model("llama-3.3-70b");
  Sweep();
  EXPECT_EQ(Get(key).reason(), "UNJUDGED");
  EXPECT_THAT(Get(key).judgement().message(), HasSubstr("llama"));
}

TEST_F(VerifierTest, AsksAgainInItsOwnWordsWhatAnotherVersionAsked) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  tq::SubmitTaskRequest before;
  before.set_request_id("judge/" + key.task.ToString() + "/1");
  before.mutable_spec()->set_title("in other words");
  SY_ASSERT_OK(queue_.Submit(before).status());
  Decide(key);
  Sweep();
  EXPECT_EQ(Get(key).state(), v1::VERIFICATION_STATE_JUDGING);
  EXPECT_EQ(queue_.judges(), 2);
  EXPECT_NE(Get(key).judgement().task_id(), "");
  EXPECT_NE(Get(key).judgement().task_id(), queue_.judge_of(key).id());
}

TEST_F(VerifierTest, StopsWaitingForAJudge) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  clock_.Advance(kDefaultJudgeTimeout);
  Sweep();
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(key).reason(), "UNJUDGED");
  EXPECT_THAT(Get(key).judgement().message(), HasSubstr("in time"));
  EXPECT_THAT(queue_.cancelled(), SizeIs(1));
}

TEST_F(VerifierTest, StopsWaitingBeforeTheTaskQueueDoes) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Set(clock_.Now() + absl::Seconds(100), queue_.read(key.task).mutable_due());
  Decide(key);
  Sweep();
  EXPECT_EQ(ToTime(queue_.judge_of(key).spec().time_limits().complete_by()),
            clock_.Now() - absl::Seconds(6) + absl::Seconds(80));
  clock_.Advance(absl::Seconds(75));
  Sweep();
  EXPECT_EQ(Get(key).reason(), "UNJUDGED");
}

TEST_F(VerifierTest, GoesOnWithoutAJudgeThatFailedOrCannotBeAsked) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey failed = queue_.Await();
  Decide(failed);
  Sweep();
  queue_.judge_of(failed).set_state(tq::TASK_STATE_DEAD_LETTER);
  queue_.judge_of(failed).mutable_failure()->set_reason("NO_ROUTE");
  Sweep();
  EXPECT_EQ(Get(failed).judgement().state(), v1::JUDGE_STATE_UNJUDGED);
  EXPECT_THAT(Get(failed).judgement().message(), HasSubstr("NO_ROUTE"));
  const WorkKey refused = queue_.Await();
  queue_.before = [](std::string_view call) {
    return call == "Submit" ? MakeError(absl::StatusCode::kPermissionDenied, "SCOPE_MISSING", "no") : absl::OkStatus();
  };
  Decide(refused);
  Sweep();
  EXPECT_EQ(StateOf(refused), tq::TASK_STATE_SUCCEEDED);
  EXPECT_THAT(Get(refused).judgement().message(), HasSubstr("SCOPE_MISSING"));
}

TEST_F(VerifierTest, ForgetsAboutAJudgeWhoseTaskMovedOn) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  queue_.task(key.task).set_state(tq::TASK_STATE_CANCELLED);
  Sweep();
  EXPECT_EQ(Get(key).state(), v1::VERIFICATION_STATE_SUPERSEDED);
  EXPECT_THAT(queue_.cancelled(), SizeIs(1)) << "and the judge is let go";
  queue_.Answer(key, kPassing);
  Sweep();
  EXPECT_EQ(queue_.conclusions(key.task), 0);
}

TEST_F(VerifierTest, KeepsToThePolicyThatJudgingBeganWith) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  SetJudge(JudgeRule::kAlways, true);
  queue_.Answer(key, "no idea");
  Sweep();
  EXPECT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(Get(key).reason(), "JUDGE_INCONCLUSIVE");
  EXPECT_EQ(Get(key).policy_version(), 1);
}

TEST_F(VerifierTest, ReassessesByTheRulesOfTodayAndChangesNothing) {
  const WorkKey key = queue_.Await();
  Decide(key);
  Policy policy;
  policy.project = "web";
  policy.required_checks = {"no_secrets"};
  policy.judge = JudgeRule::kAlways;
  v1::SetPolicyRequest set;
  ToProto(policy, *set.mutable_policy());
  v1::SetPolicyResponse ignored;
  SY_ASSERT_OK(records_.SetPolicy(set, "test", ignored));
  v1::ReassessRequest request;
  request.set_task_id(key.task.ToString());
  v1::ReassessResponse response;
  SY_ASSERT_OK(records_.Reassess(request, response));
  EXPECT_EQ(response.verdict(), tq::VERDICT_FAILED);
  EXPECT_EQ(response.reason(), "REQUIRED_STEP_MISSING");
  EXPECT_EQ(response.policy(), "web/*");
  EXPECT_EQ(response.stored().reason(), "CHECKS_PASSED");
  EXPECT_FALSE(response.judge_needed());
  EXPECT_EQ(Get(key).reason(), "CHECKS_PASSED");
}

TEST_F(VerifierTest, ReassessesWithWhatTheJudgeSaid) {
  SetJudge(JudgeRule::kAlways);
  const WorkKey key = queue_.Await();
  Decide(key);
  Sweep();
  queue_.Answer(key, kRejecting);
  Sweep();
  v1::ReassessRequest request;
  request.set_task_id(key.task.ToString());
  v1::ReassessResponse response;
  SY_ASSERT_OK(records_.Reassess(request, response));
  EXPECT_EQ(response.verdict(), tq::VERDICT_FAILED);
  EXPECT_EQ(response.reason(), "JUDGE_REJECTED");
  EXPECT_TRUE(response.judge_needed());
  SetJudge(JudgeRule::kNever);
  SY_ASSERT_OK(records_.Reassess(request, response));
  EXPECT_EQ(response.reason(), "CHECKS_PASSED") << "of today";
}

TEST_F(VerifierTest, TakesNobodyForTheForge) {
  const WorkKey key = queue_.Await();
  Decide(key);
  v1::RecordOutcomeRequest request;
  request.set_task_id(key.task.ToString());
  request.set_kind(v1::OUTCOME_KIND_MERGED);
  v1::RecordOutcomeResponse response;
  SY_ASSERT_OK(records_.RecordOutcome(request, "forge", response));
  ASSERT_EQ(response.verification().outcomes_size(), 1);
  EXPECT_EQ(response.verification().outcomes(0).source(), "caller/forge");
}

// Every call fails from the n-th on, before its effect or after it; then there is another life. Until a life has no
// n-th.
TEST_F(VerifierTest, CountsAVerdictOnceWhereverItIsKilled) {
  SetJudge(JudgeRule::kAlways);
  for (const bool effect : {false, true}) {
    for (int n = 1;; ++n) {
      const WorkKey plain =
          queue_.Await("", [](tq::Task& task) { task.mutable_spec()->mutable_command()->add_argv("x"); });
      const WorkKey judged = queue_.Await();
      int calls = 0;
      const auto fail = [&](std::string_view) {
        return ++calls >= n ? absl::UnavailableError("killed") : absl::OkStatus();
      };
      const auto pass = [](std::string_view) { return absl::OkStatus(); };
      (effect ? queue_.after : queue_.before) = fail;
      verifier_->Hear({plain, judged});
      bool unharmed = verifier_->Tick().ok();
      clock_.Advance(absl::Seconds(6));
      unharmed = verifier_->Sweep().ok() && unharmed;
      queue_.before = queue_.after = pass;
      Restart();
      // Whatever is still awaited is heard of again.
      for (const WorkKey& key : {plain, judged}) {
        if (StateOf(key) == tq::TASK_STATE_VERIFYING) verifier_->Hear({&key, 1});
      }
      SY_ASSERT_OK(verifier_->Tick());
      Sweep();
      queue_.Answer(judged, kPassing);
      (effect ? queue_.after : queue_.before) = fail;
      calls = 0;
      clock_.Advance(absl::Seconds(6));
      unharmed = verifier_->Sweep().ok() && unharmed;
      queue_.before = queue_.after = pass;
      Restart();
      Sweep();
      for (const WorkKey& key : {plain, judged}) {
        ASSERT_EQ(queue_.conclusions(key.task), 1) << n << " " << effect;
        ASSERT_EQ(StateOf(key), tq::TASK_STATE_SUCCEEDED);
        ASSERT_EQ(Get(key).state(), v1::VERIFICATION_STATE_CONCLUDED);
      }
      ASSERT_EQ(Get(judged).reason(), "CHECKS_PASSED") << "a lost answer costs no judge";
      if (unharmed) {
        EXPECT_GT(n, effect ? 1 : 4) << "or this test says nothing";
        break;
      }
    }
  }
}

TEST_F(VerifierTest, BoundsWhatItRemembers) {
  std::vector<WorkKey> many;
  for (std::uint64_t n = 0; n < Verifier::kMostPending + 5; ++n) {
    many.push_back({TaskId(testing::FakeUuid(clock_.Now(), 1'000'000 + n)), 1});
  }
  verifier_->Hear(many);
  EXPECT_THAT(metrics_.Text(), HasSubstr("switchyard_verification_dropped_total 5"));
  SY_EXPECT_OK(verifier_->Tick());
  EXPECT_THAT(metrics_.Text(), HasSubstr("switchyard_verification_pending 0"));
}

}  // namespace
}  // namespace switchyard::verification

#include "services/router/tiers.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/router/router_fixture.h"

namespace switchyard::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TiersTest : public ::testing::Test {
 protected:
  Tiering Find(const TaskFacts& facts, const Catalogue& catalogue = TestCatalogue(), const RouterRules& rules = {}) {
    snapshot_ = Snapshot::Make(catalogue, rules);
    std::variant<Tiering, Hold> found = FindTier(facts, *snapshot_, kTestNow);
    EXPECT_TRUE(std::holds_alternative<Tiering>(found));
    return std::holds_alternative<Tiering>(found) ? std::get<Tiering>(found) : Tiering();
  }
  Hold HoldOf(const TaskFacts& facts, const Catalogue& catalogue = TestCatalogue(), const RouterRules& rules = {}) {
    snapshot_ = Snapshot::Make(catalogue, rules);
    std::variant<Tiering, Hold> found = FindTier(facts, *snapshot_, kTestNow);
    EXPECT_TRUE(std::holds_alternative<Hold>(found));
    return std::holds_alternative<Hold>(found) ? std::get<Hold>(found) : Hold();
  }
  static std::string Signals(const Tiering& tiering) {
    std::string text;
    for (const Signal& signal : tiering.signals) text += (text.empty() ? "" : " ") + std::string(signal.name);
    return text;
  }

  std::shared_ptr<const Snapshot> snapshot_;
};

TEST_F(TiersTest, CommandsAndActionsNeedNoModel) {
  TaskFacts facts = TestPrompt();
  for (const WorkKind kind : {WorkKind::kCommand, WorkKind::kAction}) {
    facts.kind = kind;
    facts.role = "nobody";
    const Tiering tiering = Find(facts);
    EXPECT_EQ(tiering.strategy, Strategy::kLocalExec);
    EXPECT_EQ(tiering.cause, Cause::kNoModel);
    EXPECT_EQ(tiering.least, ModelTier::kNone);
  }
  facts.kind = WorkKind::kExternal;
  EXPECT_EQ(Find(facts).strategy, Strategy::kExternal);
}

TEST_F(TiersTest, WhatNothingIsKnownOfGetsTheStrongest) {
  const Tiering tiering = Find(TestPrompt());
  EXPECT_EQ(tiering.cause, Cause::kUnknown);
  EXPECT_EQ(tiering.least, ModelTier::kLarge);
  EXPECT_EQ(Signals(tiering), "NOTHING_KNOWN");
}

TEST_F(TiersTest, AGivenComplexityDecides) {
  TaskFacts facts = TestPrompt();
  facts.complexity = Complexity::kTrivial;
  EXPECT_EQ(Find(facts).least, ModelTier::kSmall);
  EXPECT_EQ(Find(facts).order, Order::kSmallest);
  facts.complexity = Complexity::kStandard;
  facts.words = {"security"};
  EXPECT_EQ(Find(facts).least, ModelTier::kMedium);
  EXPECT_EQ(Find(facts).order, Order::kLocalFirst);
  EXPECT_EQ(Find(facts).cause, Cause::kComplexity);
  facts.complexity = Complexity::kComplex;
  facts.task_type = "docs";
  EXPECT_EQ(Find(facts).least, ModelTier::kLarge);
}

TEST_F(TiersTest, ASimpleTaskTypeGetsAMediumModelWhateverItsCase) {
  TaskFacts facts = TestPrompt();
  facts.task_type = "Docs";
  EXPECT_EQ(Find(facts).least, ModelTier::kMedium);
  EXPECT_EQ(Find(facts).cause, Cause::kTaskType);
  facts.task_type = "surgery";
  EXPECT_EQ(Find(facts).cause, Cause::kUnknown);
}

TEST_F(TiersTest, WordsLengthAndEffectsRaiseASimpleTaskType) {
  TaskFacts facts = TestPrompt();
  facts.task_type = "docs";
  facts.words = {"migration"};
  EXPECT_EQ(Find(facts).least, ModelTier::kLarge);
  EXPECT_EQ(Find(facts).cause, Cause::kInferred);
  EXPECT_EQ(Signals(Find(facts)), "TASK_TYPE WORD");
  facts.words.clear();
  facts.prompt = {.expected = 2'001, .upper = 2'500};
  EXPECT_EQ(Signals(Find(facts)), "TASK_TYPE LENGTH");
  facts.prompt = {.expected = 2'000, .upper = 2'500};
  EXPECT_EQ(Find(facts).least, ModelTier::kMedium);
  facts.effects = Effects::kHost;
  EXPECT_EQ(Signals(Find(facts)), "TASK_TYPE EFFECTS");
}

TEST_F(TiersTest, ARoleGivesItsTierAndItsList) {
  TaskFacts facts = TestPrompt();
  facts.role = "Coder";
  facts.words = {"refactor"};
  const Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.cause, Cause::kRole);
  EXPECT_EQ(tiering.least, ModelTier::kMedium);
  EXPECT_TRUE(tiering.role_list);
  EXPECT_EQ(tiering.order, Order::kScore);
}

TEST_F(TiersTest, ARolesTierIsTheLeastWhateverElseIsSaid) {
  TaskFacts facts = TestPrompt();
  facts.role = "planner";
  facts.complexity = Complexity::kStandard;
  EXPECT_EQ(Find(facts).least, ModelTier::kLarge);
  EXPECT_EQ(Find(facts).cause, Cause::kComplexity);
}

TEST_F(TiersTest, AnUnknownRoleHoldsWithASuggestion) {
  TaskFacts facts = TestPrompt();
  facts.role = "codr";
  facts.pin.model = "big";
  const Hold hold = HoldOf(facts);
  EXPECT_EQ(hold.code, HoldCode::kRoleUnknown);
  EXPECT_TRUE(hold.permanent);
  EXPECT_THAT(hold.message, HasSubstr("did you mean \"coder\"?"));
}

TEST_F(TiersTest, ADeprecatedRoleIsUsedAndSaid) {
  Catalogue catalogue = TestCatalogue();
  catalogue.roles[0].deprecated = "developer";
  TaskFacts facts = TestPrompt();
  facts.role = "coder";
  EXPECT_THAT(Signals(Find(facts, catalogue)), HasSubstr("ROLE_DEPRECATED"));
}

TEST_F(TiersTest, AListThatIsTooWeakDoesNotBind) {
  Catalogue catalogue = TestCatalogue();
  catalogue.roles.push_back(TestRole("writer", ModelTier::kSmall, {"tiny", "flash"}));
  TaskFacts facts = TestPrompt();
  facts.role = "writer";
  facts.complexity = Complexity::kComplex;
  const Tiering tiering = Find(facts, catalogue);
  EXPECT_FALSE(tiering.role_list);
  EXPECT_THAT(Signals(tiering), HasSubstr("ROLE_TOO_WEAK"));
}

TEST_F(TiersTest, RoutineWorkStaysLocal) {
  TaskFacts facts = TestPrompt();
  facts.routine = true;
  const Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.cause, Cause::kRoutine);
  EXPECT_TRUE(tiering.local_only);
  EXPECT_EQ(tiering.least, ModelTier::kMedium);
}

TEST_F(TiersTest, RaisedRoutineWorkGetsTheStrongestThatIsLocal) {
  TaskFacts facts = TestPrompt();
  facts.routine = true;
  facts.words = {"production"};
  const Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.least, ModelTier::kMedium);
  EXPECT_TRUE(tiering.local_only);
  EXPECT_THAT(Signals(tiering), HasSubstr("STRONGEST_ALLOWED"));
}

TEST_F(TiersTest, TaskRoleAndConfigurationMayEachKeepItLocal) {
  TaskFacts facts = TestPrompt();
  EXPECT_FALSE(Find(facts).local_only);
  EXPECT_TRUE(Find(facts, TestCatalogue(), {.allow_cloud = false}).local_only);
  facts.role = "operator";
  EXPECT_TRUE(Find(facts).local_only);
  facts.role.clear();
  facts.local_only = true;
  EXPECT_TRUE(Find(facts).local_only);
}

TEST_F(TiersTest, WithoutACloudTheStrongestLocalOneServesAndItIsSaid) {
  Catalogue catalogue = TestCatalogue();
  catalogue.endpoints.resize(1);
  const Tiering tiering = Find(TestPrompt(), catalogue);
  EXPECT_EQ(tiering.least, ModelTier::kMedium);
  EXPECT_EQ(tiering.cause, Cause::kUnknown);
  EXPECT_EQ(Signals(tiering), "NOTHING_KNOWN STRONGEST_ALLOWED");
}

TEST_F(TiersTest, AnEndpointThatIsClosedForNowWeakensNobody) {
  Catalogue catalogue = TestCatalogue();
  for (Endpoint& endpoint : catalogue.endpoints) {
    if (!endpoint.local) endpoint.state = EndpointState::kOpen;
  }
  EXPECT_EQ(Find(TestPrompt(), catalogue).least, ModelTier::kLarge);
}

TaskFacts After(std::initializer_list<std::pair<const char*, AttemptOutcome>> attempts) {
  TaskFacts facts = TestPrompt();
  for (const auto& [model, outcome] : attempts) {
    facts.former.push_back({.model = model, .endpoint = "", .outcome = outcome, .tier = 0});
  }
  return facts;
}

TEST_F(TiersTest, FailedChecksAskForTheNextStrongerTier) {
  TaskFacts facts = After({{"tiny", AttemptOutcome::kVerificationFailed}});
  facts.complexity = Complexity::kTrivial;
  Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.cause, Cause::kEscalated);
  EXPECT_EQ(tiering.least, ModelTier::kMedium);
  facts = After({{"mid", AttemptOutcome::kVerificationFailed}});
  facts.role = "coder";
  tiering = Find(facts);
  EXPECT_EQ(tiering.least, ModelTier::kLarge);
  EXPECT_TRUE(tiering.role_list);
}

TEST_F(TiersTest, AfterTheStrongestOthersComeFirstAndThenItOnceMore) {
  const Tiering once = Find(After({{"big", AttemptOutcome::kVerificationFailed}}));
  EXPECT_EQ(once.least, ModelTier::kLarge);
  EXPECT_THAT(once.last_resort, ElementsAre(snapshot_->FindModel("big")));
  EXPECT_THAT(once.tried_out, IsEmpty());
  EXPECT_THAT(Signals(once), HasSubstr("STRONGEST_TRIED"));
  const Tiering twice = Find(After({{"big", AttemptOutcome::kVerificationFailed}, {"big", AttemptOutcome::kTimedOut}}));
  EXPECT_THAT(twice.tried_out, ElementsAre(snapshot_->FindModel("big")));
}

TEST_F(TiersTest, TwoTriesOfAnyKindEscalate) {
  const Tiering tiering = Find(After({{"mid", AttemptOutcome::kFailed}, {"mid", AttemptOutcome::kTimedOut}}));
  EXPECT_EQ(tiering.cause, Cause::kEscalated);
  EXPECT_EQ(tiering.least, ModelTier::kLarge);
  EXPECT_THAT(Signals(tiering), HasSubstr("TRIED_TWICE"));
}

TEST_F(TiersTest, WhatTheModelDidNotDoIsNoTry) {
  for (const AttemptOutcome outcome :
       {AttemptOutcome::kLost, AttemptOutcome::kReleased, AttemptOutcome::kCancelled, AttemptOutcome::kRejected}) {
    const Tiering tiering = Find(After({{"mid", outcome}, {"mid", outcome}, {"mid", outcome}}));
    EXPECT_THAT(tiering.tried_out, IsEmpty());
    EXPECT_NE(tiering.cause, Cause::kEscalated);
  }
}

TEST_F(TiersTest, TriesAreCountedWhateverTheModelWasCalled) {
  Catalogue catalogue = TestCatalogue();
  catalogue.models[1].aliases = {"middle"};
  const Tiering tiering =
      Find(After({{"Middle", AttemptOutcome::kFailed}, {"mid:latest", AttemptOutcome::kFailed}}), catalogue);
  EXPECT_THAT(tiering.tried_out, ElementsAre(snapshot_->FindModel("mid")));
}

TEST_F(TiersTest, AModelThatIsGoneStillCounts) {
  TaskFacts facts = After({{"gone", AttemptOutcome::kVerificationFailed}});
  facts.former[0].tier = static_cast<int>(ModelTier::kMedium);
  EXPECT_EQ(Find(facts).least, ModelTier::kLarge);
  EXPECT_EQ(Find(facts).cause, Cause::kEscalated);
}

TEST_F(TiersTest, ATaskKeepsTheModelItWasBegunWith) {
  for (const AttemptOutcome outcome : {AttemptOutcome::kLost, AttemptOutcome::kReleased, AttemptOutcome::kFailed}) {
    TaskFacts facts = After({{"mid", outcome}});
    facts.complexity = Complexity::kComplex;
    const Tiering tiering = Find(facts);
    EXPECT_EQ(tiering.cause, Cause::kKept);
    EXPECT_EQ(tiering.only_model, snapshot_->FindModel("mid"));
    EXPECT_FALSE(tiering.may_leave);
  }
}

TEST_F(TiersTest, AnAgentThatRefusedDidNotBegin) {
  EXPECT_EQ(Find(After({{"mid", AttemptOutcome::kRejected}, {"mid", AttemptOutcome::kNotAccepted}})).cause,
            Cause::kUnknown);
}

TEST_F(TiersTest, AReleaseBeforeAnythingWasSentIsNoBeginning) {
  TaskFacts facts = After({{"mid", AttemptOutcome::kReleased}});
  facts.former[0].nothing_sent = true;
  EXPECT_EQ(Find(facts).cause, Cause::kUnknown);
}

TEST_F(TiersTest, AModelThatIsGoneHoldsTheTaskUnlessARulePermitsAnother) {
  TaskFacts facts = After({{"gone", AttemptOutcome::kLost}});
  const Hold hold = HoldOf(facts);
  EXPECT_EQ(hold.code, HoldCode::kNoModel);
  EXPECT_FALSE(hold.permanent);
  EXPECT_THAT(hold.message, HasSubstr("begun with gone"));
  EXPECT_EQ(Find(facts, TestCatalogue(), {.reroute_gone_models = true}).cause, Cause::kUnknown);
  facts.pin.allow_fallback = true;
  EXPECT_THAT(Signals(Find(facts)), HasSubstr("KEPT_MODEL"));
}

TEST_F(TiersTest, ADisabledModelIsGone) {
  Catalogue catalogue = TestCatalogue();
  catalogue.models[1].disabled = true;
  EXPECT_EQ(HoldOf(After({{"mid", AttemptOutcome::kLost}}), catalogue).code, HoldCode::kNoModel);
}

TEST_F(TiersTest, APinStandsBeforeEverythingElse) {
  TaskFacts facts = After({{"mid", AttemptOutcome::kVerificationFailed}});
  facts.complexity = Complexity::kTrivial;
  facts.pin.model = "MID";
  const Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.cause, Cause::kPinned);
  EXPECT_EQ(tiering.only_model, snapshot_->FindModel("mid"));
  EXPECT_FALSE(tiering.may_leave);
}

TEST_F(TiersTest, AnUnknownPinHoldsWithASuggestion) {
  TaskFacts facts = TestPrompt();
  facts.pin.model = "vats";
  EXPECT_THAT(HoldOf(facts).message, HasSubstr("did you mean \"vast\"?"));
  EXPECT_EQ(HoldOf(facts).code, HoldCode::kPinUnavailable);
  facts.pin = {.model = "", .endpoint = "boxx", .allow_fallback = false};
  EXPECT_THAT(HoldOf(facts).message, HasSubstr("did you mean \"box\"?"));
}

TEST_F(TiersTest, AnUnknownPinWithFallbackGoesOnAndSaysSo) {
  TaskFacts facts = TestPrompt();
  facts.pin = {.model = "vats", .endpoint = "", .allow_fallback = true};
  const Tiering tiering = Find(facts);
  EXPECT_EQ(tiering.cause, Cause::kUnknown);
  EXPECT_THAT(Signals(tiering), HasSubstr("MODEL_PIN"));
}

TEST(RaisingWordsTest, AreFoundWhereAWordBeginsWithThem) {
  const TierRules rules;
  const RaisingWords words(rules.raising_words);
  const auto find = [&](std::string_view text) { return words.Find(std::vector<std::string_view>{text}); };
  EXPECT_THAT(find("Refactoring the parser"), ElementsAre("refactor"));
  EXPECT_THAT(find("trace the embrace"), IsEmpty());
  EXPECT_THAT(find("a DATA \n LOSS, a data_race"), ElementsAre("race", "data loss"));
  EXPECT_THAT(find("dataloss"), IsEmpty());
  EXPECT_THAT(find(""), IsEmpty());
  EXPECT_THAT(find("data"), IsEmpty());
  // Part of a word in another script.
  EXPECT_THAT(find("\xc3\xbcrace"), IsEmpty());
}

TEST(RaisingWordsTest, EmptyAndPaddedWordsAreHarmless) {
  const std::vector<std::string> list = {"", "  ", " Unsafe "};
  const RaisingWords words(list);
  EXPECT_THAT(words.Find(std::vector<std::string_view>{"unsafe code"}), ElementsAre("unsafe"));
}

TEST(RaisingWordsTest, TextIsReadWithWhatAChatAddsToIt) {
  const RaisingWords words(TierRules().raising_words);
  TaskFacts facts;
  ReadText(words, std::vector<std::string_view>{"", "Fix the deadlock"}, facts);
  const text::TokenEstimate alone = text::EstimateTokens("Fix the deadlock");
  EXPECT_EQ(facts.prompt.expected, alone.expected + text::kTokensPerMessage + text::kTokensPerChat);
  EXPECT_GE(facts.prompt.upper, facts.prompt.expected);
  EXPECT_THAT(facts.words, ElementsAre("deadlock"));
}

TEST(StrengthScoreTest, IsAboveOneHalfExactlyWhereTheInferenceTakesTheStrongest) {
  const auto snapshot = Snapshot::Make(TestCatalogue(), {});
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    TaskFacts facts = TestPrompt(static_cast<std::int64_t>(rng->Below(4'000)));
    if (rng->Below(2) == 0) facts.task_type = rng->Below(2) == 0 ? "docs" : "other";
    for (std::uint64_t i = rng->Below(6); i > 0; --i) facts.words.push_back("word" + std::to_string(i));
    facts.effects = static_cast<Effects>(1 + rng->Below(3));
    const double score = StrengthScore(facts, snapshot->rules().tiers);
    EXPECT_GE(score, 0);
    EXPECT_LE(score, 1);
    const auto found = FindTier(facts, *snapshot, kTestNow);
    EXPECT_EQ(score >= 0.5, std::get<Tiering>(found).least == ModelTier::kLarge);
  }
}

// Words may raise a tier, never lower one.
TEST(StrengthScoreTest, MoreWordsNeverLowerATier) {
  const auto snapshot = Snapshot::Make(TestCatalogue(), {});
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    TaskFacts facts = TestPrompt(static_cast<std::int64_t>(rng->Below(4'000)));
    facts.complexity = static_cast<Complexity>(rng->Below(4));
    facts.routine = rng->Below(2) == 0;
    if (rng->Below(2) == 0) facts.task_type = "docs";
    if (rng->Below(2) == 0) facts.role = std::vector<std::string>{"coder", "operator", "planner"}[rng->Below(3)];
    const ModelTier before = std::get<Tiering>(FindTier(facts, *snapshot, kTestNow)).least;
    facts.words = {"security"};
    EXPECT_GE(std::get<Tiering>(FindTier(facts, *snapshot, kTestNow)).least, before);
  }
}

}  // namespace
}  // namespace switchyard::router

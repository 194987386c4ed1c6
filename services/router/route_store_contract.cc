#include "services/router/route_store_contract.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::router {

using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = ReserveOutcome::Kind;

void PrintTo(const RouteStoreParam& param, std::ostream* os) { *os << param.name; }

RouteStoreContract::RouteStoreContract() : fixture_(GetParam().make()) {
  SY_EXPECT_OK(store().Maintain(now_, absl::Hours(72), now_ - absl::Hours(24 * 30)));
}

RouteKey RouteStoreContract::Key(int task, std::int64_t generation) const {
  return {TaskId(FakeUuid(now_, static_cast<std::uint64_t>(task))), generation};
}

NewReservation RouteStoreContract::Make(int task, std::int64_t micros, std::int64_t generation) {
  NewReservation made;
  made.reservation = {.key = Key(task, generation),
                      .decision = DecisionId(FakeUuid(now_, 1'000'000 + ++made_)),
                      .decision_time = now_ + absl::Microseconds(made_),
                      .endpoint_id = "e",
                      .model = "big",
                      .micros = micros,
                      .routing = absl::StrCat("routing ", made_),
                      .confirmed = true,
                      .expire_time = now_ + absl::Minutes(1)};
  made.project = "p";
  made.provider = "alpha";
  made.canonical_model = "big";
  made.explanation = "why";
  return made;
}

ReserveOutcome RouteStoreContract::Reserve(const NewReservation& reservation) {
  const absl::StatusOr<ReserveResult> result = store().Reserve({&reservation, 1}, now_);
  EXPECT_THAT(result, testing::IsOk());
  return result.ok() ? result->outcomes.at(0) : ReserveOutcome();
}

void RouteStoreContract::SetBudget(const std::string& name, std::int64_t limit,
                                   const std::function<void(BudgetSpec&)>& change) {
  BudgetSpec spec{.name = name, .limit_micros = limit, .warn_percent = 80};
  if (change) change(spec);
  SY_EXPECT_OK(store().SetBudget(spec, FakeUuid(now_, 2'000'000 + ++made_), 10, "test", now_));
}

BudgetState RouteStoreContract::Budget(const std::string& name, int replica) {
  const absl::StatusOr<std::vector<StoredBudget>> budgets = store(replica).ListBudgets(now_);
  EXPECT_THAT(budgets, testing::IsOk());
  for (const StoredBudget& budget : *budgets) {
    if (budget.state.spec.name == name) return budget.state;
  }
  ADD_FAILURE() << "no budget " << name;
  return {};
}

int RouteStoreContract::End(const RouteKey& key, Ending::Kind kind, std::int64_t micros) {
  const Ending ending{.key = key,
                      .kind = kind,
                      .micros = micros,
                      .outcome = AttemptOutcome::kSucceeded,
                      .usage = "used",
                      .mismatch = false};
  const absl::StatusOr<EndResult> result = store().End({&ending, 1}, now_ + absl::Seconds(1));
  EXPECT_THAT(result, testing::IsOk());
  return result.ok() ? static_cast<int>(result->ended.size()) : -1;
}

TEST_P(RouteStoreContract, BeginsEmpty) {
  EXPECT_THAT(store().ListBudgets(now_), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().ListDecisions({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().CountHeld(), IsOkAndHolds(0));
}

TEST_P(RouteStoreContract, KeepsAReservationAsItWasMade) {
  const NewReservation made = Make(1, 100);
  EXPECT_EQ(Reserve(made).kind, Kind::kReserved);
  const RouteKey key = Key(1);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<FoundReservation> found, store(1).Find({&key, 1}));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].reservation, made.reservation);
  EXPECT_TRUE(found[0].live);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> records, store(2).ListDecisions({}));
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, key);
  EXPECT_EQ(records[0].state, DecisionState::kHeld);
  EXPECT_EQ(records[0].explanation, "why");
  EXPECT_EQ(records[0].reserved_micros, 100);
}

TEST_P(RouteStoreContract, ReservesAnAssignmentOnce) {
  SetBudget("all", 1'000);
  const NewReservation first = Make(1, 100);
  EXPECT_EQ(Reserve(first).kind, Kind::kReserved);
  const ReserveOutcome again = Reserve(Make(1, 300));
  EXPECT_EQ(again.kind, Kind::kHeld);
  EXPECT_EQ(again.held, first.reservation);
  EXPECT_EQ(Budget("all").held_micros, 100);
  EXPECT_EQ(Reserve(Make(1, 300, 2)).kind, Kind::kReserved) << "another generation is another assignment";
}

TEST_P(RouteStoreContract, ReservesInEveryBudgetThatAppliesOrInNone) {
  SetBudget("wide", 1'000);
  SetBudget("narrow", 150, [](BudgetSpec& spec) { spec.provider = "ALPHA"; });
  SetBudget("other", 10, [](BudgetSpec& spec) { spec.project = "q"; });
  EXPECT_EQ(Reserve(Make(1, 100)).kind, Kind::kReserved);
  const ReserveOutcome outcome = Reserve(Make(2, 100));
  EXPECT_EQ(outcome.kind, Kind::kRefused);
  EXPECT_EQ(outcome.refused.budget, "narrow");
  EXPECT_EQ(outcome.refused.period_end, BoundsOf(BudgetPeriod::kDay, now_).end);
  EXPECT_EQ(Budget("wide").held_micros, 100) << "nothing of what was refused is held";
  EXPECT_EQ(Budget("narrow").held_micros, 100);
  EXPECT_EQ(Budget("other").held_micros, 0);
  EXPECT_EQ(Reserve(Make(3, 0)).kind, Kind::kReserved) << "what costs nothing always fits";
}

TEST_P(RouteStoreContract, NamesTheStrictestOfThoseThatRefuse) {
  SetBudget("a", 10, [](BudgetSpec& spec) { spec.policy = BudgetPolicy::kLocalOnly; });
  SetBudget("b", 10, [](BudgetSpec& spec) { spec.policy = BudgetPolicy::kRefuse; });
  SetBudget("c", 10);
  const ReserveOutcome outcome = Reserve(Make(1, 100));
  EXPECT_EQ(outcome.refused.budget, "b");
  EXPECT_EQ(outcome.refused.policy, BudgetPolicy::kRefuse);
}

TEST_P(RouteStoreContract, SettlesOnWhatWasUsedExactlyOnce) {
  SetBudget("all", 1'000);
  Reserve(Make(1, 600));
  EXPECT_EQ(End(Key(1), Ending::Kind::kSettled, 250), 1);
  EXPECT_EQ(Budget("all").spent_micros, 250);
  EXPECT_EQ(Budget("all").held_micros, 0);
  EXPECT_EQ(End(Key(1), Ending::Kind::kSettled, 250), 0);
  EXPECT_EQ(End(Key(1), Ending::Kind::kReleased), 0);
  EXPECT_EQ(Budget("all").spent_micros, 250);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> records, store().ListDecisions({}));
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].state, DecisionState::kSettled);
  EXPECT_EQ(records[0].settled_micros, 250);
  EXPECT_EQ(records[0].usage, "used");
  EXPECT_EQ(records[0].outcome, AttemptOutcome::kSucceeded);
  EXPECT_EQ(records[0].settle_time, now_ + absl::Seconds(1));
}

TEST_P(RouteStoreContract, CountsAnAssignmentOnceThatABatchNamesTwice) {
  SetBudget("all", 1'000);
  Reserve(Make(1, 600));
  const std::vector<Ending> twice(2, Ending{.key = Key(1), .kind = Ending::Kind::kSettled, .micros = 40, .usage = {}});
  SY_ASSERT_OK_AND_ASSIGN(const EndResult result, store().End(twice, now_));
  EXPECT_THAT(result.ended, SizeIs(1));
  EXPECT_EQ(Budget("all").spent_micros, 40);
}

TEST_P(RouteStoreContract, GivesBackWhatIsReleasedAndMayBeReservedAnew) {
  SetBudget("all", 100);
  Reserve(Make(1, 100));
  EXPECT_EQ(Reserve(Make(2, 100)).kind, Kind::kRefused);
  EXPECT_EQ(End(Key(1), Ending::Kind::kReleased), 1);
  EXPECT_EQ(Reserve(Make(1, 100)).kind, Kind::kReserved);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> records, store().ListDecisions({}));
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].state, DecisionState::kHeld);
  EXPECT_EQ(records[1].state, DecisionState::kReleased);
}

TEST_P(RouteStoreContract, ForgetsWhatNeverCameToBe) {
  SetBudget("all", 100);
  Reserve(Make(1, 100));
  EXPECT_EQ(End(Key(1), Ending::Kind::kForgotten), 1);
  EXPECT_THAT(store().ListDecisions({}), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(Budget("all").held_micros, 0);
}

TEST_P(RouteStoreContract, SettlesLateWhatHadExpired) {
  SetBudget("all", 1'000);
  Reserve(Make(1, 600));
  EXPECT_EQ(End(Key(1), Ending::Kind::kExpired), 1);
  EXPECT_EQ(Budget("all").held_micros, 0);
  const RouteKey key = Key(1);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<FoundReservation> found, store().Find({&key, 1}));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_FALSE(found[0].live);
  EXPECT_EQ(found[0].reservation.routing, "routing 2");
  EXPECT_EQ(End(key, Ending::Kind::kSettled, 70), 1);
  EXPECT_EQ(End(key, Ending::Kind::kSettled, 70), 0);
  EXPECT_EQ(Budget("all").spent_micros, 70);
  EXPECT_THAT(store().Find({&key, 1}), IsOkAndHolds(IsEmpty()));
}

TEST_P(RouteStoreContract, MovesAReservationWithItsMoney) {
  SetBudget("alpha", 100, [](BudgetSpec& spec) { spec.provider = "alpha"; });
  SetBudget("beta", 50, [](BudgetSpec& spec) { spec.provider = "beta"; });
  const NewReservation first = Make(1, 100);
  Reserve(first);
  NewReservation moved = Make(1, 60);
  moved.replaces = true;
  moved.provider = "beta";
  moved.reservation.decision = first.reservation.decision;
  moved.reservation.decision_time = first.reservation.decision_time;
  moved.reservation.model = "vast";
  moved.fallback = true;
  EXPECT_EQ(Reserve(moved).kind, Kind::kRefused);
  EXPECT_EQ(Budget("alpha").held_micros, 100) << "it stays where it was";
  moved.reservation.micros = 50;
  EXPECT_EQ(Reserve(moved).kind, Kind::kReserved);
  EXPECT_EQ(Budget("alpha").held_micros, 0);
  EXPECT_EQ(Budget("beta").held_micros, 50);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> records, store().ListDecisions({}));
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].model, "vast");
  EXPECT_TRUE(records[0].fallback);
  EXPECT_EQ(records[0].explanation, "why");
  End(Key(1), Ending::Kind::kReleased);
  EXPECT_EQ(Reserve(moved).kind, Kind::kNotHeld);
}

TEST_P(RouteStoreContract, AnUnconfirmedReservationThatEndedMakesWay) {
  SetBudget("all", 100);
  NewReservation abandoned = Make(1, 100);
  abandoned.reservation.confirmed = false;
  Reserve(abandoned);
  EXPECT_EQ(Reserve(Make(1, 100)).kind, Kind::kHeld) << "not ended yet";
  const NewReservation next = Make(1, 80);
  SY_ASSERT_OK_AND_ASSIGN(const ReserveResult result, store().Reserve({&next, 1}, now_ + absl::Minutes(2)));
  EXPECT_EQ(result.outcomes.at(0).kind, Kind::kReserved);
  EXPECT_EQ(Budget("all").held_micros, 80);
  EXPECT_THAT(store().ListDecisions({}), IsOkAndHolds(SizeIs(1)));
}

TEST_P(RouteStoreContract, ConfirmsWhatIsHeld) {
  NewReservation made = Make(1, 0);
  made.reservation.confirmed = false;
  Reserve(made);
  NewReservation gone = Make(2, 0);
  const std::vector<Reservation> both = {made.reservation, gone.reservation};
  EXPECT_THAT(store().Confirm(both, now_ + absl::Seconds(5)), IsOkAndHolds(ElementsAre(Key(2))));
  const RouteKey key = Key(1);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<FoundReservation> found, store().Find({&key, 1}));
  EXPECT_TRUE(found.at(0).reservation.confirmed);
  EXPECT_EQ(found.at(0).reservation.expire_time, now_ + absl::Seconds(5)) << "sooner than it was to be abandoned";
}

TEST_P(RouteStoreContract, RenewsAndNeverShortens) {
  Reserve(Make(1, 0));
  NewReservation unconfirmed = Make(2, 0);
  unconfirmed.reservation.confirmed = false;
  Reserve(unconfirmed);
  const std::vector<RouteKey> keys = {Key(1), Key(2), Key(3)};
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Reservation> renewed, store().Renew(keys, now_ + absl::Hours(1)));
  ASSERT_THAT(renewed, SizeIs(1));
  EXPECT_EQ(renewed[0].key, Key(1));
  EXPECT_EQ(renewed[0].expire_time, now_ + absl::Hours(1));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Reservation> again, store().Renew(keys, now_ + absl::Minutes(2)));
  EXPECT_EQ(again.at(0).expire_time, now_ + absl::Hours(1));
}

TEST_P(RouteStoreContract, GivesEachEndingReservationToOneCaller) {
  for (int task = 1; task <= 5; ++task) {
    NewReservation made = Make(task, 0);
    made.reservation.expire_time = now_ + absl::Seconds(task);
    Reserve(made);
  }
  const absl::Time before = now_ + absl::Seconds(4);
  const absl::Time until = now_ + absl::Seconds(30);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Reservation> first, store(0).ClaimEnding(before, now_, until, 3));
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<Reservation> second, store(1).ClaimEnding(before, now_, until, 3));
  EXPECT_THAT(first, SizeIs(3));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].key, Key(4));
  EXPECT_EQ(second[0].expire_time, before) << "a claim does not prolong it";
  EXPECT_THAT(store(2).ClaimEnding(until, now_, until, 10), IsOkAndHolds(SizeIs(1))) << "only the fifth";
  EXPECT_THAT(store(2).ClaimEnding(until, until, until + absl::Hours(1), 10), IsOkAndHolds(SizeIs(5)));
}

TEST_P(RouteStoreContract, EndsOnlyWhatIsMeant) {
  SetBudget("all", 1'000);
  NewReservation made = Make(1, 100);
  made.reservation.agent = "somebody";
  Reserve(made);
  const RouteKey key = Key(1);
  const auto end = [&](Ending::Kind kind, const Reservation& seen) {
    const Ending ending{
        .key = key, .kind = kind, .micros = 7, .usage = {}, .decision = seen.decision, .expire_time = seen.expire_time};
    const absl::StatusOr<EndResult> result = store(1).End({&ending, 1}, now_);
    EXPECT_THAT(result, testing::IsOk());
    return result.ok() ? static_cast<int>(result->ended.size()) : -1;
  };
  // Renewed since it was looked at.
  SY_ASSERT_OK(store(2).Renew({&key, 1}, now_ + absl::Hours(1)).status());
  EXPECT_EQ(end(Ending::Kind::kExpired, made.reservation), 0);
  // Made anew since.
  Reservation other = Make(1, 100).reservation;
  other.expire_time = now_ + absl::Hours(1);
  for (const Ending::Kind kind : {Ending::Kind::kForgotten, Ending::Kind::kReleased, Ending::Kind::kSettled}) {
    EXPECT_EQ(end(kind, other), 0);
  }
  EXPECT_EQ(Budget("all").held_micros, 100);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<FoundReservation> found, store().Find({&key, 1}));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].reservation.agent, "somebody");
  EXPECT_EQ(end(Ending::Kind::kExpired, found[0].reservation), 1);
  // Late, it is still told apart.
  EXPECT_EQ(end(Ending::Kind::kSettled, other), 0);
  EXPECT_EQ(end(Ending::Kind::kSettled, made.reservation), 1);
  EXPECT_EQ(Budget("all").spent_micros, 7);
}

TEST_P(RouteStoreContract, WarnsOnceInAPeriod) {
  SetBudget("all", 100);
  const auto warned = [&](int task, std::int64_t micros) {
    const NewReservation made = Make(task, micros);
    const absl::StatusOr<ReserveResult> result = store().Reserve({&made, 1}, now_);
    EXPECT_THAT(result, testing::IsOk());
    return result->change.warned;
  };
  EXPECT_THAT(warned(1, 79), IsEmpty());
  EXPECT_THAT(warned(2, 1), ElementsAre("all"));
  End(Key(1), Ending::Kind::kReleased);
  EXPECT_THAT(warned(3, 85), IsEmpty());
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StoredBudget> budgets, store(1).ListBudgets(now_));
  EXPECT_TRUE(budgets.at(0).warned);
  SetBudget("all", 200);
  EXPECT_FALSE(store().ListBudgets(now_)->at(0).warned) << "set anew, it warns anew";
}

TEST_P(RouteStoreContract, SaysWhenMoreWasSpentThanTheCap) {
  SetBudget("all", 100);
  Reserve(Make(1, 100));
  const Ending ending{.key = Key(1), .kind = Ending::Kind::kSettled, .micros = 130, .usage = {}};
  SY_ASSERT_OK_AND_ASSIGN(const EndResult result, store().End({&ending, 1}, now_));
  EXPECT_THAT(result.change.exceeded, ElementsAre("all"));
  EXPECT_EQ(Reserve(Make(2, 1)).kind, Kind::kRefused);
}

TEST_P(RouteStoreContract, SettlesInThePeriodInWhichItWasReserved) {
  SetBudget("all", 100);
  Reserve(Make(1, 100));
  const absl::Time tomorrow = now_ + absl::Hours(25);
  NewReservation next = Make(2, 90);
  SY_ASSERT_OK_AND_ASSIGN(const ReserveResult result, store().Reserve({&next, 1}, tomorrow));
  EXPECT_EQ(result.outcomes.at(0).kind, Kind::kReserved) << "a new day";
  End(Key(1), Ending::Kind::kSettled, 60);
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<StoredBudget> budgets, store().ListBudgets(tomorrow));
  EXPECT_EQ(budgets.at(0).state.spent_micros, 0);
  EXPECT_EQ(budgets.at(0).state.held_micros, 90);
}

TEST_P(RouteStoreContract, KeepsBudgetsByNameWithinABound) {
  for (int n = 0; n < 10; ++n) SetBudget(absl::StrCat("b", n), n);
  EXPECT_THAT(store().SetBudget({.name = "more"}, FakeUuid(now_, 9), 10, "test", now_), IsError("TOO_MANY_BUDGETS"));
  SetBudget("b3", 333);
  EXPECT_EQ(Budget("b3", 2).spec.limit_micros, 333);
  EXPECT_THAT(store().ListBudgets(now_), IsOkAndHolds(SizeIs(10)));
  SY_EXPECT_OK(store().RemoveBudget("b3"));
  EXPECT_THAT(store().RemoveBudget("b3"), IsError("BUDGET_NOT_FOUND"));
}

TEST_P(RouteStoreContract, ABudgetThatCountsSomethingElseBeginsUnspent) {
  SetBudget("all", 1'000);
  Reserve(Make(1, 100));
  SetBudget("all", 2'000);
  EXPECT_EQ(Budget("all").held_micros, 100) << "another limit is the same budget";
  SetBudget("all", 2'000, [](BudgetSpec& spec) { spec.provider = "alpha"; });
  EXPECT_EQ(Budget("all").held_micros, 0);
  EXPECT_EQ(End(Key(1), Ending::Kind::kSettled, 50), 1);
  EXPECT_EQ(Budget("all").spent_micros, 0) << "what was counted before stays with what it was";
  SY_EXPECT_OK(store().RemoveBudget("all"));
  EXPECT_EQ(Reserve(Make(2, 100)).kind, Kind::kReserved);
  EXPECT_EQ(End(Key(2), Ending::Kind::kSettled, 50), 1);
}

TEST_P(RouteStoreContract, ListsDecisionsNewestFirstInPagesAndByFilter) {
  for (int task = 1; task <= 5; ++task) {
    NewReservation made = Make(task, 0);
    made.project = task % 2 == 0 ? "even" : "odd";
    made.reservation.model = task <= 2 ? "small" : "big";
    made.fallback = task == 4;
    Reserve(made);
  }
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> page, store().ListDecisions({.limit = 2}));
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].key, Key(5));
  SY_ASSERT_OK_AND_ASSIGN(
      const std::vector<DecisionRecord> rest,
      store().ListDecisions({.before_time = page[1].create_time, .before = page[1].decision, .limit = 10}));
  ASSERT_THAT(rest, SizeIs(3));
  EXPECT_EQ(rest[0].key, Key(3));
  EXPECT_THAT(store().ListDecisions({.project = "even"}), IsOkAndHolds(SizeIs(2)));
  EXPECT_THAT(store().ListDecisions({.model = "small"}), IsOkAndHolds(SizeIs(2)));
  EXPECT_THAT(store().ListDecisions({.fallbacks_only = true}), IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(store().ListDecisions({.mismatches_only = true}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store().ListDecisions({.task = Key(3).task}), IsOkAndHolds(SizeIs(1)));
}

TEST_P(RouteStoreContract, DropsDecisionsAfterTheirRetention) {
  Reserve(Make(1, 0));
  End(Key(1), Ending::Kind::kReleased);
  const absl::Time later = now_ + absl::Hours(24 * 10);
  SY_ASSERT_OK(store().Maintain(later, absl::Hours(72), later - absl::Hours(24 * 3)));
  EXPECT_THAT(store().ListDecisions({}), IsOkAndHolds(IsEmpty()));
  SY_ASSERT_OK(store().Maintain(later, absl::Hours(72), later - absl::Hours(24 * 3)));
}

}  // namespace switchyard::router

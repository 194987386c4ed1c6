#include "services/router/budget.h"

#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

absl::Time At(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

PeriodBounds Bounds(const char* start, const char* end) { return {At(start), At(end)}; }

BudgetSpec Daily(std::string name, std::int64_t limit, BudgetPolicy policy = BudgetPolicy::kHold) {
  return {.name = std::move(name), .period = BudgetPeriod::kDay, .limit_micros = limit, .policy = policy};
}

const absl::Time kNoon = At("2026-11-21T12:00:00Z");

TEST(BudgetPeriodTest, PeriodsAreThoseOfUtc) {
  const absl::Time now = At("2026-11-21T20:04:05.5Z");
  EXPECT_EQ(BoundsOf(BudgetPeriod::kHour, now), Bounds("2026-11-21T20:00:00Z", "2026-11-21T21:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kDay, now), Bounds("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kWeek, now), Bounds("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kMonth, now), Bounds("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"));
}

TEST(BudgetPeriodTest, AMomentOnTheBorderBelongsToTheNewPeriod) {
  EXPECT_EQ(BoundsOf(BudgetPeriod::kWeek, At("2026-11-23T00:00:00Z")).start, At("2026-11-23T00:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kWeek, At("2026-11-22T23:59:59.999Z")).start, At("2026-11-16T00:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kMonth, At("2026-12-31T23:59:59Z")),
            Bounds("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"));
  EXPECT_EQ(BoundsOf(BudgetPeriod::kDay, At("2028-02-28T23:00:00Z")).end, At("2028-02-29T00:00:00Z"));
}

TEST(BudgetPeriodTest, AWeekLastsSevenDaysWhateverClocksDo) {
  // Both European changes of the clock.
  for (const char* const time : {"2026-03-29T01:30:00Z", "2026-10-25T01:30:00Z"}) {
    const PeriodBounds bounds = BoundsOf(BudgetPeriod::kWeek, At(time));
    EXPECT_EQ(bounds.end - bounds.start, absl::Hours(7 * 24));
  }
}

TEST(BudgetPeriodTest, EveryMomentLiesInItsPeriodAndPeriodsAdjoin) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    const absl::Time now = absl::FromUnixSeconds(static_cast<std::int64_t>(rng->Below(4'000'000'000)));
    for (const BudgetPeriod period :
         {BudgetPeriod::kHour, BudgetPeriod::kDay, BudgetPeriod::kWeek, BudgetPeriod::kMonth}) {
      const PeriodBounds bounds = BoundsOf(period, now);
      EXPECT_LE(bounds.start, now);
      EXPECT_GT(bounds.end, now);
      EXPECT_EQ(BoundsOf(period, bounds.start), bounds);
      EXPECT_EQ(BoundsOf(period, bounds.end).start, bounds.end);
      EXPECT_EQ(BoundsOf(period, bounds.end - absl::Nanoseconds(1)), bounds);
    }
  }
}

TEST(BudgetTest, AppliesWhereAllThatItNamesFits) {
  const Spender spender{.project = "web", .provider = "alpha", .model = "big"};
  EXPECT_TRUE(Applies({}, spender));
  EXPECT_TRUE(Applies({.project = "web"}, spender));
  EXPECT_FALSE(Applies({.project = "Web"}, spender));
  EXPECT_TRUE(Applies({.provider = "Alpha", .model = "BIG"}, spender));
  EXPECT_FALSE(Applies({.project = "web", .provider = "beta"}, spender));
  EXPECT_FALSE(Applies({.model = "vast"}, spender));
}

TEST(BudgetTest, SaysEveryFaultAtOnce) {
  EXPECT_THAT(FaultsOf(Daily("team-a", 5), ""), IsEmpty());
  BudgetSpec bad = Daily("-a", -1, static_cast<BudgetPolicy>(0));
  bad.period = static_cast<BudgetPeriod>(0);
  bad.warn_percent = 101;
  bad.project = "two\nlines";
  const std::vector<FieldViolation> faults = FaultsOf(bad, "budget");
  ASSERT_THAT(faults, SizeIs(6));
  EXPECT_EQ(faults[0].field, "budget.name");
  EXPECT_THAT(FaultsOf(Daily(std::string(65, 'a'), 5), ""), SizeIs(1));
}

TEST(BudgetTest, AmountsStayAtTheHighestNumberInsteadOfGoingRound) {
  EXPECT_EQ(AddMicros(kMost, 1), kMost);
  EXPECT_EQ(AddMicros(2, 3), 5);
  BudgetState state{.spec = Daily("a", kMost), .spent_micros = kMost - 1, .held_micros = kMost};
  EXPECT_TRUE(state.Fits(0));
  EXPECT_TRUE(state.warned());
  state.spec.limit_micros = 10;
  EXPECT_FALSE(state.Fits(1));
}

TEST(BudgetTest, WarnsAtItsShare) {
  BudgetState state{.spec = Daily("a", 1'000)};
  state.spent_micros = 500;
  state.held_micros = 299;
  EXPECT_FALSE(state.warned());
  state.held_micros = 300;
  EXPECT_TRUE(state.warned());
  state.spec.warn_percent = 100;
  EXPECT_FALSE(state.warned());
  state.spec.limit_micros = 0;
  state.spent_micros = state.held_micros = 0;
  EXPECT_FALSE(state.warned());
}

TEST(BudgetBookTest, LetsPassWhatCostsNothingAndStopsWhatIsUnknown) {
  BudgetState spent{.spec = Daily("a", 0), .bounds = BoundsOf(BudgetPeriod::kDay, kNoon)};
  const BudgetBook book({spent});
  EXPECT_EQ(book.Check({}, 0, kNoon).kind, BudgetVerdict::Kind::kFits);
  EXPECT_EQ(book.Check({}, 1, kNoon).kind, BudgetVerdict::Kind::kSpent);
  EXPECT_EQ(book.Check({}, std::nullopt, kNoon).kind, BudgetVerdict::Kind::kPriceUnknown);
  EXPECT_EQ(BudgetBook().Check({}, std::nullopt, kNoon).kind, BudgetVerdict::Kind::kFits);
}

TEST(BudgetBookTest, NamesTheStrictestThatStandsAgainstIt) {
  std::vector<BudgetState> states;
  for (const auto& [name, policy, project] :
       {std::tuple("local", BudgetPolicy::kLocalOnly, ""), std::tuple("refuse", BudgetPolicy::kRefuse, "web"),
        std::tuple("hold", BudgetPolicy::kHold, "")}) {
    BudgetState state{.spec = Daily(name, 10, policy), .bounds = BoundsOf(BudgetPeriod::kDay, kNoon)};
    state.spec.project = project;
    states.push_back(state);
  }
  const BudgetBook book(states);
  EXPECT_EQ(book.Check({.project = "web"}, 11, kNoon).budget->spec.name, "refuse");
  EXPECT_EQ(book.Check({.project = "ops"}, 11, kNoon).budget->spec.name, "hold");
  EXPECT_EQ(book.Check({.project = "web"}, 10, kNoon).budget, nullptr);
  EXPECT_THAT(book.ApplyingTo({.project = "ops"}), SizeIs(2));
}

TEST(BudgetBookTest, APeriodThatIsOverCountsAsUnspent) {
  BudgetState spent{.spec = Daily("a", 10), .bounds = BoundsOf(BudgetPeriod::kDay, kNoon), .spent_micros = 10};
  const BudgetBook book({spent});
  EXPECT_EQ(book.Check({}, 5, kNoon).kind, BudgetVerdict::Kind::kSpent);
  EXPECT_EQ(book.Check({}, 5, kNoon + absl::Hours(12)).kind, BudgetVerdict::Kind::kFits);
  EXPECT_EQ(book.Check({}, 11, kNoon + absl::Hours(12)).kind, BudgetVerdict::Kind::kSpent);
}

TEST(BudgetLedgerTest, HoldsInEveryBudgetThatAppliesOrInNone) {
  BudgetLedger ledger;
  ledger.Set(Daily("all", 100));
  BudgetSpec small = Daily("web", 10, BudgetPolicy::kRefuse);
  small.project = "web";
  ledger.Set(small);
  EXPECT_FALSE(ledger.Reserve("1", {.project = "web"}, 10, kNoon));
  const auto refused = ledger.Reserve("2", {.project = "web"}, 1, kNoon);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->budget, "web");
  EXPECT_EQ(refused->policy, BudgetPolicy::kRefuse);
  EXPECT_EQ(refused->period_end, At("2026-11-22T00:00:00Z"));
  EXPECT_EQ(ledger.States(kNoon)[0].held_micros, 10);
  EXPECT_FALSE(ledger.Reserve("2", {.project = "ops"}, 90, kNoon));
  EXPECT_EQ(ledger.Reserve("3", {.project = "ops"}, 1, kNoon)->budget, "all");
}

TEST(BudgetLedgerTest, TheSameKeyIsHeldOnceAndSettledOnce) {
  BudgetLedger ledger;
  ledger.Set(Daily("a", 100));
  EXPECT_FALSE(ledger.Reserve("k", {}, 60, kNoon));
  EXPECT_FALSE(ledger.Reserve("k", {}, 60, kNoon));
  EXPECT_EQ(ledger.States(kNoon)[0].held_micros, 60);
  EXPECT_TRUE(ledger.Settle("k", 50));
  EXPECT_FALSE(ledger.Settle("k", 50));
  EXPECT_FALSE(ledger.Release("k"));
  EXPECT_EQ(ledger.States(kNoon)[0].spent_micros, 50);
  EXPECT_EQ(ledger.States(kNoon)[0].held_micros, 0);
}

TEST(BudgetLedgerTest, ItIsSettledInThePeriodInWhichItWasReserved) {
  BudgetLedger ledger;
  ledger.Set(Daily("a", 100));
  EXPECT_FALSE(ledger.Reserve("old", {}, 60, kNoon));
  const absl::Time tomorrow = kNoon + absl::Hours(24);
  EXPECT_FALSE(ledger.Reserve("new", {}, 100, tomorrow));
  EXPECT_TRUE(ledger.Settle("old", 60));
  EXPECT_EQ(ledger.States(tomorrow)[0].spent_micros, 0);
  EXPECT_EQ(ledger.States(tomorrow)[0].held_micros, 100);
}

TEST(BudgetLedgerTest, SaysWhenMoreWasUsedThanTheCap) {
  BudgetLedger ledger;
  ledger.Set(Daily("a", 100));
  BudgetChange change;
  EXPECT_FALSE(ledger.Reserve("k", {}, 79, kNoon, &change));
  EXPECT_THAT(change.warned, IsEmpty());
  EXPECT_TRUE(ledger.Settle("k", 120, &change));
  EXPECT_THAT(change.warned, ElementsAre("a"));
  EXPECT_THAT(change.exceeded, ElementsAre("a"));
  EXPECT_TRUE(ledger.Reserve("l", {}, 1, kNoon).has_value());
  EXPECT_FALSE(ledger.Reserve("free", {}, 0, kNoon).has_value());
}

TEST(BudgetLedgerTest, ALowerCapStopsWhatComesAndKeepsWhatRuns) {
  BudgetLedger ledger;
  ledger.Set(Daily("a", 100));
  EXPECT_FALSE(ledger.Reserve("k", {}, 60, kNoon));
  ledger.Set(Daily("a", 50));
  EXPECT_TRUE(ledger.Reserve("l", {}, 1, kNoon).has_value());
  EXPECT_TRUE(ledger.Settle("k", 20));
  EXPECT_FALSE(ledger.Reserve("l", {}, 30, kNoon).has_value());
  EXPECT_TRUE(ledger.Remove("a"));
  EXPECT_FALSE(ledger.Remove("a"));
  EXPECT_TRUE(ledger.Settle("l", 30));
}

// Random lives against plain sums: never beyond a cap by reservations alone, nothing lost, nothing counted twice.
TEST(BudgetLedgerTest, RandomLivesNeverReserveBeyondACap) {
  const std::vector<std::string> projects = {"web", "ops"};
  const std::vector<std::string> providers = {"alpha", "beta"};
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    BudgetLedger ledger;
    std::map<std::string, BudgetSpec> specs;
    for (int i = 0; i < 4; ++i) {
      BudgetSpec spec = Daily("b" + std::to_string(i), static_cast<std::int64_t>(rng->Below(2'000)));
      if (rng->Below(2) == 0) spec.project = projects[rng->Below(2)];
      if (rng->Below(2) == 0) spec.provider = providers[rng->Below(2)];
      spec.period = static_cast<BudgetPeriod>(1 + rng->Below(4));
      ledger.Set(spec);
      specs[spec.name] = spec;
    }
    struct Held {
      std::int64_t amount;
      std::set<std::pair<std::string, absl::Time>> at;
    };
    std::map<std::string, Held> held;
    std::map<std::pair<std::string, absl::Time>, std::int64_t> spent, over;
    absl::Time now = kNoon;
    int number = 0;
    for (int step = 0; step < 300; ++step) {
      now += absl::Minutes(static_cast<std::int64_t>(rng->Below(40)));
      const auto pick = [&] { return std::next(held.begin(), static_cast<std::ptrdiff_t>(rng->Below(held.size()))); };
      const std::uint64_t what = rng->Below(10);
      if (what < 5 || held.empty()) {
        const Spender spender{.project = projects[rng->Below(2)], .provider = providers[rng->Below(2)], .model = "m"};
        const auto amount = static_cast<std::int64_t>(rng->Below(400));
        const std::string key = "k" + std::to_string(++number);
        if (ledger.Reserve(key, spender, amount, now).has_value()) continue;
        Held one{.amount = amount, .at = {}};
        for (const auto& [name, spec] : specs) {
          if (Applies(spec, spender)) one.at.emplace(name, BoundsOf(spec.period, now).start);
        }
        held[key] = one;
      } else if (what < 8) {
        const auto it = pick();
        // Sometimes more than was estimated.
        const auto used = static_cast<std::int64_t>(rng->Below(static_cast<std::uint64_t>(it->second.amount) + 20));
        ASSERT_TRUE(ledger.Settle(it->first, used));
        ASSERT_FALSE(ledger.Settle(it->first, used));
        for (const auto& at : it->second.at) {
          spent[at] += used;
          over[at] += std::max<std::int64_t>(used - it->second.amount, 0);
        }
        held.erase(it);
      } else {
        const auto it = pick();
        ASSERT_TRUE(ledger.Release(it->first));
        ASSERT_FALSE(ledger.Release(it->first));
        held.erase(it);
      }
      ASSERT_EQ(ledger.held(), held.size());
      for (const BudgetState& state : ledger.States(now)) {
        const std::pair at(state.spec.name, state.bounds.start);
        std::int64_t now_held = 0;
        for (const auto& [key, one] : held) now_held += one.at.count(at) > 0 ? one.amount : 0;
        ASSERT_EQ(state.held_micros, now_held) << state.spec.name;
        ASSERT_EQ(state.spent_micros, spent[at]) << state.spec.name;
        ASSERT_LE(state.held_micros + state.spent_micros, state.spec.limit_micros + over[at]) << state.spec.name;
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::router

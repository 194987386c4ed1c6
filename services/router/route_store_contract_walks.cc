// The money of every RouteStore under many hands, and against the reference.
#include <atomic>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/router/route_store_contract.h"

namespace switchyard::router {

using ::switchyard::testing::FakeUuid;
using Kind = ReserveOutcome::Kind;

// Whatever is reserved, settled, released and moved at the same time by three processes: no cap is ever exceeded by
// what is held, and in the end the books say what was used.
TEST_P(RouteStoreContract, ConcurrentReservationsNeverOverspend) {
  constexpr std::int64_t kLimits[] = {2'000, 900, 500};
  SetBudget("wide", kLimits[0]);
  SetBudget("alpha", kLimits[1], [](BudgetSpec& spec) { spec.provider = "alpha"; });
  SetBudget("hourly", kLimits[2], [](BudgetSpec& spec) { spec.period = BudgetPeriod::kHour; });
  std::atomic<std::int64_t> settled{0};
  std::atomic<int> refused{0}, reserved{0};
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    while (!done) {
      const absl::StatusOr<std::vector<StoredBudget>> budgets = store(0).ListBudgets(now_);
      SY_EXPECT_OK(budgets.status());
      for (const StoredBudget& budget : *budgets) {
        EXPECT_LE(budget.state.spent_micros + budget.state.held_micros, budget.state.spec.limit_micros)
            << budget.state.spec.name;
      }
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    // Made here: Make counts.
    std::vector<NewReservation> mine;
    for (int i = 0; i < 12; ++i) {
      mine.push_back(Make(100 + t * 12 + i, 10 + (t * 7 + i * 13) % 60));
      if (i % 3 == 0) mine.back().provider = "beta";
    }
    threads.emplace_back([&, t, mine = std::move(mine)] {
      std::mt19937 random(static_cast<unsigned>(t));
      RouteStore& store = this->store(t % 3);
      for (std::size_t i = 0; i < mine.size(); i += 3) {
        const absl::StatusOr<ReserveResult> result = store.Reserve({&mine[i], 3}, now_);
        SY_EXPECT_OK(result.status());
        if (!result.ok()) continue;
        for (std::size_t k = 0; k < 3; ++k) {
          if (result->outcomes[k].kind == Kind::kRefused) {
            ++refused;
            continue;
          }
          ++reserved;
          const std::int64_t micros = mine[i + k].reservation.micros;
          const bool use = random() % 2 == 0;
          const std::int64_t used = use ? static_cast<std::int64_t>(random() % static_cast<unsigned>(micros + 1)) : 0;
          const Ending ending{.key = mine[i + k].reservation.key,
                              .kind = use ? Ending::Kind::kSettled : Ending::Kind::kReleased,
                              .micros = used,
                              .usage = {}};
          if (random() % 3 == 0) continue;
          SY_EXPECT_OK(store.End({&ending, 1}, now_).status());
          SY_EXPECT_OK(store.End({&ending, 1}, now_).status());
          settled += used;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  EXPECT_GT(refused, 0);
  EXPECT_GT(reserved, 0);
  // What is left is given back.
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<DecisionRecord> records, store().ListDecisions({.limit = 1'000}));
  for (const DecisionRecord& record : records) {
    if (record.state == DecisionState::kHeld) End(record.key, Ending::Kind::kReleased);
  }
  EXPECT_EQ(Budget("wide").held_micros, 0);
  EXPECT_EQ(Budget("alpha").held_micros, 0);
  EXPECT_EQ(Budget("wide").spent_micros, settled);
  EXPECT_EQ(Budget("hourly").spent_micros, settled);
}

// The same walk at random through the store and through the reference.
TEST_P(RouteStoreContract, AgreesWithTheReferenceOnARandomWalk) {
  std::mt19937 random(20260711);
  BudgetLedger reference;
  const std::vector<BudgetSpec> specs = {
      {.name = "all", .limit_micros = 900},
      {.name = "alpha", .provider = "alpha", .period = BudgetPeriod::kHour, .limit_micros = 300},
      {.name = "p", .project = "p", .period = BudgetPeriod::kMonth, .limit_micros = 500},
      {.name = "big", .model = "big", .period = BudgetPeriod::kWeek, .limit_micros = 400}};
  for (const BudgetSpec& spec : specs) {
    reference.Set(spec);
    SY_ASSERT_OK(store().SetBudget(spec, FakeUuid(now_, 3'000'000 + ++made_), 10, "test", now_));
  }
  for (int step = 0; step < 150; ++step) {
    const int task = 200 + static_cast<int>(random() % 12);
    const std::string name = absl::StrCat(task);
    const int what = static_cast<int>(random() % 4);
    if (what < 2) {
      NewReservation made = Make(task, static_cast<std::int64_t>(random() % 120));
      made.project = random() % 2 == 0 ? "p" : "q";
      made.provider = random() % 2 == 0 ? "alpha" : "beta";
      made.canonical_model = random() % 2 == 0 ? "big" : "vast";
      const auto wanted =
          reference.Reserve(name, {made.project, made.provider, made.canonical_model}, made.reservation.micros, now_);
      const ReserveOutcome got = Reserve(made);
      EXPECT_EQ(wanted.has_value(), got.kind == Kind::kRefused) << "step " << step;
      if (wanted.has_value()) {
        EXPECT_EQ(wanted->budget, got.refused.budget) << "step " << step;
      }
    } else if (what == 2) {
      const auto used = static_cast<std::int64_t>(random() % 150);
      EXPECT_EQ(reference.Settle(name, used), End(Key(task), Ending::Kind::kSettled, used) == 1) << "step " << step;
    } else {
      EXPECT_EQ(reference.Release(name), End(Key(task), Ending::Kind::kReleased) == 1) << "step " << step;
    }
    const std::vector<BudgetState> states = reference.States(now_);
    SY_ASSERT_OK_AND_ASSIGN(const std::vector<StoredBudget> stored, store(step % 3).ListBudgets(now_));
    ASSERT_EQ(states.size(), stored.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      ASSERT_EQ(states[i].spent_micros, stored[i].state.spent_micros) << states[i].spec.name << " step " << step;
      ASSERT_EQ(states[i].held_micros, stored[i].state.held_micros) << states[i].spec.name << " step " << step;
    }
  }
}

}  // namespace switchyard::router

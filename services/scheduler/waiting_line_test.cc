#include "services/scheduler/waiting_line.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Stands for the ledger: what is stored, read in pages.
class Store {
 public:
  std::map<int, TestTask> tasks;
  int pages = 0;
  int rows = 0;

  // Reads one page; false when nothing is wanted.
  bool Serve(MatcherBench& bench, bool idle, int limit = 10) {
    const std::optional<Page> page = bench.line().NextPage(idle);
    if (!page.has_value()) return false;
    ++pages;
    std::array<std::optional<Cursor>, kLanes> last;
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!page->cursors[lane].has_value()) continue;
      const Cursor from = *page->cursors[lane];
      std::vector<std::pair<Cursor, const TestTask*>> list;
      for (const auto& [number, task] : tasks) {
        const Cursor at{task.retried, TaskNumber(number)};
        if (task.lane == lane && at > from) list.emplace_back(at, &task);
      }
      std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      if (static_cast<int>(list.size()) > limit) {
        list.resize(limit);
        last[lane] = list.back().first;
      }
      for (const auto& [at, task] : list) bench.Add(*task);
      rows += static_cast<int>(list.size());
    }
    bench.line().PageRead(*page, last);
    return true;
  }
};

constexpr LineLimits kSmall{.window = 20, .bucket = 8, .parked = 2, .max_buckets = 50};

TEST(WaitingLineTest, TasksThatNobodyCanDoCostFewEntriesAndDoNotStandBeforeOthers) {
  MatcherBench bench(kSmall);
  Store store;
  for (int n = 1; n <= 500; ++n) store.tasks[n] = {.number = n, .needs = {.capabilities = {"gpu"}}};
  for (int n = 501; n <= 505; ++n) store.tasks[n] = {.number = n};
  bench.Put({.id = "a", .credits = 9});
  while (store.Serve(bench, bench.fleet().free_credits() > 0)) {
  }
  EXPECT_EQ(bench.line().waiting(), 2 + 5);
  EXPECT_THAT(bench.RunTasks(), ElementsAre(501, 502, 503, 504, 505));
  EXPECT_TRUE(bench.line().walked());
}

TEST(WaitingLineTest, WhatWasLeftOutIsReadOnceSomebodyCanDoIt) {
  MatcherBench bench(kSmall);
  Store store;
  for (int n = 1; n <= 30; ++n) store.tasks[n] = {.number = n, .needs = {.capabilities = {"gpu"}}};
  while (store.Serve(bench, true)) {
  }
  EXPECT_EQ(bench.line().waiting(), 2);
  bench.Put({.id = "g", .credits = 1'000, .capabilities = {"gpu"}});
  std::vector<int> given;
  for (int round = 0; round < 100; ++round) {
    store.Serve(bench, bench.fleet().free_credits() > 0);
    for (const int task : bench.RunTasks()) {
      given.push_back(task);
      store.tasks.erase(task);
    }
    bench.SettleAll(Settled::kAssigned);
  }
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_TRUE(std::is_sorted(given.begin(), given.end()));
}

TEST(WaitingLineTest, ABusySystemReadsAheadOnlyToItsWindow) {
  MatcherBench bench({.window = 20, .bucket = 20, .parked = 20, .max_buckets = 50});
  Store store;
  for (int n = 1; n <= 1'000; ++n) store.tasks[n] = {.number = n};
  bench.Put({.id = "a", .credits = 0});
  while (store.Serve(bench, false)) {
  }
  EXPECT_LE(store.rows, 40);
}

TEST(WaitingLineTest, NewsBehindWhatWasLeftOutIsNotTakenBeforeIt) {
  MatcherBench bench(kSmall);
  bench.Put({.id = "a", .credits = 0});
  for (int n = 1; n <= 8; ++n) EXPECT_TRUE(bench.Add({.number = n}));
  EXPECT_FALSE(bench.Add({.number = 9}));
  EXPECT_FALSE(bench.Add({.number = 10}));
  // An older one takes the place of the youngest.
  EXPECT_TRUE(bench.Add({.number = 3, .generation = 1}));
  EXPECT_TRUE(bench.line().LeftOut(2, false, bench.line().bucket(0).cls, "default"));
  EXPECT_EQ(bench.line().waiting(), 8);
}

TEST(WaitingLineTest, APassForgetsWhatIsNotThereAnyMore) {
  MatcherBench bench;
  Store store;
  for (int n = 1; n <= 5; ++n) store.tasks[n] = {.number = n};
  while (store.Serve(bench, true)) {
  }
  EXPECT_EQ(bench.line().waiting(), 5);
  store.tasks.erase(2);
  store.tasks.erase(4);
  bench.line().StartPass();
  EXPECT_FALSE(bench.line().walked());
  while (store.Serve(bench, true)) {
  }
  bench.Put({.id = "a", .credits = 9});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1, 3, 5));
}

TEST(WaitingLineTest, APageThatFailedIsReadAgain) {
  MatcherBench bench;
  const std::optional<Page> page = bench.line().NextPage(true);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(bench.line().NextPage(true).has_value());
  bench.line().PageFailed(*page);
  EXPECT_TRUE(bench.line().NextPage(true).has_value());
}

TEST(WaitingLineTest, APageOfAnEarlierPassSaysNothing) {
  MatcherBench bench;
  const std::optional<Page> page = bench.line().NextPage(true);
  ASSERT_TRUE(page.has_value());
  bench.line().StartPass();
  bench.line().PageRead(*page, {});
  EXPECT_FALSE(bench.line().walked());
}

TEST(WaitingLineTest, TellsWhatTasksWaitFor) {
  MatcherBench bench;
  bench.Add({.number = 1, .needs = {.capabilities = {"gpu"}}});
  bench.Add({.number = 2, .project = "held"});
  bench.Add({.number = 3});
  bench.Add({.number = 4});
  bench.Put({.id = "a", .credits = 0});
  StringSet projects;
  projects.insert("held");
  bench.line().SetPauses({}, projects);
  const WaitingLine::Tally tally = bench.line().CountByReason();
  EXPECT_EQ(tally.unserved, 1);
  EXPECT_EQ(tally.paused, 1);
  EXPECT_EQ(tally.busy, 2);
  EXPECT_EQ(bench.line().Ahead(*bench.line().Find(TaskNumber(4))), 3);
}

TEST(WaitingLineTest, ManyKindsOfTasksAreBoundedAndTheirPlacesUsedAgain) {
  MatcherBench bench(kSmall);
  bench.Put({.id = "a", .credits = 1'000});
  for (int n = 1; n <= 200; ++n) bench.Add({.number = n, .project = "p" + std::to_string(n)});
  EXPECT_EQ(bench.line().waiting(), 50);
  bench.RunTasks();
  bench.SettleAll(Settled::kAssigned);
  EXPECT_TRUE(bench.Add({.number = 300, .project = "p300"}));
  EXPECT_EQ(bench.line().waiting(), 1);
}

// Everything that is stored is given in the end, whatever comes, goes, fails and is left out in between.
TEST(WaitingLineTest, RandomWalkLosesNoTask) {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    MatcherBench bench(kSmall);
    Store store;
    std::set<int> given;
    const auto agents = [&](bool all) {
      for (const char* id : {"x", "y"}) {
        const std::optional<AgentRef> known = bench.fleet().Find(0, id);
        if (!all && rng->Below(3) == 0) {
          if (known.has_value()) bench.fleet().Remove(0, id);
        } else if (!known.has_value()) {
          bench.Put({.id = id, .credits = 2, .capabilities = {id}});
        } else {
          bench.fleet().SetLimit(*known, bench.fleet().free(*known) + 1'000'000);
          bench.fleet().SetLimit(*known, 1'000'000);
        }
      }
    };
    const auto give = [&] {
      for (const int task : bench.RunTasks(1 + static_cast<int>(rng->Below(5))))
        EXPECT_TRUE(store.tasks.contains(task));
      for (const Match& match : bench.last()) {
        const int number = MatcherBench::Number(match.task);
        if (rng->Below(5) == 0) {
          bench.matcher().Settle(match, Settled::kBack);
        } else {
          bench.matcher().Settle(match, Settled::kAssigned);
          EXPECT_TRUE(given.insert(number).second) << number;
          store.tasks.erase(number);
        }
      }
    };
    int number = 0;
    for (int step = 0; step < 400; ++step) {
      switch (rng->Below(6)) {
        case 0:
        case 1: {
          const int burst = 1 + static_cast<int>(rng->Below(8));
          for (int i = 0; i < burst; ++i) {
            TestTask task{.number = ++number, .lane = static_cast<int>(rng->Below(2)), .retried = rng->Below(3) == 0};
            if (rng->Below(2) == 0) task.needs.capabilities = {rng->Below(2) == 0 ? "x" : "y"};
            store.tasks[task.number] = task;
            // Some news never arrives until the next pass.
            if (rng->Below(10) != 0) bench.Add(task);
          }
          break;
        }
        case 2:
          agents(false);
          break;
        case 3: {
          if (rng->Below(4) == 0) {
            if (const std::optional<Page> page = bench.line().NextPage(true)) bench.line().PageFailed(*page);
          } else {
            store.Serve(bench, bench.fleet().free_credits() > 0);
          }
          break;
        }
        case 4:
          if (rng->Below(20) == 0) bench.line().StartPass();
          break;
        default:
          give();
      }
      EXPECT_LE(bench.line().waiting(), 300);
    }
    bench.line().StartPass();
    for (int round = 0; round < 2'000 && !store.tasks.empty(); ++round) {
      agents(true);
      store.Serve(bench, bench.fleet().free_credits() > 0);
      give();
    }
    EXPECT_EQ(store.tasks.size(), 0u);
  }
}

}  // namespace
}  // namespace switchyard::scheduler

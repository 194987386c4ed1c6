#include "services/scheduler/matcher.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/scheduler/scheduler_test_tasks.h"

namespace switchyard::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST(MatcherTest, GivesTheOldestTaskToAFreeAgent) {
  MatcherBench bench;
  bench.Add({.number = 2});
  bench.Add({.number = 1});
  bench.Put({.id = "a"});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "a")));
  EXPECT_THAT(bench.Run(), IsEmpty());
}

TEST(MatcherTest, GivesNothingBeyondCredits) {
  MatcherBench bench;
  for (int n = 1; n <= 10; ++n) bench.Add({.number = n});
  const AgentRef agent = bench.Put({.id = "a", .credits = 3});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1, 2, 3));
  bench.SettleAll(Settled::kAssigned);
  EXPECT_THAT(bench.RunTasks(), IsEmpty());
  bench.fleet().SetLimit(agent, 5);
  EXPECT_THAT(bench.RunTasks(), ElementsAre(4, 5));
}

TEST(MatcherTest, ALimitThatShrinksTakesBackWhatIsFree) {
  MatcherBench bench;
  for (int n = 1; n <= 4; ++n) bench.Add({.number = n});
  const AgentRef agent = bench.Put({.id = "a", .credits = 4});
  EXPECT_THAT(bench.RunTasks(2), ElementsAre(1, 2));
  bench.fleet().SetLimit(agent, 1);
  EXPECT_EQ(bench.fleet().free_credits(), 0);
  EXPECT_THAT(bench.RunTasks(), IsEmpty());
}

TEST(MatcherTest, AgentsMustHaveEveryCapabilityAndFeature) {
  MatcherBench bench;
  bench.Add({.number = 1, .needs = {.capabilities = {"gpu", "os:linux"}, .features = {"kind.command"}, .avoid = {}}});
  bench.Put({.id = "no-gpu", .capabilities = {"os:linux"}, .features = {"kind.command"}});
  bench.Put({.id = "old", .capabilities = {"gpu", "os:linux"}});
  EXPECT_THAT(bench.Run(), IsEmpty());
  bench.Put({.id = "fits", .capabilities = {"os:linux", "x", "gpu"}, .features = {"logs", "kind.command"}});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "fits")));
}

TEST(MatcherTest, AnAgentThatIsNotAvailableGetsNothing) {
  MatcherBench bench;
  bench.Add({.number = 1});
  bench.Put({.id = "a", .available = false});
  EXPECT_THAT(bench.Run(), IsEmpty());
  bench.Put({.id = "a", .available = true});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "a")));
}

TEST(MatcherTest, LanesShareByWeightAndNoneStarves) {
  MatcherBench bench({.window = 10'000, .bucket = 10'000, .parked = 8, .max_buckets = 100});
  bench.Put({.id = "a", .credits = 600});
  int number = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 600; ++i) bench.Add({.number = ++number, .lane = lane});
  }
  std::map<int, int> by_lane;
  std::map<int, int> last;
  std::map<int, int> longest;
  int at = 0;
  for (const int task : bench.RunTasks()) {
    const int lane = (task - 1) / 600;
    ++at;
    ++by_lane[lane];
    longest[lane] = std::max(longest[lane], at - last[lane]);
    last[lane] = at;
  }
  EXPECT_EQ(by_lane[0], 320);
  EXPECT_EQ(by_lane[1], 160);
  EXPECT_EQ(by_lane[2], 80);
  EXPECT_EQ(by_lane[3], 40);
  for (int lane = 0; lane < kLanes; ++lane) {
    EXPECT_LE(longest[lane], static_cast<int>(lanes::LongestWait(lanes::kDefaultWeights, lane))) << lane;
  }
}

TEST(MatcherTest, ALaneWhoseTasksNobodyCanDoIsPassedOverUncharged) {
  MatcherBench bench;
  bench.Put({.id = "a", .credits = 10});
  for (int n = 1; n <= 8; ++n) bench.Add({.number = n, .lane = 0, .needs = {.capabilities = {"gpu"}}});
  for (int n = 11; n <= 20; ++n) bench.Add({.number = n, .lane = 3});
  EXPECT_THAT(bench.RunTasks(), SizeIs(10));
  bench.SettleAll(Settled::kAssigned);
  for (int n = 21; n <= 23; ++n) bench.Add({.number = n, .lane = 3});
  bench.Put({.id = "g", .credits = 4, .capabilities = {"gpu"}});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1, 2, 3, 4));
}

TEST(MatcherTest, FreshWorkGoesBeforeWhatWasTried) {
  MatcherBench bench;
  bench.Add({.number = 1, .retried = true, .generation = 1});
  bench.Add({.number = 2});
  bench.Add({.number = 3});
  bench.Put({.id = "a", .credits = 3});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(2, 3, 1));
}

TEST(MatcherTest, ProjectsTakeTurns) {
  MatcherBench bench;
  for (int n = 1; n <= 6; ++n) bench.Add({.number = n, .project = "big"});
  bench.Add({.number = 11, .project = "small"});
  bench.Add({.number = 12, .project = "small"});
  bench.Put({.id = "a", .credits = 8});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1, 11, 2, 12, 3, 4, 5, 6));
}

TEST(MatcherTest, AProjectThatWasAwaySavesUpNothing) {
  MatcherBench bench;
  for (int n = 1; n <= 20; ++n) bench.Add({.number = n, .project = n % 2 == 0 ? "even" : "odd"});
  const AgentRef agent = bench.Put({.id = "a", .credits = 10});
  EXPECT_THAT(bench.RunTasks(), SizeIs(10));
  for (int n = 31; n <= 40; ++n) bench.Add({.number = n, .project = "new"});
  bench.fleet().SetLimit(agent, 16);
  std::map<std::string, int> by_project;
  for (const int task : bench.RunTasks()) ++by_project[task > 30 ? "new" : task % 2 == 0 ? "even" : "odd"];
  EXPECT_THAT(by_project, ElementsAre(Pair("even", 2), Pair("new", 2), Pair("odd", 2)));
}

TEST(MatcherTest, AnAgentThatLostTheTaskGetsItOnlyIfNoOtherFits) {
  MatcherBench bench;
  bench.Put({.id = "lost", .credits = 2});
  const AgentRef other = bench.Put({.id = "other", .credits = 0});
  bench.Add({.number = 1, .needs = {.avoid = {"lost"}}});
  bench.Add({.number = 2});
  // The other is only busy, so the task waits for it; work behind it goes on.
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(2, "lost")));
  bench.fleet().SetLimit(other, 1);
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "other")));
  bench.Add({.number = 3, .needs = {.avoid = {"lost"}}});
  bench.fleet().Remove(0, "other");
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(3, "lost")));
}

TEST(MatcherTest, AnAgentThatRefusedTheTaskNeverGetsIt) {
  MatcherBench bench;
  bench.Put({.id = "refused", .credits = 5});
  bench.Add({.number = 1, .repository = 7});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "refused")));
  bench.SettleAll(Settled::kAssigned);
  bench.Add({.number = 2, .needs = {.refuse = {"refused"}}, .repository = 7});
  bench.Add({.number = 3});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(3, "refused"))) << "also when no other is there";
  const ClassIndex cls = bench.fleet().Intern({.refuse = {"refused"}});
  EXPECT_FALSE(bench.fleet().Served(cls));
  EXPECT_EQ(bench.fleet().Count(cls).refused, 1);
  EXPECT_EQ(bench.fleet().Count(cls).fitting, 0);
  bench.Put({.id = "other", .credits = 1});
  EXPECT_EQ(bench.fleet().Count(cls).free, 1);
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(2, "other")));
}

TEST(MatcherTest, ATaskThatIsAskedAgainOfAllAgentsNeedsNoNewGeneration) {
  MatcherBench bench;
  bench.Put({.id = "a", .credits = 5});
  bench.Add({.number = 1, .needs = {.refuse = {"a"}}});
  EXPECT_THAT(bench.Run(), IsEmpty());
  bench.Add({.number = 1});
  EXPECT_FALSE(bench.Add({.number = 1, .needs = {.refuse = {"a"}}})) << "an old page brings no refusal back";
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "a")));
}

TEST(MatcherTest, WorkOfARepositoryGoesWhereItsLastOneWent) {
  MatcherBench bench;
  for (const char* id : {"a", "b", "c"}) bench.Put({.id = id, .credits = 4});
  bench.Add({.number = 1, .repository = 77});
  ASSERT_THAT(bench.Run(), SizeIs(1));
  const std::string first = bench.last()[0].agent_id;
  bench.SettleAll(Settled::kAssigned);
  bench.Add({.number = 2, .repository = 77});
  bench.Add({.number = 3, .repository = 88});
  const auto matches = bench.Run();
  EXPECT_EQ(matches[0].second, first);
  EXPECT_NE(matches[1].second, first);
}

TEST(MatcherTest, AContinuationGoesToTheSameAgentAndElsewhereWhenThatIsBusy) {
  MatcherBench bench;
  for (const char* id : {"a", "b", "c"}) bench.Put({.id = id, .credits = 2});
  for (int n = 1; n <= 3; ++n) bench.Add({.number = n});
  bench.Run();
  std::map<int, std::string> agents;
  for (const Match& match : bench.last()) agents[MatcherBench::Number(match.task)] = match.agent_id;
  bench.SettleAll(Settled::kAssigned);
  bench.Add({.number = 11, .continues = 2});
  bench.Add({.number = 12, .continues = 2});
  const auto matches = bench.Run();
  EXPECT_EQ(matches[0].second, agents[2]);
  EXPECT_NE(matches[1].second, agents[2]);
}

TEST(MatcherTest, TheLeastBusyAgentGoesFirst) {
  MatcherBench bench;
  bench.Put({.id = "a", .credits = 2});
  bench.Put({.id = "b", .credits = 2});
  for (int n = 1; n <= 4; ++n) bench.Add({.number = n});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "a"), Pair(2, "b"), Pair(3, "a"), Pair(4, "b")));
}

TEST(MatcherTest, WhatTheLedgerRefusedReturnsItsCredit) {
  MatcherBench bench;
  bench.Add({.number = 1});
  bench.Put({.id = "a"});
  bench.Run();
  EXPECT_EQ(bench.fleet().free_credits(), 0);
  bench.SettleAll(Settled::kGone);
  EXPECT_EQ(bench.fleet().free_credits(), 1);
  EXPECT_EQ(bench.line().waiting(), 0);
  // It may become ready again under the same generation.
  EXPECT_TRUE(bench.Add({.number = 1}));
}

TEST(MatcherTest, WhatIsNotKnownGoesBackToItsPlace) {
  MatcherBench bench;
  bench.Add({.number = 1});
  bench.Add({.number = 2});
  bench.Put({.id = "a"});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1));
  bench.SettleAll(Settled::kBack);
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1));
}

TEST(MatcherTest, ASessionThatIsOverGetsNothingUntilTheNextOne) {
  MatcherBench bench;
  bench.Add({.number = 1});
  bench.Put({.id = "a", .credits = 3});
  bench.Run();
  bench.SettleAll(Settled::kSessionOver);
  EXPECT_THAT(bench.Run(), IsEmpty());
  bench.Put({.id = "a", .credits = 3});
  EXPECT_THAT(bench.Run(), IsEmpty());
  bench.Put({.id = "a", .credits = 3, .epoch = 2});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "a")));
}

TEST(MatcherTest, OldNewsOfWhatWasAssignedHereIsIgnored) {
  MatcherBench bench;
  bench.Add({.number = 1, .generation = 4});
  bench.Put({.id = "a", .credits = 9});
  bench.Run();
  EXPECT_FALSE(bench.Add({.number = 1, .generation = 4}));
  bench.SettleAll(Settled::kAssigned);
  EXPECT_FALSE(bench.Add({.number = 1, .generation = 4}));
  EXPECT_TRUE(bench.Add({.number = 1, .retried = true, .generation = 5}));
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1));
}

TEST(MatcherTest, NewsThatOvertakesTheAnswerWins) {
  MatcherBench bench;
  bench.Add({.number = 1, .generation = 1});
  bench.Put({.id = "a", .credits = 9});
  bench.Run();
  EXPECT_TRUE(bench.Add({.number = 1, .retried = true, .generation = 2}));
  bench.SettleAll(Settled::kAssigned);
  EXPECT_THAT(bench.RunTasks(), ElementsAre(1));
  EXPECT_EQ(bench.last()[0].generation, 2);
}

TEST(MatcherTest, PausedLanesAndProjectsWait) {
  MatcherBench bench;
  bench.Add({.number = 1, .lane = 0});
  bench.Add({.number = 2, .project = "held"});
  bench.Add({.number = 3});
  bench.Put({.id = "a", .credits = 9});
  StringSet projects;
  projects.insert("held");
  bench.line().SetPauses({true, false, false, false}, projects);
  EXPECT_THAT(bench.RunTasks(), ElementsAre(3));
  bench.line().SetPauses({}, {});
  EXPECT_THAT(bench.RunTasks(), UnorderedElementsAre(1, 2));
}

TEST(MatcherTest, TasksOfShardsThatWereLostAreGone) {
  MatcherBench bench;
  bench.Add({.number = 1});
  bench.Add({.number = 2});
  std::array<bool, kShards> held = {};
  held[2] = true;
  bench.line().SetShards(held);
  bench.Put({.id = "a", .credits = 9});
  EXPECT_THAT(bench.RunTasks(), ElementsAre(2));
  EXPECT_FALSE(bench.Add({.number = 3}));
}

TEST(MatcherTest, AgentsOfAHubThatIsGoneGoWithIt) {
  MatcherBench bench;
  bench.Put({.id = "a", .credits = 2});
  bench.Put({.id = "b", .credits = 3, .hub = 1});
  bench.fleet().RemoveHub(0);
  EXPECT_EQ(bench.fleet().agents(), 1);
  EXPECT_EQ(bench.fleet().free_credits(), 3);
  bench.Add({.number = 1});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(1, "b")));
}

// A model that knows nothing of kinds, levels and buckets: whatever was matched could be matched, and what was left
// could not.
TEST(MatcherTest, AnAgentThatChangesForEverExhaustsNothing) {
  MatcherBench bench;
  bench.Put({.id = "steady", .credits = 2, .capabilities = {"gpu"}});
  for (int n = 0; n < 5'000; ++n) {
    bench.Put({.id = "restless", .capabilities = {"v" + std::to_string(n)}});
    if (n % 700 == 0) {
      bench.Add({.number = n + 1, .needs = {.capabilities = {"v" + std::to_string(n)}, .features = {}, .avoid = {}}});
      EXPECT_THAT(bench.Run(), ElementsAre(Pair(n + 1, "restless")));
      bench.SettleAll(Settled::kBack);
    }
  }
  EXPECT_LE(bench.fleet().kinds(), 1'100u);
  bench.Add({.number = 9'001, .needs = {.capabilities = {"gpu"}, .features = {}, .avoid = {}}});
  EXPECT_THAT(bench.Run(), ElementsAre(Pair(9'001, "steady")));
}

TEST(MatcherTest, RandomWalkAgainstAModel) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::unique_ptr<Rng> rng = MakeSeededRng(seed);
    MatcherBench bench({.window = 10'000, .bucket = 10'000, .parked = 10'000, .max_buckets = 10'000});
    const std::vector<std::string> capabilities = {"a", "b", "c"};
    const auto some = [&] {
      std::vector<std::string> out;
      for (const std::string& one : capabilities) {
        if (rng->Below(3) == 0) out.push_back(one);
      }
      return out;
    };
    struct ModelAgent {
      std::vector<std::string> capabilities;
      bool available = true;
      std::int64_t limit = 0, used = 0;
      std::int64_t epoch = 1;
    };
    std::map<std::string, ModelAgent> agents;
    std::map<int, TestTask> waiting;
    int number = 0;
    for (int step = 0; step < 300; ++step) {
      switch (rng->Below(5)) {
        case 0:
        case 1: {
          TestTask task{.number = ++number,
                        .lane = static_cast<int>(rng->Below(4)),
                        .retried = rng->Below(3) == 0,
                        .project = rng->Below(2) == 0 ? "p" : "q",
                        .needs = {.capabilities = some()}};
          if (rng->Below(3) == 0) task.needs.avoid = {"agent" + std::to_string(rng->Below(4))};
          if (rng->Below(4) == 0) task.needs.refuse = {"agent" + std::to_string(rng->Below(4))};
          EXPECT_TRUE(bench.Add(task));
          waiting[task.number] = task;
          break;
        }
        case 2: {
          const std::string id = "agent" + std::to_string(rng->Below(4));
          if (agents.contains(id) && rng->Below(3) == 0) {
            bench.fleet().Remove(0, id);
            agents.erase(id);
            break;
          }
          ModelAgent& agent = agents[id];
          agent.capabilities = some();
          agent.available = rng->Below(4) != 0;
          if (rng->Below(3) == 0) {
            ++agent.epoch;
            agent.used = 0;
          }
          agent.limit = agent.used + static_cast<std::int64_t>(rng->Below(3));
          bench.Put({.id = id,
                     .credits = agent.limit,
                     .capabilities = agent.capabilities,
                     .available = agent.available,
                     .epoch = agent.epoch});
          break;
        }
        default: {
          const auto fits = [&](const TestTask& task, const std::string& id, bool free) {
            const auto found = agents.find(id);
            if (found == agents.end() || !found->second.available) return false;
            if (!task.needs.refuse.empty() && task.needs.refuse[0] == id) return false;
            if (free && found->second.limit <= found->second.used) return false;
            return std::includes(found->second.capabilities.begin(), found->second.capabilities.end(),
                                 task.needs.capabilities.begin(), task.needs.capabilities.end());
          };
          const auto allowed = [&](const TestTask& task, const std::string& id) {
            if (!fits(task, id, true)) return false;
            if (task.needs.avoid.empty() || task.needs.avoid[0] != id) return true;
            for (const auto& [other, agent] : agents) {
              if (other != id && fits(task, other, false)) return false;
            }
            return true;
          };
          const int max = 1 + static_cast<int>(rng->Below(6));
          const auto matches = bench.Run(max);
          for (const auto& [task, agent] : matches) {
            EXPECT_TRUE(allowed(waiting.at(task), agent)) << task << " " << agent;
            ++agents.at(agent).used;
            waiting.erase(task);
          }
          if (static_cast<int>(matches.size()) < max) {
            for (const auto& [left, task] : waiting) {
              for (const auto& [id, agent] : agents) EXPECT_FALSE(allowed(task, id)) << left << " " << id;
            }
          }
          bench.SettleAll(Settled::kAssigned);
        }
      }
      std::int64_t free = 0;
      for (const auto& [id, agent] : agents) {
        if (agent.available) free += std::max<std::int64_t>(0, agent.limit - agent.used);
      }
      ASSERT_EQ(bench.fleet().free_credits(), free) << step;
      ASSERT_EQ(bench.line().waiting(), static_cast<int>(waiting.size())) << step;
    }
  }
}

}  // namespace
}  // namespace switchyard::scheduler

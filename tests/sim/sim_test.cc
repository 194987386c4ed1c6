#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/log.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace switchyard::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::Le;
using ::testing::SizeIs;

constexpr std::uint64_t kSeeds = 60;

class SimTest : public ::testing::Test {
 protected:
  SimTest() {
    // What fails on purpose is not worth a line.
    SetLogWriter([](std::string_view) {});
    ConfigureLog("sim", LogLevel::kError);
  }
  ~SimTest() override { SetLogWriter(nullptr); }
};

std::vector<int> IndexesOf(const Verdict& verdict) {
  std::vector<int> indexes;
  for (const Fault& fault : verdict.faults) indexes.push_back(fault.index);
  return indexes;
}

TEST_F(SimTest, InvariantsHoldUnderFaults) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RunOptions options{.seed = seed};
    const Verdict verdict = RunSeed(options);
    ASSERT_TRUE(verdict.ok()) << Report(options, Shrink(options, verdict));
  }
}

// A crash that nobody hears of loses the withdrawal of a task whose question nobody answers.
TEST_F(SimTest, AWithdrawalThatIsLostWithTheFeedOfDirectivesIsMadeUpFor) {
  const RunOptions options{.seed = 1001964, .faults = std::vector<int>{2}};
  const Verdict verdict = RunSeed(options);
  EXPECT_TRUE(verdict.ok()) << Report(options, verdict);
}

// An answer that comes back to a hub's next life must not count as one of its own.
TEST_F(SimTest, AServiceThatRestartedHearsNothingOfWhatItAskedBefore) {
  const RunOptions options{.seed = 1006856, .faults = std::vector<int>{0, 1, 2, 3}};
  const Verdict verdict = RunSeed(options);
  EXPECT_TRUE(verdict.ok()) << Report(options, verdict);
}

// It was written down, and the process ended before anybody heard of it.
TEST_F(SimTest, AnAcceptanceThatWasLostWithItsProcessIsSaidAgain) {
  const RunOptions options{.seed = 1079, .faults = std::vector<int>{0, 8, 9}};
  const Verdict verdict = RunSeed(options);
  EXPECT_TRUE(verdict.ok()) << Report(options, verdict);
}

// Confirmed while it stood as assigned, and taken back a moment later since its acceptance was still under way.
TEST_F(SimTest, NothingWithEffectsBeginsBeforeItsAcceptanceStands) {
  const RunOptions options{.seed = 400046, .faults = std::vector<int>{0, 1, 3, 4, 5, 6, 8, 9, 14}};
  const Verdict verdict = RunSeed(options);
  EXPECT_TRUE(verdict.ok()) << Report(options, verdict);
}

// The stream that a hub asked for a session for is gone, and the executor has another one.
TEST_F(SimTest, ASessionThatComesTooLateEndsNoNewerOne) {
  const RunOptions options{.seed = 400602, .faults = std::vector<int>{9, 12, 15}};
  const Verdict verdict = RunSeed(options);
  EXPECT_TRUE(verdict.ok()) << Report(options, verdict);
}

TEST_F(SimTest, TheSameSeedHasTheSameTraceAndAnotherOneAnother) {
  std::uint64_t former = 0;
  for (const std::uint64_t seed : {3, 14, 15, 92, 65}) {
    const Verdict first = RunSeed({.seed = seed});
    // Other seeds in between leave the heap in another state.
    (void)RunSeed({.seed = seed + 1000});
    const Verdict second = RunSeed({.seed = seed});
    std::printf("seed %" PRIu64 ": trace %016" PRIx64 ", %" PRIu64 " events\n", seed, first.hash, first.events);
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_NE(first.hash, former);
    former = first.hash;
  }
}

TEST_F(SimTest, OnlyTheChosenFaultsArePlayed) {
  const Verdict all = RunSeed({.seed = 15});
  ASSERT_GE(all.faults.size(), 3u);
  const std::vector<int> chosen = {0, 2};
  const Verdict some = RunSeed({.seed = 15, .faults = chosen});
  EXPECT_EQ(IndexesOf(some), chosen);
  EXPECT_NE(some.hash, all.hash);
}

// A replica's crash is what makes this mutant lose a task; the other faults of the seed are noise.
TEST_F(SimTest, AFailingSeedIsShrunkToTheFaultsThatMatterAndPlaysAgain) {
  RunOptions options{.mutant = Mutant::kLosesATask};
  Verdict failed;
  for (options.seed = 1; options.seed <= 400; ++options.seed) {
    failed = RunSeed(options);
    if (!failed.ok() && failed.faults.size() >= 10) break;
  }
  ASSERT_FALSE(failed.ok()) << "no seed with many faults fails";

  const Verdict shrunk = Shrink(options, failed);
  EXPECT_EQ(shrunk.invariant, failed.invariant);
  EXPECT_THAT(shrunk.faults, SizeIs(Le(2u))) << Report(options, shrunk);
  EXPECT_THAT(IndexesOf(shrunk), IsSubsetOf(IndexesOf(failed)));

  RunOptions again = options;
  again.faults = IndexesOf(shrunk);
  const Verdict replayed = RunSeed(again);
  EXPECT_EQ(replayed.hash, shrunk.hash);
  EXPECT_EQ(replayed.breach, shrunk.breach);

  const std::string report = Report(options, shrunk);
  std::fputs(report.c_str(), stdout);
  EXPECT_THAT(report, HasSubstr("crash"));
  EXPECT_THAT(report, HasSubstr("switchyard_sim --seed " + std::to_string(options.seed) + " --faults " +
                                std::to_string(again.faults->front())));
  EXPECT_THAT(report, HasSubstr("--mutant loses-a-task"));
}

}  // namespace
}  // namespace switchyard::sim

#include "tests/sim/mutants.h"

#include <string>

#include "gtest/gtest.h"
#include "libs/base/log.h"
#include "tests/sim/invariant.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace switchyard::sim {
namespace {

// Within so many seeds each mutant is caught by the invariant that is there for it; most within the first ten.
constexpr std::uint64_t kSeeds = 3000;

class MutantsTest : public ::testing::TestWithParam<MutantInfo> {
 protected:
  MutantsTest() {
    // What fails on purpose is not worth a line.
    SetLogWriter([](std::string_view) {});
    ConfigureLog("sim", LogLevel::kError);
  }
  ~MutantsTest() override { SetLogWriter(nullptr); }
};

TEST_P(MutantsTest, IsCaught) {
  const MutantInfo& info = GetParam();
  std::string others;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RunOptions options{.seed = seed, .mutant = info.mutant};
    const Verdict verdict = RunSeed(options);
    if (verdict.invariant == info.caught_by) {
      std::printf("seed %d: %s\n", static_cast<int>(seed), verdict.breach.c_str());
      return;
    }
    if (!verdict.ok()) others += "  " + verdict.invariant + ": " + verdict.breach + "\n";
  }
  FAIL() << info.caught_by << " did not catch it within " << kSeeds << " seeds; others did:\n" << others;
}

std::string TestName(const ::testing::TestParamInfo<MutantInfo>& info) {
  std::string name;
  for (const char c : info.param.name) {
    if (c != '-') name += c;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, MutantsTest, ::testing::ValuesIn(Mutants()), TestName);

TEST(MutantsTableTest, EveryInvariantHasAMutant) {
  for (const std::unique_ptr<Invariant>& invariant : AllInvariants()) {
    bool found = false;
    for (const MutantInfo& info : Mutants()) found = found || info.caught_by == invariant->name();
    EXPECT_TRUE(found) << invariant->name() << " has no mutant that shows that it can fail";
  }
}

}  // namespace
}  // namespace switchyard::sim

#include "services/executor/loop/narrator.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/executor/models/testing_sink.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NarratorTest : public ::testing::Test {
 protected:
  LogChunk Chunk(std::string text, std::uint64_t sequence = 0, std::uint64_t dropped = 0) {
    return {.sequence = sequence,
            .stream = LogStream::kOutput,
            .time = clock_.Now(),
            .text = std::move(text),
            .dropped_before = dropped};
  }

  switchyard::testing::FakeClock clock_;
  models::TestSink sink_;
  Narrator narrator_{sink_, 100, clock_};
};

TEST_F(NarratorTest, SaysTheLastWordAgainWhenNothingElseIsSaid) {
  narrator_.Progress("asks the model");
  narrator_.Tick();
  EXPECT_THAT(sink_.progress, SizeIs(1));
  clock_.Advance(Narrator::kSignEvery);
  narrator_.Tick();
  EXPECT_THAT(sink_.progress, ElementsAre("asks the model", "asks the model"));
  EXPECT_LE(Narrator::kSignEvery, absl::Minutes(1));
}

TEST_F(NarratorTest, TellsAPhaseOnceUntilItChanges) {
  for (const WorkPhase phase :
       {WorkPhase::kApplying, WorkPhase::kApplying, WorkPhase::kVerifying, WorkPhase::kApplying}) {
    narrator_.Phase(phase);
  }
  EXPECT_THAT(sink_.phases, ElementsAre(WorkPhase::kApplying, WorkPhase::kVerifying, WorkPhase::kApplying));
}

TEST_F(NarratorTest, HidesSecretsInItsOwnLines) {
  narrator_.Note("the push said password=hunter2hunter2\nand more");
  EXPECT_EQ(sink_.err.find("hunter2"), std::string::npos);
  EXPECT_EQ(sink_.err.find('\n'), sink_.err.size() - 1);
}

TEST_F(NarratorTest, LeavesOutputOutBeyondItsBoundAndSaysHowMuch) {
  narrator_.Log(Chunk(std::string(90, 'a')));
  narrator_.Log(Chunk(std::string(50, 'b'), 7, 5));
  narrator_.Note("a note");
  narrator_.Finish({});
  EXPECT_EQ(sink_.out, std::string(90, 'a'));
  EXPECT_EQ(sink_.err, "[a note]\n");
  ASSERT_TRUE(sink_.evidence.has_value());
  EXPECT_EQ(sink_.evidence->output_bytes, 145u);
  EXPECT_EQ(sink_.evidence->dropped_bytes, 55u);
}

TEST_F(NarratorTest, SaysNothingAfterTheEnd) {
  narrator_.Finish({});
  narrator_.Note("late");
  narrator_.Progress("late");
  narrator_.Phase(WorkPhase::kApplying);
  narrator_.Log(Chunk("late"));
  narrator_.Finish({});
  EXPECT_THAT(sink_.progress, IsEmpty());
  EXPECT_THAT(sink_.phases, IsEmpty());
  EXPECT_EQ(sink_.out + sink_.err, "");
  EXPECT_EQ(sink_.ends, 1);
}

}  // namespace
}  // namespace switchyard::executor::loop

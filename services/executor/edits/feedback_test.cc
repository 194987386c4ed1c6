#include "services/executor/edits/feedback.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/text/utf8.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(FeedbackTest, SaysNothingOfEditsThatHold) {
  EXPECT_THAT(FeedbackText(ResolveText({{"a", "1\n"}}, Block("a", "1\n", "2\n"))), IsEmpty());
}

TEST(FeedbackTest, TellsWhatFailedAndWhatWasGood) {
  const std::string text = FeedbackText(
      ResolveText({{"a.py", "def area(w, h):\n    return w + h\n"}, {"b", "x\nx\n"}, {"c", "1\n"}},
                  Block("a.py", "def area(w, h)\n", "x\n") + Block("b", "x\n", "y\n") + Block("c", "1\n", "2\n")));
  EXPECT_THAT(text, HasSubstr("NOT applied: 2 of 3 blocks"));
  EXPECT_THAT(text, HasSubstr("Block 1, a.py (line 3 of your answer): the SEARCH lines are not in the file."));
  EXPECT_THAT(text, HasSubstr("    1 | def area(w, h):"));
  EXPECT_THAT(text, HasSubstr("Block 2, b"));
  EXPECT_THAT(text, HasSubstr("at lines 1, 2"));
  EXPECT_THAT(text, HasSubstr("Good as they are: block 3."));
  EXPECT_THAT(text, HasSubstr("Send all blocks again"));
}

TEST(FeedbackTest, TellsOfBlocksThatCannotBeRead) {
  const std::string text = FeedbackText(ResolveText({}, "a.py\n```\n<<<<<<< SEARCH\n1\n"));
  EXPECT_THAT(text, HasSubstr("Line 3 of your answer, a.py: this block ends without"));
}

TEST(FeedbackTest, TellsThatNothingRemainsToBeDone) {
  EXPECT_THAT(FeedbackText(ResolveText({{"a", "1\n"}}, Block("a", "", "1\n"))), HasSubstr("change nothing"));
  EXPECT_THAT(FeedbackText(ResolveText({{"a", "1\n"}}, "Fine.")), HasSubstr("no edits"));
}

TEST(FeedbackTest, TellsOfFencesWithoutAPath) {
  EXPECT_THAT(NoEditsText({.ignored_fences = 2}), HasSubstr("2 fenced blocks that names no file"));
}

TEST(FeedbackTest, KeepsToItsBoundHoweverMuchFails) {
  std::string answer;
  std::string file;
  for (int i = 0; i < 300; ++i) {
    file += "value_" + std::to_string(i) + " = compute_something(\xC3\xA4, \xFF)\n";
    answer += Block("a.py", "value_" + std::to_string(i) + " = compute_other(1)\n", "x = 1\n");
  }
  const Resolution resolution = ResolveText({{"a.py", file}}, answer);
  EXPECT_EQ(resolution.refused(), 300);
  for (const std::size_t most : {0u, 1u, 100u, 400u, 1000u, 4096u}) {
    const std::string text = FeedbackText(resolution, {.max_bytes = most});
    EXPECT_LE(text.size(), most);
    EXPECT_TRUE(text::IsValidUtf8(text));
  }
  EXPECT_THAT(FeedbackText(resolution), HasSubstr("more blocks failed"));
  EXPECT_THAT(FeedbackText(resolution), HasSubstr("Send all blocks again"));
}

TEST(FeedbackTest, SummarisesForPeople) {
  EXPECT_EQ(SummaryLine(ResolveText({{"a", "  1\n2\n"}}, Block("a", "1\n", "x\n") + Block("a", "2\n", "y\n"))),
            "1 file, 2 blocks (1 re-indented)");
  EXPECT_EQ(SummaryLine(ResolveText({{"a", "1\n1\n"}}, Block("a", "1\n", "x\n"))), "refused: 1 of 1 block");
}

TEST(FeedbackTest, KnowsTheSameRefusalAgain) {
  const Resolution first = ResolveText({{"a", "1\n1\n"}}, Block("a", "1\n", "x\n"));
  const Resolution again = ResolveText({{"a", "1\n1\n"}}, "Sorry!\n\n" + Block("a", "1\n", "y\n"));
  const Resolution other = ResolveText({{"a", "1\n1\n"}}, Block("a", "5\n", "y\n"));
  EXPECT_EQ(RefusalKey(first), RefusalKey(again));
  EXPECT_NE(RefusalKey(first), RefusalKey(other));
}

}  // namespace
}  // namespace switchyard::executor::edits

#include "services/executor/edits/instructions.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

FormatHints Hints(Strength strength, std::size_t lines, std::size_t files = 1) {
  return {.strength = strength, .largest_file_lines = lines, .files = files};
}

TEST(InstructionsTest, GoesByStrengthAndSize) {
  EXPECT_EQ(ChooseFormat(Hints(Strength::kSmall, 200)), EditFormat::kWholeFile);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kSmall, 0, 0)), EditFormat::kWholeFile);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kSmall, 1000)), EditFormat::kSearchReplace);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kSmall, 200, 20)), EditFormat::kSearchReplace);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kMedium, 100)), EditFormat::kWholeFile);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kMedium, 200)), EditFormat::kSearchReplace);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kLarge, 200)), EditFormat::kSearchReplace);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kLarge, 0, 0)), EditFormat::kSearchReplace);
  EXPECT_EQ(ChooseFormat(Hints(Strength::kUnknown, 200)), EditFormat::kWholeFile);
}

TEST(InstructionsTest, DoesWhatTheTaskAsksFor) {
  for (const EditFormat asked : {EditFormat::kNone, EditFormat::kSearchReplace, EditFormat::kWholeFile}) {
    FormatHints hints = Hints(Strength::kSmall, 200);
    hints.asked = asked;
    hints.malformed = 9;
    EXPECT_EQ(ChooseFormat(hints), asked);
  }
}

TEST(InstructionsTest, MovesAfterTwoMalformedAnswers) {
  FormatHints hints = Hints(Strength::kLarge, 200);
  hints.used = EditFormat::kSearchReplace;
  hints.malformed = 1;
  EXPECT_EQ(ChooseFormat(hints), EditFormat::kSearchReplace);
  hints.malformed = 2;
  EXPECT_EQ(ChooseFormat(hints), EditFormat::kWholeFile);
  hints.largest_file_lines = 5000;
  EXPECT_EQ(ChooseFormat(hints), EditFormat::kSearchReplace);
  hints = Hints(Strength::kSmall, 200);
  hints.used = EditFormat::kWholeFile;
  hints.malformed = 2;
  EXPECT_EQ(ChooseFormat(hints), EditFormat::kSearchReplace);
  // And stays there.
  hints.used = EditFormat::kSearchReplace;
  EXPECT_EQ(ChooseFormat(hints), EditFormat::kSearchReplace);
}

// The examples that a model sees must be what the reader reads.
TEST(InstructionsTest, ShowsWhatTheParserTakes) {
  const ParsedAnswer blocks = ParseAnswer(EditInstructions(EditFormat::kSearchReplace));
  EXPECT_THAT(blocks.faults, IsEmpty());
  ASSERT_EQ(blocks.edits.size(), 3u);
  EXPECT_EQ(blocks.edits[0].path, "src/example.py");
  EXPECT_EQ(blocks.edits[0].search, "def area(width, height):\n    return width + height\n");
  EXPECT_EQ(blocks.edits[1].kind, EditKind::kDelete);
  EXPECT_EQ(blocks.edits[2].kind, EditKind::kRename);
  const ParsedAnswer whole = ParseAnswer(EditInstructions(EditFormat::kWholeFile));
  EXPECT_THAT(whole.faults, IsEmpty());
  ASSERT_EQ(whole.edits.size(), 3u);
  EXPECT_EQ(whole.edits[0].kind, EditKind::kWhole);
}

TEST(InstructionsTest, SaysNothingWithoutEdits) {
  EXPECT_THAT(EditInstructions(EditFormat::kNone), IsEmpty());
  EXPECT_THAT(EditReminder(EditFormat::kNone), IsEmpty());
  EXPECT_THAT(EditReminder(EditFormat::kAny), Not(IsEmpty()));
}

}  // namespace
}  // namespace switchyard::executor::edits

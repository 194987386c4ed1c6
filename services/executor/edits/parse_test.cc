#include "services/executor/edits/parse.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/executor/edits/edit_case.h"
#include "services/executor/edits/instructions.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::executor::edits {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char kBody[] = "<<<<<<< SEARCH\n1\n=======\n2\n>>>>>>> REPLACE\n";

std::string PathOf(const std::string& answer) {
  const ParsedAnswer parsed = ParseAnswer(answer);
  EXPECT_THAT(parsed.faults, IsEmpty()) << parsed.faults.front().message;
  return parsed.edits.size() == 1 ? parsed.edits[0].path : "(none)";
}

TEST(ParseTest, ReadsPathsHoweverTheyAreDecorated) {
  for (const char* line : {"src/a.py", "`src/a.py`", "**src/a.py**", "**`src/a.py`**:", "### src/a.py", "# `src/a.py`",
                           "src/a.py:", "File: src/a.py", "1. src/a.py", "- `src/a.py`", "\"src/a.py\"", "  src/a.py  ",
                           "### 2. `src/a.py` (new file)", "Filename: `src/a.py`", "// src/a.py"}) {
    EXPECT_EQ(PathOf(std::string(line) + "\n```python\n" + kBody + "```\n"), "src/a.py") << line;
    EXPECT_EQ(PathOf("\n" + std::string(line) + "\n```python\nx\n```\n"), "src/a.py") << line;
  }
}

TEST(ParseTest, ReadsPathsInAndAroundTheFence) {
  EXPECT_EQ(PathOf(std::string("```python\nsrc/a.py\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("```python src/a.py\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("```python:src/a.py\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("```python title=\"src/a.py\"\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("src/a.py\n") + kBody), "src/a.py");
  EXPECT_EQ(PathOf(std::string("src/a.py\n~~~~\n") + kBody + "~~~~\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("src/a.py\n\n```\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("In `src/a.py`, `area()` is wrong:\n```\n") + kBody + "```\n"), "src/a.py");
  EXPECT_EQ(PathOf(std::string("`my docs/a b.txt`\n```\n") + kBody + "```\n"), "my docs/a b.txt");
  EXPECT_EQ(PathOf("Makefile\n```make\nall:\n```\n"), "Makefile");
  EXPECT_EQ(PathOf(".gitignore\n```\n*.o\n```\n"), ".gitignore");
  EXPECT_EQ(PathOf("app/(group)/[id]/page.tsx\n```\nx\n```\n"), "app/(group)/[id]/page.tsx");
}

TEST(ParseTest, DoesNotTakeProseForAPath) {
  for (const char* line : {"Example:", "Run it like this:", "Here is version 2.0", "See https://example.com/a.py",
                           "Output", "Then e.g.", "`area()` becomes:"}) {
    const ParsedAnswer parsed = ParseAnswer("src/b.py\n```\nx\n```\n\n" + std::string(line) + "\n```sh\nls\n```\n");
    EXPECT_THAT(parsed.edits, SizeIs(1)) << line;
    EXPECT_THAT(parsed.faults, IsEmpty()) << line;
    EXPECT_EQ(parsed.ignored_fences, 1) << line;
  }
}

TEST(ParseTest, KeepsThePathForTheBlocksThatFollow) {
  const ParsedAnswer parsed =
      ParseAnswer(std::string("a.py\n```\n") + kBody + "\n" + kBody + "```\nAnd then:\n```\n" + kBody + "```\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(3));
  for (const Edit& edit : parsed.edits) EXPECT_EQ(edit.path, "a.py");
}

TEST(ParseTest, ReadsMarksOfAnyLengthAndIndentation) {
  const ParsedAnswer parsed =
      ParseAnswer("- a.py\n  ```\n  <<<<< SEARCH\n  1\n  ======\n  2\n  >>>>>>>>> REPLACE  \n  ```\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(1));
  EXPECT_EQ(parsed.edits[0].search, "1\n");
  EXPECT_EQ(parsed.edits[0].replace, "2\n");
}

TEST(ParseTest, TakesTheDividerThatIsWrittenLikeTheHead) {
  const ParsedAnswer parsed =
      ParseAnswer("a.rst\n```\n<<<<<<<<< SEARCH\nTitle\n=====\n=========\nOther\n=====\n>>>>>>>>> REPLACE\n```\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(1));
  EXPECT_EQ(parsed.edits[0].search, "Title\n=====\n");
  EXPECT_EQ(parsed.edits[0].replace, "Other\n=====\n");
}

TEST(ParseTest, RefusesDividersThatCannotBeToldApart) {
  const ParsedAnswer parsed =
      ParseAnswer("a.rst\n```\n<<<<<<< SEARCH\nTitle\n=======\n=======\nOther\n=======\n>>>>>>> REPLACE\n```\n");
  ASSERT_THAT(parsed.faults, SizeIs(1));
  EXPECT_THAT(parsed.faults[0].message, HasSubstr("9 signs"));
}

TEST(ParseTest, RefusesWhatIsHalfWritten) {
  for (const char* answer : {
           "a.py\n```\n<<<<<<< SEARCH\n1\n",
           "a.py\n```\n<<<<<<< SEARCH\n1\n=======\n2\n",
           "a.py\n```\n<<<<<<< SEARCH\n1\n=======\n2\n```\n",
           "a.py\n```\n<<<<<<< SEARCH\n1\n>>>>>>> REPLACE\n```\n",
           "a.py\n```\n<<<<<<< SEARCH\n1\n=======\n2\n<<<<<<< SEARCH\n3\n=======\n4\n>>>>>>> REPLACE\n```\n",
           "a.py\n```\n1\n=======\n2\n>>>>>>> REPLACE\n```\n",
           "a.py\n```python\nx = 1\n",
           "a.py\n```diff\n@@ -1 +1 @@\n-1\n+2\n",
           "--- a/a.py\n+++ b/a.py\n@@ -1,5 +1,5 @@\n 1\n-2\n",
           "Here:\n```\nx\n",
           "RENAME FILE: a.py\n",
           "DELETE FILE:\n",
           "```diff\n@@ -1 +1 @@\n-1\n+2\n```\n",
           "--- a/a.py\n",
       }) {
    const ParsedAnswer parsed = ParseAnswer(answer);
    if (std::string_view(answer) == "--- a/a.py\n") {
      EXPECT_TRUE(parsed.empty());
    } else {
      EXPECT_THAT(parsed.faults, testing::Not(IsEmpty())) << answer;
    }
  }
}

TEST(ParseTest, RefusesAnAnswerThatWasCutOff) {
  const ParsedAnswer parsed = ParseAnswer(Block("a", "1\n", "2\n"), {.cut_off = true});
  ASSERT_THAT(parsed.faults, SizeIs(1));
  EXPECT_THAT(parsed.faults[0].message, HasSubstr("cut off"));
}

TEST(ParseTest, TakesBlocksWhoseFenceIsNotClosed) {
  const ParsedAnswer parsed = ParseAnswer(std::string("a\n```\n") + kBody + "b\n```\n" + kBody);
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(2));
  EXPECT_EQ(parsed.edits[1].path, "b");
}

TEST(ParseTest, SkipsThinking) {
  const ParsedAnswer parsed = ParseAnswer("<think>\nfoo.py\n```\nno\n```\n</think>\n" + Block("a", "1\n", "2\n"));
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(1));
  EXPECT_EQ(parsed.edits[0].path, "a");
}

TEST(ParseTest, ReadsSeveralFormatsAtOnce) {
  const ParsedAnswer parsed = ParseAnswer("First:\n\n" + Block("a.py", "1\n", "2\n") + "\n" + Whole("b.py", "x\n") +
                                          "\n```diff\n--- a/c.py\n+++ b/c.py\n@@ -1 +1 @@\n-1\n+2\n```\n\nDELETE FILE: "
                                          "d.py\n`RENAME FILE: e.py -> f.py`\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(5));
  EXPECT_EQ(parsed.edits[0].format, BlockFormat::kSearchReplace);
  EXPECT_EQ(parsed.edits[1].kind, EditKind::kWhole);
  EXPECT_EQ(parsed.edits[2].format, BlockFormat::kUnifiedDiff);
  EXPECT_EQ(parsed.edits[3].kind, EditKind::kDelete);
  EXPECT_EQ(parsed.edits[4].new_path, "f.py");
  EXPECT_EQ(parsed.edits[4].number, 5);
}

TEST(ParseTest, ReadsCommandsAloneInAFence) {
  const ParsedAnswer parsed = ParseAnswer("```\nDELETE FILE: d.py\nRENAME FILE: e.py => f.py\n```\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  EXPECT_THAT(parsed.edits, SizeIs(2));
}

TEST(ParseTest, TakesNestedFencesForPartsOfAFile) {
  const std::string content = "# Use\n```bash\nmake\n```\nDone.\n";
  const ParsedAnswer parsed = ParseAnswer("README.md\n```markdown\n" + content + "```\n");
  EXPECT_THAT(parsed.faults, IsEmpty());
  ASSERT_THAT(parsed.edits, SizeIs(1));
  EXPECT_EQ(parsed.edits[0].replace, content);
}

TEST(ParseTest, TakesAnythingBetweenLongerFences) {
  const std::string content = "# Use\n```\nmake\n```\nDone.\n";
  for (const char* fence : {"````", "~~~~", "~~~"}) {
    const ParsedAnswer parsed = ParseAnswer(Whole("README.md", content, fence));
    EXPECT_THAT(parsed.faults, IsEmpty());
    ASSERT_THAT(parsed.edits, SizeIs(1));
    EXPECT_EQ(parsed.edits[0].replace, content);
  }
}

TEST(ParseTest, RefusesNestedFencesThatMayEndTheFile) {
  for (const char* content : {"# Use\n```\nmake\n```\nDone.\n", "a\n```\nx\n```\nb\n```\ny\n```\nc\n",
                              "Usage:\n```\n\nsrc/main.py\n```\nmore\n"}) {
    const ParsedAnswer parsed = ParseAnswer(Whole("README.md", content));
    EXPECT_THAT(parsed.faults, testing::Not(IsEmpty())) << content;
  }
}

TEST(ParseTest, RefusesAFileWithoutAName) {
  const ParsedAnswer parsed = ParseAnswer("Here is the code:\n```python\nx = 1\n```\n");
  ASSERT_THAT(parsed.faults, SizeIs(1));
  EXPECT_THAT(parsed.faults[0].message, HasSubstr("path"));
}

TEST(ParseTest, RefusesAPathAtTheEndOfAParagraph) {
  const ParsedAnswer parsed = ParseAnswer("Now run this\ntests/run.sh\n```\noutput\n```\n");
  EXPECT_THAT(parsed.faults, SizeIs(1));
  EXPECT_THAT(parsed.edits, IsEmpty());
}

TEST(ParseTest, RefusesMarksWithinAWholeFile) {
  const ParsedAnswer parsed = ParseAnswer("a.py\n```\nx\ny\nz\n<<<<<<< SEARCH\n1\n=======\n2\n>>>>>>> REPLACE\n```\n");
  EXPECT_THAT(parsed.faults, testing::Not(IsEmpty()));
}

TEST(ParseTest, RefusesTooMuch) {
  ParseOptions options;
  options.limits.answer_bytes = 10;
  EXPECT_THAT(ParseAnswer("this is longer", options).faults, SizeIs(1));
  options = {};
  options.limits.blocks = 2;
  EXPECT_THAT(ParseAnswer("DELETE FILE: a\nDELETE FILE: b\nDELETE FILE: c\nDELETE FILE: d\n", options).faults,
              SizeIs(1));
}

TEST(ParseTest, FindsNothingInProse) {
  EXPECT_TRUE(ParseAnswer("").empty());
  EXPECT_TRUE(ParseAnswer("All is well.\n\nTitle\n=======\n--- a rule\n").empty());
}

// ---- Diffs.

std::string Diff(std::string_view hunks) { return "```diff\n" + std::string(hunks) + "```\n"; }

Files Applied(const Files& files, const std::string& answer) {
  const Resolution resolution = ResolveText(files, answer);
  EXPECT_TRUE(resolution.ok()) << answer;
  return After(files, resolution.plan);
}

TEST(ParseDiffTest, DoesNotBelieveLineNumbers) {
  EXPECT_EQ(
      Applied({{"a", "1\n2\n3\n4\n"}}, Diff("--- a/a\n+++ b/a\n@@ -100,9 +200,9 @@ somewhere\n 2\n-3\n+three\n 4\n")),
      (Files{{"a", "1\n2\nthree\n4\n"}}));
  EXPECT_EQ(Applied({{"a", "1\n2\n"}}, Diff("--- a/a\n+++ b/a\n@@ ... @@\n-1\n+one\n")), (Files{{"a", "one\n2\n"}}));
  EXPECT_EQ(Applied({{"a", "1\n2\n"}}, Diff("--- a\n+++ a\n-1\n+one\n")), (Files{{"a", "one\n2\n"}}));
}

TEST(ParseDiffTest, ReadsSeveralFilesAndHunks) {
  EXPECT_EQ(Applied({{"a", "1\n2\n3\n"}, {"b", "x\n"}},
                    Diff("diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+one\n@@ -3 +3 "
                         "@@\n-3\n+three\n--- a/b\n+++ b/b\n@@ -1 +1 @@\n-x\n+y\n")),
            (Files{{"a", "one\n2\nthree\n"}, {"b", "y\n"}}));
}

TEST(ParseDiffTest, MakesDeletesAndRenames) {
  EXPECT_EQ(Applied({}, Diff("--- /dev/null\n+++ b/d/a\n@@ -0,0 +1,2 @@\n+1\n+2\n")), (Files{{"d/a", "1\n2\n"}}));
  EXPECT_EQ(Applied({}, Diff("--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+1\n\\ No newline at end of file\n")),
            (Files{{"a", "1"}}));
  EXPECT_EQ(Applied({{"a", "1\n"}}, Diff("--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n")), Files{});
  EXPECT_EQ(Applied({{"a", "1\n"}}, Diff("diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n")),
            (Files{{"b", "1\n"}}));
  EXPECT_EQ(Applied({{"a", "1\n2\n"}}, Diff("--- a/a\n+++ b/b\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n")),
            (Files{{"b", "one\n2\n"}}));
  EXPECT_EQ(Applied({}, Diff("diff --git a/e b/e\nnew file mode 100755\nindex 0..0\n")), (Files{{"e", ""}}));
}

TEST(ParseDiffTest, ForgivesEmptyLinesOfContext) {
  EXPECT_EQ(Applied({{"a", "1\n\n2\n"}}, Diff("--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\n\n-2\n+two\n\n")),
            (Files{{"a", "1\n\ntwo\n"}}));
}

TEST(ParseDiffTest, ChangesTheEndOfTheLastLine) {
  EXPECT_EQ(Applied({{"a", "1\n2"}}, Diff("--- a/a\n+++ b/a\n@@ -2 +2 @@\n-2\n\\ No newline at end of file\n+2\n")),
            (Files{{"a", "1\n2\n"}}));
  EXPECT_EQ(Applied({{"a", "1\n2\n"}}, Diff("--- a/a\n+++ b/a\n@@ -2 +2 @@\n-2\n+2\n\\ No newline at end of file\n")),
            (Files{{"a", "1\n2"}}));
}

TEST(ParseDiffTest, ReadsADiffWithoutAFence) {
  EXPECT_EQ(
      Applied({{"a", "1\n2\n"}}, "Like this:\n\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n\nThat is all.\n"),
      (Files{{"a", "one\n2\n"}}));
}

TEST(ParseDiffTest, ReadsRemovedLinesThatLookLikeHeaders) {
  EXPECT_EQ(
      Applied({{"a.sql", "-- old\nx\n"}}, Diff("--- a/a.sql\n+++ b/a.sql\n@@ -1,2 +1,2 @@\n--- old\n+++ new\n x\n")),
      (Files{{"a.sql", "++ new\nx\n"}}));
}

TEST(ParseDiffTest, TakesThePathBeforeTheFence) {
  EXPECT_EQ(Applied({{"a.py", "1\n2\n"}}, "a.py\n" + Diff("@@ -1 +1 @@\n-1\n+one\n")), (Files{{"a.py", "one\n2\n"}}));
}

TEST(ParseDiffTest, RefusesBinaryPatches) {
  EXPECT_THAT(ParseAnswer(Diff("diff --git a/a b/a\nGIT binary patch\nliteral 3\n")).faults, testing::Not(IsEmpty()));
}

TEST(ParseDiffTest, RefusesAnInsertionThatNamesNoPlace) {
  EXPECT_FALSE(ResolveText({{"a", "1\n"}}, Diff("--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n+2\n")).ok());
}

// What libFuzzer would try, without it: answers of all formats with some bytes and lines changed.
TEST(ParseTest, TheFuzzTargetHoldsOnAnswersWithWrongBytes) {
  const std::string content = "def f():\n    return 1\n\n\ndef g():\n    return 2\n";
  const std::string nul(1, '\0');
  const std::string texts[] = {
      content + nul + Block("a.py", "def f():\n", "def h():\n") + "DELETE FILE: empty\n",
      content + nul + Whole("README.md", "# A\n```sh\nx\n```\n", "~~~~") + EditInstructions(EditFormat::kSearchReplace),
      content + nul +
          Diff("diff --git a/a.py b/c.py\nrename from a.py\nrename to c.py\n--- a/a.py\n+++ b/c.py\n@@ -1 +1 @@\n-def "
               "f():\n+x\n"),
      content + nul + Block("src/b.json", "def f():\n...\ndef g():\n", "x\n...\ny\n") + "RENAME FILE: a.py -> link\n",
  };
  const auto rng = MakeSeededRng(11);
  for (int round = 0; round < 4'000; ++round) {
    std::string text = texts[rng->Below(4)];
    for (std::uint64_t changes = rng->Below(6); changes > 0; --changes) {
      const std::size_t at = rng->Below(text.size());
      static constexpr char kBytes[] = "`~<>=+-@ \n\r.\t/a\x80";
      switch (rng->Below(3)) {
        case 0:
          text[at] = kBytes[rng->Below(sizeof(kBytes))];
          break;
        case 1:
          text.erase(at, rng->Below(20));
          break;
        default:
          text.insert(at, text.substr(rng->Below(text.size()), rng->Below(30)));
          break;
      }
      if (text.empty()) text = " ";
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
}

}  // namespace
}  // namespace switchyard::executor::edits

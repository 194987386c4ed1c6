#include "services/executor/edits/resolve.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/sha256.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char kPy[] = "import os\n\n\ndef area(w, h):\n    return w + h\n\n\ndef edge(w, h):\n    return 2 * (w + h)\n";

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, from.size(), to);
}

class ResolveCase : public ::testing::TestWithParam<EditCase> {};

TEST_P(ResolveCase, Holds) {
  const EditCase& edit_case = GetParam();
  const Resolution resolution = ResolveText(edit_case.files, edit_case.answer);
  EXPECT_EQ(resolution.ok(), edit_case.want.has_value());
  const BlockVerdict* decides = resolution.verdicts.empty() ? nullptr : &resolution.verdicts.front();
  for (auto verdict = resolution.verdicts.rbegin(); verdict != resolution.verdicts.rend(); ++verdict) {
    if (!Harmless(verdict->status)) decides = &*verdict;
  }
  if (!resolution.ok()) {
    EXPECT_THAT(resolution.plan.changes, IsEmpty());
  }
  if (!resolution.faults.empty()) {
    EXPECT_THAT(resolution.faults.front().message, HasSubstr(edit_case.says));
    return;
  }
  ASSERT_NE(decides, nullptr);
  EXPECT_EQ(decides->status, edit_case.status) << decides->message;
  EXPECT_EQ(decides->rung, edit_case.rung);
  EXPECT_THAT(decides->message, HasSubstr(edit_case.says));
  if (edit_case.want.has_value()) {
    EXPECT_EQ(After(edit_case.files, resolution.plan), *edit_case.want);
  }
}

std::string NameOf(const ::testing::TestParamInfo<EditCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Exact, ResolveCase,
    ::testing::Values(
        EditCase{"ReplacesALineThatIsThereOnce",
                 {{"a.py", kPy}},
                 Block("a.py", "    return w + h\n", "    return w * h\n"),
                 Files{{"a.py", Replaced(kPy, "w + h\n", "w * h\n")}}},
        EditCase{"ReplacesSeveralLines",
                 {{"a", "1\n2\n3\n4\n"}},
                 Block("a", "2\n3\n", "two\nthree\nmore\n"),
                 Files{{"a", "1\ntwo\nthree\nmore\n4\n"}}},
        EditCase{"RemovesLines", {{"a", "1\n2\n3\n"}}, Block("a", "2\n", ""), Files{{"a", "1\n3\n"}}},
        EditCase{
            "InsertsBeforeTheFirstLine", {{"a", "1\n2\n"}}, Block("a", "1\n", "0\n1\n"), Files{{"a", "0\n1\n2\n"}}},
        EditCase{"AppendsBehindTheLastLine", {{"a", "1\n2\n"}}, Block("a", "2\n", "2\n3\n"), Files{{"a", "1\n2\n3\n"}}},
        EditCase{"EmptiesAFileWhoseLinesAreAllRemoved", {{"a", "1\n2\n"}}, Block("a", "1\n2\n", ""), Files{{"a", ""}}},
        EditCase{"KeepsAMissingFinalNewline", {{"a", "1\n2"}}, Block("a", "2\n", "two\n"), Files{{"a", "1\ntwo"}}},
        EditCase{
            "AppendsToAFileWithoutFinalNewline", {{"a", "1\n2"}}, Block("a", "2\n", "2\n3\n"), Files{{"a", "1\n2\n3"}}},
        EditCase{"LeavesTheEndAloneWhenTheMiddleChanges",
                 {{"a", "1\n2\n3"}},
                 Block("a", "2\n", "two\n"),
                 Files{{"a", "1\ntwo\n3"}}},
        EditCase{"KeepsCarriageReturns",
                 {{"a", "1\r\n2\r\n3\r\n"}},
                 Block("a", "2\n", "two\nmore\n"),
                 Files{{"a", "1\r\ntwo\r\nmore\r\n3\r\n"}}},
        EditCase{"KeepsCarriageReturnsWithoutFinalOne",
                 {{"a", "1\r\n2"}},
                 Block("a", "1\n2\n", "1\ntwo\n"),
                 Files{{"a", "1\r\ntwo"}}},
        EditCase{"FollowsTheLocalEndsOfAFileWithBoth",
                 {{"a", "1\r\n2\r\n3\n4\n"}},
                 Block("a", "2\n3\n", "two\n3\nx\n"),
                 Files{{"a", "1\r\ntwo\r\n3\nx\n4\n"}}},
        EditCase{"ReadsAnAnswerWithCarriageReturns",
                 {{"a", "1\n2\n"}},
                 "a\r\n```\r\n<<<<<<< SEARCH\r\n2\r\n=======\r\ntwo\r\n>>>>>>> REPLACE\r\n```\r\n",
                 Files{{"a", "1\ntwo\n"}}},
        EditCase{"KeepsAByteOrderMark",
                 {{"a",
                   "\xEF\xBB\xBF"
                   "1\n2\n"}},
                 Block("a", "1\n", "one\n"),
                 Files{{"a",
                        "\xEF\xBB\xBF"
                        "one\n2\n"}}},
        EditCase{"MatchesUnicode",
                 {{"a", "gr\xC3\xBC\xC3\x9F dich\n\xE6\x97\xA5\xE6\x9C\xAC\n"}},
                 Block("a", "\xE6\x97\xA5\xE6\x9C\xAC\n", "\xF0\x9F\x98\x80\n"),
                 Files{{"a", "gr\xC3\xBC\xC3\x9F dich\n\xF0\x9F\x98\x80\n"}}},
        EditCase{"LeavesBytesThatAreNoUtf8Alone",
                 {{"a", "caf\xE9\nx\n"}},
                 Block("a", "x\n", "y\n"),
                 Files{{"a", "caf\xE9\ny\n"}}},
        EditCase{
            "DoesNotTakeAPartOfALine", {{"a", "foobar\n"}}, Block("a", "foo\n", "x\n"), {}, BlockStatus::kNotFound},
        EditCase{"TellsUnlikeNormalFormsApart",
                 {{"a", "e\xCC\x81\n"}},
                 Block("a", "\xC3\xA9\n", "x\n"),
                 {},
                 BlockStatus::kNotFound},
        EditCase{
            "TakesABlankLineThatIsTheOnlyOne", {{"a", "1\n\n2\n"}}, Block("a", "\n", "x\n"), Files{{"a", "1\nx\n2\n"}}},
        EditCase{"AppliesSeveralBlocksOfOneFile",
                 {{"a", "1\n2\n3\n4\n"}},
                 Block("a", "4\n", "four\n") + Block("a", "1\n", "one\nx\n"),
                 Files{{"a", "one\nx\n2\n3\nfour\n"}}},
        EditCase{"AppliesBlocksOfSeveralFiles",
                 {{"a", "1\n"}, {"d/b", "2\n"}},
                 Block("a", "1\n", "one\n") + Block("d/b", "2\n", "two\n"),
                 Files{{"a", "one\n"}, {"d/b", "two\n"}}},
        EditCase{"MatchesAllBlocksAgainstTheSameState",
                 {{"a", "1\n2\n"}},
                 Block("a", "1\n", "2\n") + Block("a", "2\n", "1\n"),
                 Files{{"a", "2\n1\n"}}},
        EditCase{"LetsTwoBlocksQuoteTheSameContext",
                 {{"a", "1\nsame\n3\n"}},
                 Block("a", "1\nsame\n", "one\nsame\n") + Block("a", "same\n3\n", "same\nthree\n"),
                 Files{{"a", "one\nsame\nthree\n"}}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Ambiguous, ResolveCase,
    ::testing::Values(EditCase{"RefusesLinesThatAreThereTwice",
                               {{"a", "x\ny\nx\n"}},
                               Block("a", "x\n", "z\n"),
                               {},
                               BlockStatus::kNotUnique,
                               Rung::kExact,
                               "lines 1, 3"},
                      EditCase{"RefusesRunsThatOverlapThemselves",
                               {{"a", "x\nx\nx\n"}},
                               Block("a", "x\nx\n", "z\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"TakesContextThatMakesItUnique",
                               {{"a", "x\ny\nx\nz\n"}},
                               Block("a", "x\nz\n", "X\nz\n"),
                               Files{{"a", "x\ny\nX\nz\n"}}},
                      EditCase{"RefusesRepeatedFunctions",
                               {{"a", "f() {\n  a;\n}\ng() {\n  a;\n}\n"}},
                               Block("a", "  a;\n}\n", "  b;\n}\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"PrefersTheExactOneToOneThatIsLikeIt",
                               {{"a", "  x = 1\nx = 1\n"}},
                               Block("a", "x = 1\n", "x = 2\n"),
                               Files{{"a", "  x = 1\nx = 2\n"}}},
                      EditCase{"RefusesTwoThatDifferInTrailingBlanksOnly",
                               {{"a", "x \nx  \n"}},
                               Block("a", "x\n", "z\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"RefusesTwoThatDifferInIndentationOnly",
                               {{"a", "  x\n    x\n"}},
                               Block("a", "x\n", "z\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"RefusesBlankLinesThatAreMany",
                               {{"a", "1\n\n2\n\n"}},
                               Block("a", "\n", "x\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"RefusesTheWholeAnswerForOneBlock",
                               {{"a", "1\n2\n"}, {"b", "x\nx\n"}},
                               Block("a", "1\n", "one\n") + Block("b", "x\n", "y\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"RefusesTwoBlocksForTheSameLine",
                               {{"a", "1\n2\n"}},
                               Block("a", "1\n", "one\n") + Block("a", "1\n", "uno\n"),
                               {},
                               BlockStatus::kOverlap,
                               Rung::kExact,
                               "block 1"},
                      EditCase{"RefusesABlockWithinAnother",
                               {{"a", "1\n2\n3\n"}},
                               Block("a", "1\n2\n3\n", "x\ny\nz\n") + Block("a", "2\n", "two\n"),
                               {},
                               BlockStatus::kOverlap},
                      EditCase{"RefusesBlocksThatChangeWhatTheOtherQuotes",
                               {{"a", "1\n2\n3\n"}},
                               Block("a", "1\n2\n", "1\ntwo\n") + Block("a", "2\n3\n", "2\nthree\n"),
                               {},
                               BlockStatus::kOverlap},
                      EditCase{"RefusesTwoInsertionsAtOnePlace",
                               {{"a", "1\n2\n"}},
                               Block("a", "1\n", "1\nx\n") + Block("a", "2\n", "y\n2\n"),
                               {},
                               BlockStatus::kOverlap},
                      EditCase{"PointsAtLinesThatAnotherBlockWrites",
                               {{"a", "1\n2\n"}},
                               Block("a", "1\n", "call_it()\n") + Block("a", "call_it()\n", "call_me()\n"),
                               {},
                               BlockStatus::kNotFound,
                               Rung::kExact,
                               "block 1"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Drifted, ResolveCase,
    ::testing::Values(EditCase{"IgnoresBlanksAtLineEnds",
                               {{"a", "foo  \nbar\t\n"}},
                               Block("a", "foo\nbar\n", "foo\nbaz\n"),
                               Files{{"a", "foo  \nbaz\n"}},
                               BlockStatus::kApplies,
                               Rung::kTrailingBlanks},
                      EditCase{"IgnoresBlanksAtLineEndsOfTheAnswer",
                               {{"a", "foo\nbar\n"}},
                               Block("a", "foo  \nbar\n", "foo  \nbaz\n"),
                               Files{{"a", "foo\nbaz\n"}},
                               BlockStatus::kApplies,
                               Rung::kTrailingBlanks},
                      EditCase{"IndentsWhatWasWrittenWithoutIndentation",
                               {{"a", "class A:\n    def f(self):\n        return 1\n"}},
                               Block("a", "def f(self):\n    return 1\n", "def f(self):\n    x = 2\n    return x\n"),
                               Files{{"a", "class A:\n    def f(self):\n        x = 2\n        return x\n"}},
                               BlockStatus::kApplies,
                               Rung::kIndent},
                      EditCase{"TakesIndentationAwayThatIsTooMuch",
                               {{"a", "def f():\n    return 1\n"}},
                               Block("a", "    def f():\n        return 1\n", "    def f():\n        return 2\n"),
                               Files{{"a", "def f():\n    return 2\n"}},
                               BlockStatus::kApplies,
                               Rung::kIndent},
                      EditCase{"IndentsByTabs",
                               {{"a", "func f() {\n\t\tif x {\n\t\t\ty()\n\t\t}\n}\n"}},
                               Block("a", "if x {\n\ty()\n}\n", "if x {\n\tz()\n}\n"),
                               Files{{"a", "func f() {\n\t\tif x {\n\t\t\tz()\n\t\t}\n}\n"}},
                               BlockStatus::kApplies,
                               Rung::kIndent},
                      EditCase{"LeavesBlankLinesUnindented",
                               {{"a", "  foo\n\n  bar\n"}},
                               Block("a", "foo\n\nbar\n", "foo\n\nbaz\n"),
                               Files{{"a", "  foo\n\n  baz\n"}},
                               BlockStatus::kApplies,
                               Rung::kIndent},
                      EditCase{"RefusesIndentationThatDiffersFromLineToLine",
                               {{"a", "if x:\n    foo()\n    bar()\n"}},
                               Block("a", "if x:\n  foo()\n  bar()\n", "if x:\n  foo()\n"),
                               {},
                               BlockStatus::kNotFound,
                               Rung::kExact,
                               "indented otherwise"},
                      EditCase{"RefusesTabsForBlanks",
                               {{"a", "if x:\n\tfoo()\n"}},
                               Block("a", "if x:\n    foo()\n", "if x:\n    bar()\n"),
                               {},
                               BlockStatus::kNotFound,
                               Rung::kExact,
                               "indented otherwise"},
                      EditCase{"RefusesAReplacementThatCannotBeShifted",
                               {{"a", "foo()\nbar()\n"}},
                               Block("a", "    foo()\n    bar()\n", "    foo()\n#if X\n"),
                               {},
                               BlockStatus::kNotFound,
                               Rung::kExact,
                               "cannot be moved alike"},
                      EditCase{"DropsABlankLineBeforeTheSearch",
                               {{"a", "1\nfoo\n2\n"}},
                               Block("a", "\nfoo\n", "\nbar\n"),
                               Files{{"a", "1\nbar\n2\n"}},
                               BlockStatus::kApplies,
                               Rung::kLeadingBlankLine},
                      EditCase{"DropsItFromTheSearchAlone",
                               {{"a", "1\nfoo\n2\n"}},
                               Block("a", "\nfoo\n", "bar\n"),
                               Files{{"a", "1\nbar\n2\n"}},
                               BlockStatus::kApplies,
                               Rung::kLeadingBlankLine},
                      EditCase{"RefusesALineThatEitherBlankLineMayBeLeftAsideFor",
                               {{"a", "0\n\nfoo\n1\nfoo\n\n2\n"}},
                               Block("a", "\nfoo\n\n", "bar\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"FindsLinesThatBlankLinesPart",
                               {{"a", "foo\n\nbar\nend\n"}},
                               Block("a", "foo\nbar\n", "foo\nbaz\n"),
                               Files{{"a", "foo\n\nbaz\nend\n"}},
                               BlockStatus::kApplies,
                               Rung::kBlankLines},
                      EditCase{"FindsLinesWithoutTheBlankOnesOfTheSearch",
                               {{"a", "foo\nbar\nend\n"}},
                               Block("a", "foo\n\n\nbar\n", "foo\n\n\nbaz\n"),
                               Files{{"a", "foo\nbaz\nend\n"}},
                               BlockStatus::kApplies,
                               Rung::kBlankLines},
                      EditCase{"KeepsBlankLinesThatTheSearchForgot",
                               {{"a", "one()\n\ntwo()\n\n\nthree()\n"}},
                               Block("a", "one()\ntwo()\nthree()\n", "one()\ntwo()\nthree(3)\n"),
                               Files{{"a", "one()\n\ntwo()\n\n\nthree(3)\n"}},
                               BlockStatus::kApplies,
                               Rung::kBlankLines},
                      EditCase{"RefusesBlankLinesAsideWhenThereAreTwo",
                               {{"a", "foo\n\nbar\nfoo\n\n\nbar\n"}},
                               Block("a", "foo\nbar\n", "x\n"),
                               {},
                               BlockStatus::kNotUnique},
                      EditCase{"FindsCarriageReturnsAndTrailingBlanksAtOnce",
                               {{"a", "foo \r\nbar\r\n"}},
                               Block("a", "foo\nbar\n", "foo\nbaz\n"),
                               Files{{"a", "foo \r\nbaz\r\n"}},
                               BlockStatus::kApplies,
                               Rung::kTrailingBlanks},
                      EditCase{"NeverGuessesAtALineThatIsAlmostTheSame",
                               {{"a", "return widht * height\n"}},
                               Block("a", "return width * height\n", "return 0\n"),
                               {},
                               BlockStatus::kNotFound}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(Elided, ResolveCase,
                         ::testing::Values(EditCase{"JoinsPartsBetweenDots",
                                                    {{"a", "begin\n1\n2\n3\nend\n"}},
                                                    Block("a", "begin\n...\nend\n", "Begin\n...\nEnd\n"),
                                                    Files{{"a", "Begin\n1\n2\n3\nEnd\n"}},
                                                    BlockStatus::kApplies,
                                                    Rung::kElision},
                                           EditCase{"ReadsDotsInAComment",
                                                    {{"a", "f() {\n  a;\n  b;\n}\n"}},
                                                    Block("a", "f() {\n  // ...\n  b;\n", "f(x) {\n  // ...\n  b;\n"),
                                                    Files{{"a", "f(x) {\n  a;\n  b;\n}\n"}},
                                                    BlockStatus::kApplies,
                                                    Rung::kElision},
                                           EditCase{"ReadsWordsForDotsOnBothSides",
                                                    {{"a", "f() {\n  a;\n  b;\n}\n"}},
                                                    Block("a", "f() {\n  // ... existing code ...\n  b;\n",
                                                          "f() {\n  // ... existing code ...\n  c;\n"),
                                                    Files{{"a", "f() {\n  a;\n  c;\n}\n"}},
                                                    BlockStatus::kApplies,
                                                    Rung::kElision},
                                           EditCase{"RefusesAPartThatIsThereTwice",
                                                    {{"a", "begin\nx\nend\nx\nend\n"}},
                                                    Block("a", "begin\n...\nend\n", "begin\n...\nEND\n"),
                                                    {},
                                                    BlockStatus::kNotUnique,
                                                    Rung::kExact,
                                                    "part 2"},
                                           EditCase{"RefusesDotsThatDoNotComeBack",
                                                    {{"a", "begin\n1\nend\n"}},
                                                    Block("a", "begin\n...\nend\n", "begin\nend\n"),
                                                    {},
                                                    BlockStatus::kNotFound,
                                                    Rung::kExact,
                                                    "come back"},
                                           EditCase{"RefusesPartsInAnotherOrder",
                                                    {{"a", "end\n1\nbegin\n"}},
                                                    Block("a", "begin\n...\nend\n", "b\n...\ne\n"),
                                                    {},
                                                    BlockStatus::kNotFound,
                                                    Rung::kExact,
                                                    "in this order"},
                                           EditCase{"RefusesTextForAPlaceThatNothingNames",
                                                    {{"a", "begin\n1\n"}},
                                                    Block("a", "begin\n...\n", "begin\n...\nend\n"),
                                                    {},
                                                    BlockStatus::kNotFound},
                                           EditCase{"TakesDotsThatAreInTheFile",
                                                    {{"a.py", "def f():\n    ...\n"}},
                                                    Block("a.py", "def f():\n    ...\n", "def f():\n    return 1\n"),
                                                    Files{{"a.py", "def f():\n    return 1\n"}}}),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(
    LeftOut, ResolveCase,
    ::testing::Values(EditCase{"RefusesExistingCode",
                               {{"a.js", "f();\ng();\n"}},
                               Block("a.js", "f();\n", "h();\n// ... existing code ...\n"),
                               {},
                               BlockStatus::kPlaceholder,
                               Rung::kExact,
                               "existing code"},
                      EditCase{"RefusesTheRestOfTheFile",
                               {{"a.py", kPy}},
                               Whole("a.py", "import sys\n# rest of the file unchanged\n"),
                               {},
                               BlockStatus::kPlaceholder},
                      EditCase{"RefusesBareDotsInAWholeFile",
                               {{"a.go", "package a\n"}},
                               Whole("a.go", "package a\n\n...\n"),
                               {},
                               BlockStatus::kPlaceholder},
                      EditCase{"RefusesDotsInMarkup",
                               {{"a.vue", "<p>\n"}},
                               Whole("a.vue", "<p>\n<!-- ... other fields ... -->\n"),
                               {},
                               BlockStatus::kPlaceholder},
                      EditCase{"RefusesPlaceholdersInANewFile",
                               {},
                               Block("a.c", "", "int main() {\n  /* ... rest of the implementation ... */\n}\n"),
                               {},
                               BlockStatus::kPlaceholder},
                      EditCase{"TakesDotsAsABodyInPython",
                               {},
                               Whole("a.py", "def f():\n    ...\n"),
                               Files{{"a.py", "def f():\n    ...\n"}}},
                      EditCase{"RefusesDotsInTheMiddleOfAModule",
                               {},
                               Whole("a.py", "import os\n...\nx = 1\n"),
                               {},
                               BlockStatus::kPlaceholder},
                      EditCase{"KeepsAPlaceholderThatTheFileHas",
                               {{"a.js", "// ... existing code ...\nf();\n"}},
                               Block("a.js", "f();\n", "g();\n// ... existing code ...\n"),
                               Files{{"a.js", "// ... existing code ...\ng();\n// ... existing code ...\n"}}},
                      EditCase{"TakesACommentThatEndsInDots",
                               {{"a.js", "f();\n"}},
                               Block("a.js", "f();\n", "// Loading other files...\ng();\n"),
                               Files{{"a.js", "// Loading other files...\ng();\n"}}},
                      EditCase{"TakesACommentAboutTheRestOfAFile",
                               {{"a.js", "f();\n"}},
                               Block("a.js", "f();\n", "// The rest of the file is read lazily by the caller.\ng();\n"),
                               Files{{"a.js", "// The rest of the file is read lazily by the caller.\ng();\n"}}},
                      EditCase{"TakesSpreadArguments",
                               {{"a.js", "f();\n"}},
                               Block("a.js", "f();\n", "f(\n  ...rest\n);\n"),
                               Files{{"a.js", "f(\n  ...rest\n);\n"}}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    MadeAndGone, ResolveCase,
    ::testing::Values(
        EditCase{"MakesAFileByAnEmptySearch", {}, Block("d/a", "", "1\n2\n"), Files{{"d/a", "1\n2\n"}}},
        EditCase{"MakesAFileByWritingItWhole", {}, Whole("d/a.txt", "1\n2\n"), Files{{"d/a.txt", "1\n2\n"}}},
        EditCase{"MakesAnEmptyFile", {}, Whole("a/__init__.py", ""), Files{{"a/__init__.py", ""}}},
        EditCase{"FillsAnEmptyFile", {{"a", ""}}, Block("a", "", "1\n"), Files{{"a", "1\n"}}},
        EditCase{"RefusesToMakeAFileThatIsThere",
                 {{"a", "1\n"}},
                 Block("a", "", "2\n"),
                 {},
                 BlockStatus::kConflict,
                 Rung::kExact,
                 "there already"},
        EditCase{"RefusesToSearchInAFileThatIsNot",
                 {},
                 Block("a", "1\n", "2\n"),
                 {},
                 BlockStatus::kNotFound,
                 Rung::kExact,
                 "no such file"},
        EditCase{"RewritesAFile", {{"a.txt", "1\n2\n"}}, Whole("a.txt", "3\n"), Files{{"a.txt", "3\n"}}},
        EditCase{"RewritesWithItsCarriageReturns",
                 {{"a.txt", "1\r\n2\r\n"}},
                 Whole("a.txt", "3\n4\n"),
                 Files{{"a.txt", "3\r\n4\r\n"}}},
        EditCase{
            "RewritesWithoutItsFinalNewline", {{"a.txt", "1\n2"}}, Whole("a.txt", "3\n4\n"), Files{{"a.txt", "3\n4"}}},
        EditCase{"RewritesWithItsByteOrderMark",
                 {{"a.txt",
                   "\xEF\xBB\xBF"
                   "1\n"}},
                 Whole("a.txt", "2\n"),
                 Files{{"a.txt",
                        "\xEF\xBB\xBF"
                        "2\n"}}},
        EditCase{"EmptiesAFile", {{"a.txt", "1\n2\n"}}, Whole("a.txt", ""), Files{{"a.txt", ""}}},
        EditCase{"DeletesAFile", {{"a", "1\n"}, {"b", "2\n"}}, "DELETE FILE: a\n", Files{{"b", "2\n"}}},
        EditCase{"RenamesAFile", {{"a", "1\n"}}, "RENAME FILE: a -> d/b\n", Files{{"d/b", "1\n"}}},
        EditCase{"ChangesAFileUnderItsOldName",
                 {{"a", "1\n2\n"}},
                 "RENAME FILE: a -> b\n\n" + Block("a", "1\n", "one\n"),
                 Files{{"b", "one\n2\n"}}},
        EditCase{"ChangesAFileUnderItsNewName",
                 {{"a", "1\n2\n"}},
                 Block("b", "1\n", "one\n") + "\nRENAME FILE: a -> b\n",
                 Files{{"b", "one\n2\n"}}},
        EditCase{"RefusesToRenameOntoAFile",
                 {{"a", "1\n"}, {"b", "2\n"}},
                 "RENAME FILE: a -> b\n",
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesToRenameInACircle",
                 {{"a", "1\n"}, {"b", "2\n"}},
                 "RENAME FILE: a -> b\nRENAME FILE: b -> a\n",
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesTwoFilesUnderOneName",
                 {{"a", "1\n"}, {"b", "2\n"}},
                 "RENAME FILE: a -> c\nRENAME FILE: b -> c\n",
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesToRenameWhatIsNotThere", {}, "RENAME FILE: a -> b\n", {}, BlockStatus::kNotFound},
        EditCase{"RefusesToDeleteAndChange",
                 {{"a", "1\n"}},
                 "DELETE FILE: a\n\n" + Block("a", "1\n", "2\n"),
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesAFileGivenTwice",
                 {},
                 Whole("a.txt", "1\n") + "\n" + Whole("a.txt", "2\n"),
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesAWholeFileAndPartsOfIt",
                 {{"a.txt", "1\n"}},
                 Whole("a.txt", "1\n2\n") + "\n" + Block("a.txt", "1\n", "3\n"),
                 {},
                 BlockStatus::kConflict},
        EditCase{"RefusesAFileWhereAnotherNeedsAFolder",
                 {},
                 Whole("x/a.txt", "1\n") + "\n" + Whole("x/a.txt/b.txt", "2\n"),
                 {},
                 BlockStatus::kConflict,
                 Rung::kExact,
                 "needs a folder"},
        EditCase{"RefusesAFragmentForALongFile",
                 {{"a.txt", std::string(200, '\n')}},
                 Whole("a.txt", "1\n2\n"),
                 {},
                 BlockStatus::kRefused,
                 Rung::kExact,
                 "DELETE FILE: a.txt"},
        EditCase{"RewritesALongFileThatIsAlsoDeleted",
                 {{"a.txt", std::string(200, '\n')}},
                 "DELETE FILE: a.txt\n\n" + Whole("a.txt", "1\n"),
                 Files{{"a.txt", "1\n"}}},
        EditCase{"TakesSpellingsOfOnePathForOneFile",
                 {{"d/a", "1\n2\n"}},
                 Block("./d/a", "1\n", "one\n") + Block("d//a", "2\n", "two\n"),
                 Files{{"d/a", "one\ntwo\n"}}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Done, ResolveCase,
    ::testing::Values(
        EditCase{"KnowsAReplacementThatIsThere",
                 {{"a", "def area():\n    return width * height\n"}},
                 Block("a", "    return w + h\n", "    return width * height\n"),
                 Files{{"a", "def area():\n    return width * height\n"}},
                 BlockStatus::kAlreadyApplied},
        EditCase{
            "DoesNotTakeADeletionWhoseLinesHaveDriftedForWorkDone",
            {{"a", "void Run() {\n  Prepare(first);\n  LogAll(first, second);\n}\n\nx\n"}},
            Block("a", "void Run() {\n  Prepare(first);\n  LogAll(first);\n", "void Run() {\n  Prepare(first);\n") +
                Block("a", "x\n", "y\n"),
            {},
            BlockStatus::kNotFound},
        EditCase{"DoesNotTakeWhatStandsElsewhereForWorkDone",
                 {{"a", "int a = Compute(width);\nint b = Compute(height);\nint c = Old(width);\n"}},
                 Block("a", "int c = Old(width);\nint d = Old(depth);\n", "int b = Compute(height);\n"),
                 {},
                 BlockStatus::kNotFound},
        EditCase{"KnowsAnInsertionThatIsThere",
                 {{"a", "import os\nimport json\n\nx\n"}},
                 Block("a", "import os\n", "import os\nimport json\n"),
                 Files{{"a", "import os\nimport json\n\nx\n"}},
                 BlockStatus::kAlreadyApplied},
        EditCase{"InsertsABraceBesideABrace",
                 {{"a", "f {\n}\n}\n"}},
                 Block("a", "f {\n", "f {\n}\n"),
                 Files{{"a", "f {\n}\n}\n}\n"}}},
        EditCase{
            "DoesNotTakeABraceForWorkDone", {{"a", "}\n"}}, Block("a", "x();\n", "}\n"), {}, BlockStatus::kNotFound},
        EditCase{"KnowsAFileThatIsThere",
                 {{"a", "1\n"}},
                 Block("a", "", "1\n"),
                 Files{{"a", "1\n"}},
                 BlockStatus::kAlreadyApplied},
        EditCase{"KnowsAFileThatIsGone", {}, "DELETE FILE: a\n", Files{}, BlockStatus::kAlreadyApplied},
        EditCase{"KnowsAFileThatWasRenamed",
                 {{"b", "1\n"}},
                 "RENAME FILE: a -> b\n",
                 Files{{"b", "1\n"}},
                 BlockStatus::kAlreadyApplied},
        EditCase{"KnowsAWholeFileThatIsThere",
                 {{"a.txt", "1\r\n2"}},
                 Whole("a.txt", "1\n2\n"),
                 Files{{"a.txt", "1\r\n2"}},
                 BlockStatus::kAlreadyApplied},
        EditCase{"TakesABlockThatChangesNothing",
                 {{"a", "1\n"}},
                 Block("a", "1\n", "1\n"),
                 Files{{"a", "1\n"}},
                 BlockStatus::kNoChange},
        EditCase{"AppliesTheRestBesideWhatIsDone",
                 {{"a", "import os\nimport json\n\nx\n"}},
                 Block("a", "import os\n", "import os\nimport json\n") + Block("a", "x\n", "y\n"),
                 Files{{"a", "import os\nimport json\n\ny\n"}},
                 BlockStatus::kAlreadyApplied}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Outside, ResolveCase,
    ::testing::Values(
        EditCase{"RefusesAnAbsolutePath",
                 {},
                 Block("/etc/passwd", "", "x\n"),
                 {},
                 BlockStatus::kBadPath,
                 Rung::kExact,
                 "relative"},
        EditCase{"RefusesAPathUpwards",
                 {},
                 Block("a/../../b.txt", "", "x\n"),
                 {},
                 BlockStatus::kBadPath,
                 Rung::kExact,
                 ".."},
        EditCase{"RefusesHooks",
                 {},
                 Block(".git/hooks/pre-commit", "", "x\n"),
                 {},
                 BlockStatus::kBadPath,
                 Rung::kExact,
                 ".git"},
        EditCase{
            "RefusesHooksOfSubmodulesInCapitals", {}, Block("sub/.GIT/config", "", "x\n"), {}, BlockStatus::kBadPath},
        EditCase{"RefusesAHomeFolder", {}, Block("~/.ssh/config", "", "x\n"), {}, BlockStatus::kBadPath},
        EditCase{"RefusesBackslashes", {}, Block("src\\a.c", "", "x\n"), {}, BlockStatus::kBadPath},
        EditCase{"RefusesToRenameOutside", {{"a", "1\n"}}, "RENAME FILE: a -> ../a\n", {}, BlockStatus::kBadPath},
        EditCase{"RefusesToDeleteAFolder",
                 {{"d/a", "1\n"}},
                 "DELETE FILE: d\n",
                 {},
                 BlockStatus::kBadPath,
                 Rung::kExact,
                 "folder"},
        EditCase{"RefusesAFileBelowAFile",
                 {{"a", "1\n"}},
                 Block("a/b", "", "x\n"),
                 {},
                 BlockStatus::kBadPath,
                 Rung::kExact,
                 "not a folder"},
        EditCase{"RefusesABinaryFile",
                 {{"a", std::string("\x7f"
                                    "ELF\0x\n",
                                    7)}},
                 Block("a", "x\n", "y\n"),
                 {},
                 BlockStatus::kRefused,
                 Rung::kExact,
                 "binary"},
        EditCase{"RefusesToRewriteABinaryFile",
                 {{"a.bin", std::string("\0x\n", 3)}},
                 Whole("a.bin", "y\n"),
                 {},
                 BlockStatus::kRefused},
        EditCase{"RefusesToWriteANul", {}, Block("a", "", std::string("x\0\n", 3)), {}, BlockStatus::kRefused},
        EditCase{"RenamesABinaryFile",
                 {{"a.bin", std::string("\0x\n", 3)}},
                 "RENAME FILE: a.bin -> b.bin\n",
                 Files{{"b.bin", std::string("\0x\n", 3)}}}),
    NameOf);

TEST(ResolveTest, RecordsTheSnapshotThatItSaw) {
  const Resolution resolution = ResolveText({{"a", "1\n"}, {"b", "2\n"}},
                                            Block("a", "1\n", "one\n") + Block("c", "", "3\n") + "\nDELETE FILE: b\n");
  ASSERT_TRUE(resolution.ok());
  ASSERT_THAT(resolution.plan.changes, SizeIs(3));
  EXPECT_EQ(resolution.plan.changes[0].sha256_before, Sha256Hex("1\n"));
  EXPECT_EQ(resolution.plan.changes[1].sha256_before, Sha256Hex("2\n"));
  EXPECT_EQ(resolution.plan.changes[2].sha256_before, "");
}

TEST(ResolveTest, NamesTheLineWhereItApplies) {
  const Resolution resolution = ResolveText({{"a.py", kPy}}, Block("a.py", "    return w + h\n", "    return 1\n"));
  ASSERT_THAT(resolution.verdicts, SizeIs(1));
  EXPECT_EQ(resolution.verdicts[0].lines, std::vector<int>{5});
  EXPECT_EQ(resolution.verdicts[0].answer_line, 3);
}

TEST(ResolveTest, ShowsTheClosestLines) {
  const Resolution resolution =
      ResolveText({{"a.py", kPy}}, Block("a.py", "def area(width, h):\n    return w + h;\n", "x\n"));
  ASSERT_THAT(resolution.verdicts, SizeIs(1));
  EXPECT_THAT(resolution.verdicts[0].nearest, HasSubstr("    4 | def area(w, h):\n    5 |     return w + h\n"));
}

TEST(ResolveTest, ShowsNothingWhenNothingIsAlike) {
  const Resolution resolution = ResolveText({{"a.py", kPy}}, Block("a.py", "SELECT name FROM customers\n", "x\n"));
  EXPECT_EQ(resolution.verdicts[0].nearest, "");
}

TEST(ResolveTest, FollowsNoLinks) {
  MemoryFiles files;
  files.Set("link", {.kind = EntryKind::kLink});
  files.Set("pipe", {.kind = EntryKind::kSpecial});
  for (const char* path : {"link", "link/a.txt", "pipe"}) {
    for (const std::string& answer :
         {Block(path, "", "x\n"), Block(path, "y\n", "x\n"), std::string("DELETE FILE: ") + path,
          std::string("RENAME FILE: ") + path + " -> b"}) {
      const Resolution resolution = Resolve(ParseAnswer(answer), files);
      ASSERT_THAT(resolution.verdicts, SizeIs(1)) << answer;
      EXPECT_EQ(resolution.verdicts[0].status, BlockStatus::kBadPath) << answer;
    }
  }
}

TEST(ResolveTest, KeepsTheModeOfARenamedFile) {
  MemoryFiles files;
  files.Set("run.sh", {.kind = EntryKind::kFile, .content = "x\n", .mode = 0755});
  const Resolution resolution = Resolve(ParseAnswer("RENAME FILE: run.sh -> bin/run.sh"), files);
  ASSERT_THAT(resolution.plan.changes, SizeIs(2));
  EXPECT_EQ(resolution.plan.changes[0].path, "bin/run.sh");
  EXPECT_EQ(resolution.plan.changes[0].mode, mode_t{0755});
}

TEST(ResolveTest, LeavesWholeFilesToNewOnesWhenTold) {
  const ResolveOptions options{.whole_over_existing = false};
  EXPECT_FALSE(ResolveText({{"a.txt", "1\n"}}, Whole("a.txt", "2\n"), options).ok());
  EXPECT_TRUE(ResolveText({}, Whole("a.txt", "2\n"), options).ok());
}

TEST(ResolveTest, KeepsToTheBounds) {
  ResolveOptions options;
  options.limits.file_bytes = 100;
  EXPECT_THAT(ResolveText({{"a", std::string(101, 'x')}}, Block("a", "x\n", "y\n"), options).verdicts[0].message,
              HasSubstr("larger"));
  EXPECT_FALSE(ResolveText({}, Block("a", "", std::string(101, 'x') + "\n"), options).ok());
  EXPECT_FALSE(ResolveText({{"a", "1\n"}}, Block("a", "1\n", std::string(101, 'x') + "\n"), options).ok());
  options.limits.total_bytes = 50;
  EXPECT_FALSE(ResolveText({{"a", std::string(40, 'x')}, {"b", std::string(40, 'x')}},
                           "DELETE FILE: a\nDELETE FILE: b\n", options)
                   .ok());
}

// Half a million lines that are all alike, and searches that fit everywhere but for their last line.
TEST(ResolveTest, EndsSoonWhereEverythingIsAlike) {
  std::string same;
  for (int i = 0; i < 500'000; ++i) same += "x\n";
  std::string search;
  for (int i = 0; i < 2'000; ++i) search += "x\n";
  std::string answer;
  for (int i = 0; i < 20; ++i) answer += Block("a", search + "y\n", "z\n");
  answer += Block("a", search, "z\n");
  const Resolution resolution = ResolveText({{"a", same}}, answer);
  EXPECT_EQ(resolution.refused(), 21);
  EXPECT_EQ(resolution.verdicts.back().status, BlockStatus::kNotUnique);
}

TEST(ResolveTest, SaysSoWhenLookingTakesTooLong) {
  ResolveOptions options;
  options.limits.looks = 100;
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "line\n";
  lines += "last\n";
  const Resolution resolution = ResolveText({{"a", lines}}, Block("a", "line\nlast\nline\n", "x\n"), options);
  EXPECT_EQ(resolution.verdicts[0].status, BlockStatus::kRefused);
}

TEST(ResolveTest, ChangesNothingWithoutEdits) {
  const Resolution resolution = ResolveText({{"a", "1\n"}}, "Nothing needs to be done.");
  EXPECT_TRUE(resolution.ok());
  EXPECT_TRUE(resolution.plan.empty());
}

}  // namespace
}  // namespace switchyard::executor::edits

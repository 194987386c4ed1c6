#include "services/executor/delivery/story.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::delivery {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kCommit(40, 'a');

int RowsOf(const std::string& body) {
  int rows = 0;
  for (const auto line : absl::StrSplit(body, '\n')) rows += !line.empty() && line.front() == '|' ? 1 : 0;
  return rows;
}

// Bars that end cells, in the line that holds `part`.
int BarsIn(const std::string& body, const std::string& part) {
  for (const auto view : absl::StrSplit(body, '\n')) {
    const std::string line(view);
    if (line.find(part) == std::string::npos) continue;
    return static_cast<int>(std::count(line.begin(), line.end(), '|'));
  }
  return -1;
}

int CountOf(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Story Plain() {
  Story story;
  story.title = "Mend the sum";
  story.description = "The sum of nothing is zero.";
  story.steps = {
      {.name = "unit tests", .check = "test_passes", .status = "passed", .duration = absl::Milliseconds(1200)},
      {.name = "lint", .check = "command_succeeds", .status = "failed", .optional = true}};
  story.models = {"qwen2.5-coder:32b"};
  story.iterations = 3;
  story.input_tokens = 1000;
  story.output_tokens = 200;
  story.cost_micros = 12'300;
  story.files_changed = 2;
  story.lines_added = 10;
  story.lines_removed = 3;
  return story;
}

TEST(StoryTest, TheBodyTellsTaskChecksModelAndCost) {
  EXPECT_EQ(PullRequestTitle(Plain(), "0190-x"), "Mend the sum");
  EXPECT_EQ(PullRequestBody(Plain(), "0190-x", kCommit), R"(<!-- switchyard:begin -->
Task `0190-x`, commit `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`

~~~text
The sum of nothing is zero.
~~~

**Checks:** 1 of 2 passed.

| # | Check | Name | Result | Time |
|---|---|---|---|---|
| 1 | `test_passes` | `unit tests` | passed | 1.2 s |
| 2 | `command_succeeds` | `lint` | failed (optional) | 0.0 s |

**Judgement:** unjudged. This is what the executor found; the verdict comes later: `yard verify show 0190-x`

- Model: `qwen2.5-coder:32b`, tries: 3
- Tokens: 1000 in, 200 out
- Cost: 0.0123
- Changes: 2 files, +10 -3 lines
<!-- switchyard:end -->
)");
}

TEST(StoryTest, WhatIsUnknownOrMissingIsSaid) {
  Story story;
  EXPECT_EQ(PullRequestTitle(story, "0190-x"), "Task 0190-x");
  std::string body = PullRequestBody(story, "0190-x", kCommit);
  EXPECT_THAT(body, HasSubstr("the task asked for none. Nothing was verified."));
  EXPECT_THAT(body, HasSubstr("Model: none"));
  story = Plain();
  story.cost_unknown = true;
  EXPECT_THAT(PullRequestBody(story, "x", kCommit), HasSubstr("Cost: price unknown, at least 0.0123\n"));
  story.cost_micros = 0;
  EXPECT_THAT(PullRequestBody(story, "x", kCommit), HasSubstr("Cost: price unknown\n"));
  story.cost_unknown = false;
  EXPECT_THAT(PullRequestBody(story, "x", kCommit), HasSubstr("Cost: 0.0000\n"));
}

TEST(StoryTest, NamesCannotForgeRowsCellsOrMarkup) {
  for (const char* const evil :
       {"a\n| 9 | `test_passes` | `forged` | passed | 0.1 s |", "a | passed | 0.1 s |", "a\\| passed |",
        "a\\\\| passed |", "`| passed | `", "a\r\n\r\n# heading", "</td></tr><b>", "<!-- x", "<!-- switchyard:end -->",
        "@everyone", "closes #1", "[x](javascript:1)", "![x](https://evil.test/a.png)", "\x1b[31m",
        "a\u202E"
        "b",
        "a\u2028| b"}) {
    Story story = Plain();
    story.steps[0].name = evil;
    story.steps[0].check = evil;
    story.steps[0].status = evil;
    story.models = {evil};
    const std::string body = PullRequestBody(story, evil, evil);
    EXPECT_EQ(RowsOf(body), 4) << evil;
    EXPECT_EQ(BarsIn(body, "| 1 |"), 6) << evil;
    EXPECT_EQ(CountOf(body, "<!--"), 2) << evil;
    EXPECT_THAT(body, Not(HasSubstr("\x1b"))) << evil;
    EXPECT_THAT(body, Not(HasSubstr("\u202E"))) << evil;
    // Whatever it is, it stands between two backticks.
    EXPECT_EQ(CountOf(body, "`") % 2, 0) << evil;
  }
  EXPECT_EQ(CodeSpan("``", 10), "`''`");
  EXPECT_EQ(CodeSpan(" \n ", 10), "`-`");
  EXPECT_EQ(CodeSpan("a\\|b", 10), "`a\\\u00A6b`");
}

TEST(StoryTest, ADescriptionCannotLeaveItsBlock) {
  Story story = Plain();
  story.description = "a\n~~~\n# heading\n~~~~~~\n| x |\n<!-- switchyard:end -->\n@everyone closes #1";
  const std::string body = PullRequestBody(story, "x", kCommit);
  EXPECT_THAT(body, HasSubstr("~~~~~~~text\na\n~~~\n"));
  EXPECT_THAT(body, HasSubstr("closes #1\n~~~~~~~\n"));
  EXPECT_EQ(CountOf(body, "<!--"), 2);
  story.description = std::string(100'000, 'x');
  EXPECT_THAT(PullRequestBody(story, "x", kCommit), HasSubstr("x\n[cut]\n~~~\n"));
}

TEST(StoryTest, SecretsDoNotGoToTheForge) {
  Story story = Plain();
  story.title = "use ghp_0123456789012345678901234567890123456789";
  story.description = "password=hunter2";
  story.steps[0].name = "Authorization: Bearer abcdefghijklmnopqrstuvwxyz";
  const std::string all = PullRequestTitle(story, "x") + PullRequestBody(story, "x", kCommit);
  EXPECT_THAT(all, Not(HasSubstr("ghp_0")));
  EXPECT_THAT(all, Not(HasSubstr("hunter2")));
  EXPECT_THAT(all, Not(HasSubstr("abcdefghij")));
}

TEST(StoryTest, ATitleIsOneShortLineThatNamesNobody) {
  Story story;
  story.title = "a\nb\tc @everyone fixes #12 \x1b[0m";
  EXPECT_EQ(PullRequestTitle(story, "x"), "a b c @\u200Beveryone fixes #\u200B12 [0m");
  story.title = std::string(1000, '@');
  EXPECT_LE(PullRequestTitle(story, "x").size(), 200u);
  story.title = "\n\t ";
  EXPECT_EQ(PullRequestTitle(story, "x"), "Task x");
}

TEST(StoryTest, TheBodyHasABound) {
  Story story = Plain();
  story.description = std::string(1 << 20, 'd');
  story.steps.assign(5000, {.name = std::string(5000, 'n'), .check = std::string(5000, 'c'), .status = "passed"});
  story.models.assign(5000, std::string(5000, 'm'));
  const std::string body = PullRequestBody(story, "x", kCommit);
  EXPECT_LE(body.size(), std::size_t{48} << 10);
  EXPECT_THAT(body, HasSubstr("The table was cut."));
  EXPECT_THAT(body, HasSubstr("and others"));
}

TEST(StoryTest, OnlyThePartBetweenTheMarksIsReplaced) {
  const std::string old = PullRequestBody(Story(), "x", kCommit);
  const std::string fresh = PullRequestBody(Plain(), "x", kCommit);
  EXPECT_EQ(ReplaceStory("before\n" + old + "after", fresh), "before\n" + fresh + "after");
  EXPECT_EQ(ReplaceStory(fresh, fresh), fresh);
  EXPECT_EQ(ReplaceStory("a person wrote this", fresh), "a person wrote this");
  EXPECT_EQ(ReplaceStory("<!-- switchyard:begin --> cut", fresh), "<!-- switchyard:begin --> cut");
}

TEST(StoryTest, RandomTextHoldsTheInvariants) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(20260101);
  const std::vector<std::string> words = {"a",
                                          "|",
                                          "\\",
                                          "`",
                                          "~~~",
                                          "\n",
                                          "\r",
                                          "<!--",
                                          "-->",
                                          "switchyard:end",
                                          "@",
                                          "#",
                                          "\xff",
                                          "\u202E",
                                          " ",
                                          "\t",
                                          std::string(1, '\0'),
                                          "\u2028"};
  for (int round = 0; round < 5000; ++round) {
    std::string evil;
    for (std::uint64_t left = rng->Below(12); left > 0; --left) evil += words[rng->Below(words.size())];
    Story story = Plain();
    story.title = evil;
    story.description.clear();
    story.steps[0].name = story.steps[0].check = story.steps[0].status = evil;
    story.models = {evil, evil};
    const std::string body = PullRequestBody(story, evil, evil);
    ASSERT_EQ(RowsOf(body), 4) << evil;
    ASSERT_EQ(BarsIn(body, "| 1 |"), 6) << evil;
    ASSERT_EQ(CountOf(body, "<!--"), 2) << evil;
    ASSERT_EQ(CountOf(body, "`") % 2, 0) << evil;
    ASSERT_TRUE(text::IsValidUtf8(body));
    ASSERT_EQ(PullRequestTitle(story, "x").find('\n'), std::string::npos);
    story.description = evil;
    ASSERT_EQ(CountOf(PullRequestBody(story, "x", kCommit), "<!--"), 2) << evil;
  }
}

}  // namespace
}  // namespace switchyard::executor::delivery

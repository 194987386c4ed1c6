#include "tools/yard/parse.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/completion.h"
#include "tools/yard/errors.h"

namespace switchyard::yard {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<Invocation> ParseWords(std::vector<std::string> words) { return ParseCommandLine(YardTree(), words); }

std::string MessageOf(const absl::StatusOr<Invocation>& result) { return std::string(result.status().message()); }

TEST(ParseTest, TakesFlagsAnywhereAndTheRestAfterTwoDashes) {
  SY_ASSERT_OK_AND_ASSIGN(const Invocation parsed,
                          ParseWords({"-o", "json", "task", "submit", "--lane=high", "-p", "web", "-mticket=1", "-m",
                                      "a=b=c", "--", "make", "-o", "--x"}));
  EXPECT_EQ(parsed.command->path, "task submit");
  EXPECT_EQ(parsed.Get("output"), "json");
  EXPECT_EQ(parsed.Get("lane"), "high");
  EXPECT_EQ(parsed.Get("project"), "web");
  EXPECT_THAT(parsed.All("metadata"), ElementsAre("ticket=1", "a=b=c"));
  EXPECT_THAT(*parsed.rest, ElementsAre("make", "-o", "--x"));
}

TEST(ParseTest, TakesTheBareMeaningOfAFlagWithAnOptionalValue) {
  SY_ASSERT_OK_AND_ASSIGN(const Invocation bare, ParseWords({"task", "submit", "--wait", "--", "true"}));
  EXPECT_EQ(bare.Get("wait"), "final");
  SY_ASSERT_OK_AND_ASSIGN(const Invocation valued, ParseWords({"task", "submit", "--wait=accepted", "--", "true"}));
  EXPECT_EQ(valued.Get("wait"), "accepted");
}

TEST(ParseTest, BundlesShortSwitches) {
  SY_ASSERT_OK_AND_ASSIGN(const Invocation parsed, ParseWords({"task", "cancel", "-yq", "id"}));
  EXPECT_TRUE(parsed.Has("yes"));
  EXPECT_TRUE(parsed.Has("quiet"));
}

TEST(ParseTest, NamesTheNearestCommandAndFlag) {
  EXPECT_THAT(MessageOf(ParseWords({"tsak", "list"})), HasSubstr("did you mean 'yard task'?"));
  EXPECT_THAT(MessageOf(ParseWords({"task", "sumbit"})), HasSubstr("did you mean 'yard task submit'?"));
  EXPECT_THAT(MessageOf(ParseWords({"task", "list", "--projct", "x"})), HasSubstr("did you mean '--project'?"));
  EXPECT_THAT(MessageOf(ParseWords({"task", "list", "--lane", "hihg"})), HasSubstr("did you mean 'high'?"));
}

TEST(ParseTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(ParseWords({"task", "show"}), IsError("USAGE_MISSING_ARGUMENT"));
  EXPECT_THAT(ParseWords({"task", "show", "a", "b"}), IsError("USAGE_UNEXPECTED_ARGUMENT"));
  EXPECT_THAT(ParseWords({"task", "list", "--limit", "-1"}), IsError("USAGE_BAD_VALUE"));
  EXPECT_THAT(ParseWords({"task", "list", "--older-than", "5"}), IsError("USAGE_BAD_VALUE"));
  EXPECT_THAT(ParseWords({"task", "list", "--older-than"}), IsError("USAGE_MISSING_VALUE"));
  EXPECT_THAT(ParseWords({"task", "list", "--quiet=yes"}), IsError("USAGE_UNEXPECTED_VALUE"));
  EXPECT_THAT(ParseWords({"task", "submit", "-m", "=x"}), IsError("USAGE_BAD_VALUE"));
  EXPECT_THAT(ParseWords({"task", "list", "--", "x"}), IsError("USAGE_UNEXPECTED_ARGUMENT"));
  EXPECT_THAT(ParseWords({"queue", "show", "fast"}), IsError("USAGE_BAD_VALUE"));
  EXPECT_EQ(ExitCodeOf(ParseWords({"nonsense"}).status()), ExitCode::kUsage);
}

TEST(ParseTest, HelpNeedsNoArguments) {
  SY_ASSERT_OK_AND_ASSIGN(const Invocation parsed, ParseWords({"task", "show", "--help"}));
  EXPECT_TRUE(parsed.help);
}

TEST(TreeTest, EveryCommandHasAFunctionAnExampleThatParsesAndNoFlagTwice) {
  const Tree& tree = YardTree();
  for (const Command& command : tree.commands) {
    EXPECT_NE(FindFunction(command.path), nullptr) << command.path;
    std::set<std::string_view> names;
    std::set<char> letters;
    for (const auto* flags : {&tree.global_flags, &command.flags}) {
      for (const Flag& flag : *flags) {
        EXPECT_TRUE(names.insert(flag.name).second) << command.path << " --" << flag.name;
        if (flag.letter != 0) {
          EXPECT_TRUE(letters.insert(flag.letter).second) << command.path << " -" << flag.letter;
        }
        EXPECT_EQ(flag.kind == ValueKind::kChoice, !flag.choices.empty()) << flag.name;
        EXPECT_FALSE(flag.help.empty()) << flag.name;
      }
    }
    if (!command.hidden) {
      EXPECT_FALSE(command.examples.empty()) << command.path;
    }
  }
}

std::vector<std::string> Complete(std::vector<std::string> words) {
  return Candidates(YardTree(), words, [](ValueKind kind) {
    return kind == ValueKind::kContext ? std::vector<std::string>{"local", "work"} : std::vector<std::string>{"id-1"};
  });
}

TEST(CompletionTest, OffersNounsVerbsFlagsChoicesAndIds) {
  EXPECT_THAT(Complete({"ta"}), ElementsAre("task"));
  EXPECT_THAT(Complete({"queue", ""}), ElementsAre("list", "show", "pause", "resume"));
  EXPECT_THAT(Complete({"task", "submit", "--la"}), ElementsAre("--lane"));
  EXPECT_THAT(Complete({"task", "submit", "--lane", "h"}), ElementsAre("high"));
  EXPECT_THAT(Complete({"task", "show", ""}), ElementsAre("id-1"));
  EXPECT_THAT(Complete({"context", "use", "w"}), ElementsAre("work"));
  EXPECT_THAT(Complete({"task", "submit", "-f", ""}), ElementsAre("@files"));
  EXPECT_THAT(Complete({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
}

TEST(CompletionTest, ScriptsAskTheProgram) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_THAT(CompletionScript(shell), HasSubstr("yard __complete --")) << shell;
  }
}

}  // namespace
}  // namespace switchyard::yard

#include "libs/app/arguments.h"

#include "gmock/gmock.h"

namespace switchyard::app {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Parse(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ProgramArguments(static_cast<int>(argv.size()), argv.data());
}

TEST(ProgramArgumentsTest, UnderstandsBothFormsOfAValue) {
  EXPECT_THAT(Parse({"p", "--config", "a.yaml", "--x=1", "--print-config"}),
              ElementsAre("--config=a.yaml", "--x=1", "--print-config"));
}

TEST(ProgramArgumentsTest, LeavesSubcommandsAndSwitchesAlone) {
  EXPECT_THAT(Parse({"p", "token", "issue", "--help", "--name", "n"}),
              ElementsAre("token", "issue", "--help", "--name=n"));
}

TEST(ProgramArgumentsTest, NeverTakesAFlagForAValue) {
  EXPECT_THAT(Parse({"p", "--healthcheck", "--config", "a"}), ElementsAre("--healthcheck", "--config=a"));
}

}  // namespace
}  // namespace switchyard::app

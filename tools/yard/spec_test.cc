#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "tools/yard/errors.h"
#include "tools/yard/parse.h"
#include "tools/yard/spec_file.h"
#include "tools/yard/spec_flags.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
using ::switchyard::testing::IsError;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

TEST(SpecFileTest, ReadsYamlWithShortNamesAndSpans) {
  SY_ASSERT_OK_AND_ASSIGN(const auto requests, ParseTasks(R"(
title: Build
lane: high
command:
  argv: [make, "1.10", 1.10, yes]
  environment: {LEVEL: 3}
time_limits: {run: 5m}
retryPolicy: {max_attempts: 2, backoff: [0s, 1.5s]}
verification:
  - git_clean: {}
  - no_secrets:
    optional: true
local_only: true
metadata:
  ticket: 123
)",
                                                          "task.yaml"));
  ASSERT_EQ(requests.size(), 1u);
  const tq::TaskSpec& spec = requests[0].spec();
  EXPECT_EQ(spec.lane(), tq::LANE_HIGH);
  EXPECT_THAT(spec.command().argv(), ElementsAre("make", "1.10", "1.10", "yes"));
  EXPECT_EQ(spec.command().environment().at("LEVEL"), "3");
  EXPECT_EQ(spec.time_limits().run().seconds(), 300);
  EXPECT_EQ(spec.retry_policy().max_attempts(), 2);
  EXPECT_EQ(spec.retry_policy().backoff(1).nanos(), 500'000'000);
  EXPECT_TRUE(spec.verification(0).has_git_clean());
  EXPECT_TRUE(spec.verification(1).has_no_secrets());
  EXPECT_TRUE(spec.verification(1).optional());
  EXPECT_TRUE(spec.local_only());
  EXPECT_EQ(spec.metadata().at("ticket"), "123");
}

TEST(SpecFileTest, SeveralDocumentsMakeABatch) {
  SY_ASSERT_OK_AND_ASSIGN(const auto yaml, ParseTasks("title: a\n---\nspec: {title: b}\nrequest_id: k\n---\n", "x"));
  ASSERT_EQ(yaml.size(), 2u);
  EXPECT_EQ(yaml[1].spec().title(), "b");
  EXPECT_EQ(yaml[1].request_id(), "k");
  SY_ASSERT_OK_AND_ASSIGN(const auto json, ParseTasks(R"([{"title":"a"},{"title":"\ud83d\ude00"}])", "x"));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1].spec().title(), "\xF0\x9F\x98\x80");
  SY_ASSERT_OK_AND_ASSIGN(const auto tasks, ParseTasks("tasks:\n- spec: {title: a}\n- spec: {title: b}\n", "x"));
  EXPECT_EQ(tasks.size(), 2u);
}

TEST(SpecFileTest, NamesEveryFaultWithItsPath) {
  const auto result = ParseTasks("lnae: high\nlane: fast\ncommand: {argv: make}\ntime_limits: {run: 5}\n", "x");
  EXPECT_THAT(result, IsError("INVALID_FIELD"));
  const auto violations = DetailsOf(result.status()).violations;
  EXPECT_EQ(violations.size(), 4u);
  EXPECT_THAT(violations, Contains(FieldViolation{"lnae", "unknown field; did you mean 'lane'?"}));
  EXPECT_THAT(violations, Contains(Field(&FieldViolation::field, "command.argv")));
  EXPECT_EQ(ExitCodeOf(result.status()), ExitCode::kUsage);
}

TEST(SpecFileTest, RefusesBrokenEmptyDeepAndExplodingFiles) {
  EXPECT_THAT(ParseTasks("a: [", "x"), IsError("FILE_INVALID"));
  EXPECT_THAT(ParseTasks("  \n", "x"), IsError("FILE_INVALID"));
  EXPECT_THAT(ParseTasks("title: a\ntitle: b\n", "x"), IsError("FILE_INVALID"));
  EXPECT_THAT(ParseTasks("just words", "x"), IsError("INVALID_FIELD"));
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string former = "*a" + std::to_string(i - 1);
    std::string items = former;
    for (int j = 0; j < 9; ++j) items += "," + former;
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + items + "]\n";
  }
  EXPECT_THAT(ParseTasks(bomb, "x"), IsError("FILE_INVALID"));
}

tq::TaskSpec FromFlags(std::vector<std::string> words) {
  words.insert(words.begin(), {"task", "submit"});
  const auto invocation = ParseCommandLine(YardTree(), words);
  EXPECT_TRUE(invocation.ok()) << invocation.status();
  tq::TaskSpec spec;
  EXPECT_THAT(ApplySpecFlags(*invocation, "the prompt", absl::FromUnixSeconds(1000), spec), testing::IsOk());
  return spec;
}

TEST(SpecFlagsTest, FillEveryField) {
  const tq::TaskSpec spec = FromFlags({"--title",
                                       "t",
                                       "--lane",
                                       "urgent",
                                       "-p",
                                       "web",
                                       "--type",
                                       "docs",
                                       "--role",
                                       "r",
                                       "--complexity",
                                       "trivial",
                                       "--capability",
                                       "gpu",
                                       "--capability",
                                       "linux",
                                       "--repo",
                                       "git@x",
                                       "--branch",
                                       "b",
                                       "--run-limit",
                                       "10m",
                                       "--max-attempts",
                                       "3",
                                       "-m",
                                       "k=v=w",
                                       "--start-in",
                                       "1m",
                                       "--on-lost",
                                       "dead-letter",
                                       "--effects",
                                       "network",
                                       "--env",
                                       "A=1",
                                       "--verify",
                                       "command_succeeds: make 'a b'",
                                       "--",
                                       "make",
                                       "all"});
  EXPECT_THAT(spec.command().argv(), ElementsAre("make", "all"));
  EXPECT_EQ(spec.command().environment().at("A"), "1");
  EXPECT_EQ(spec.lane(), tq::LANE_URGENT);
  EXPECT_EQ(spec.project(), "web");
  EXPECT_EQ(spec.task_type(), "docs");
  EXPECT_EQ(spec.complexity(), tq::COMPLEXITY_TRIVIAL);
  EXPECT_THAT(spec.capabilities(), ElementsAre("gpu", "linux"));
  EXPECT_EQ(spec.context().repository(), "git@x");
  EXPECT_EQ(spec.time_limits().run().seconds(), 600);
  EXPECT_EQ(spec.retry_policy().max_attempts(), 3);
  EXPECT_EQ(spec.metadata().at("k"), "v=w");
  EXPECT_EQ(spec.start_time().seconds(), 1060);
  EXPECT_EQ(spec.on_lost(), tq::ON_LOST_DEAD_LETTER);
  EXPECT_EQ(spec.effects(), tq::EFFECTS_NETWORK);
  EXPECT_THAT(spec.verification(0).command_succeeds().argv(), ElementsAre("make", "a b"));
}

TEST(SpecFlagsTest, SayWhatBecomesOfChangesAndWhatToWaitFor) {
  const tq::TaskSpec spec = FromFlags({"--prompt",
                                       "x",
                                       "--repo",
                                       "app",
                                       "--base",
                                       "main",
                                       "--draft",
                                       "--max-iterations",
                                       "5",
                                       "--edit-format",
                                       "search-replace",
                                       "--exclude-family",
                                       "qwen",
                                       "--check",
                                       "test_passes: make test",
                                       "--verify",
                                       "optional no_secrets",
                                       "--depends-on",
                                       "a",
                                       "--depends-on",
                                       "b",
                                       "--dependency-rule",
                                       "any",
                                       "--on-dependency-failure",
                                       "run",
                                       "--continues",
                                       "c"});
  EXPECT_EQ(spec.context().base_branch(), "main");
  EXPECT_TRUE(spec.delivery().push() && spec.delivery().pull_request() && spec.delivery().draft());
  EXPECT_FALSE(spec.delivery().auto_merge());
  EXPECT_EQ(spec.resource_limits().max_iterations(), 5);
  EXPECT_EQ(spec.prompt().edit_format(), tq::EDIT_FORMAT_SEARCH_REPLACE);
  EXPECT_THAT(spec.excluded_model_families(), ElementsAre("qwen"));
  ASSERT_EQ(spec.verification_size(), 2);
  EXPECT_THAT(spec.verification(0).test_passes().argv(), ElementsAre("make", "test"));
  EXPECT_TRUE(spec.verification(1).optional());
  ASSERT_EQ(spec.dependencies_size(), 2);
  EXPECT_EQ(spec.dependencies(1).task_id(), "b");
  EXPECT_EQ(spec.dependency_rule(), tq::DEPENDENCY_RULE_ANY);
  EXPECT_EQ(spec.on_dependency_failure(), tq::ON_DEPENDENCY_FAILURE_RUN);
  EXPECT_EQ(spec.continues_task_id(), "c");
  EXPECT_TRUE(FromFlags({"--repo", "app", "--push", "--", "make"}).delivery().push());
  EXPECT_TRUE(FromFlags({"--repo", "app", "--auto-merge", "--", "make"}).delivery().pull_request());
}

TEST(SpecFlagsTest, RefuseDeliveriesThatCannotBe) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--push"}, {"--repo", "app", "--draft", "--auto-merge"}}) {
    std::vector<std::string> line = {"task", "submit"};
    line.insert(line.end(), words.begin(), words.end());
    line.insert(line.end(), {"--", "make"});
    const auto invocation = ParseCommandLine(YardTree(), line);
    ASSERT_TRUE(invocation.ok()) << invocation.status();
    tq::TaskSpec spec;
    EXPECT_THAT(ApplySpecFlags(*invocation, "", absl::UnixEpoch(), spec), IsError("USAGE_BAD_COMBINATION"));
  }
}

TEST(SpecFlagsTest, AskForSomethingToRun) {
  const auto invocation = ParseCommandLine(YardTree(), {"task", "submit", "--title", "t"});
  tq::TaskSpec spec;
  EXPECT_THAT(ApplySpecFlags(*invocation, "", absl::UnixEpoch(), spec), IsError("USAGE_NOTHING_TO_RUN"));
}

TEST(CheckTest, ReadsEveryKind) {
  EXPECT_EQ(ParseCheck("file_exists: README.md")->file_exists().path(), "README.md");
  EXPECT_EQ(ParseCheck("file_contains: a.txt \"two words\"")->file_contains().text(), "two words");
  EXPECT_THAT(ParseCheck("test_passes: ctest -V")->test_passes().argv(), ElementsAre("ctest", "-V"));
  EXPECT_TRUE(ParseCheck("git_clean")->has_git_clean());
  EXPECT_TRUE(ParseCheck("diff_not_empty")->has_diff_not_empty());
  EXPECT_THAT(ParseCheck("changed_only: src/** docs/**")->changed_only().globs(), ElementsAre("src/**", "docs/**"));
  EXPECT_EQ(ParseCheck("max_diff_lines: 200")->max_diff_lines().lines(), 200);
  EXPECT_EQ(ParseCheck("json_valid: a.json")->json_valid().path(), "a.json");
  EXPECT_EQ(ParseCheck("http_ok: http://x:1/ 204")->http_ok().url(), "http://x:1/");
  EXPECT_TRUE(ParseCheck("optional no_secrets")->optional());
}

TEST(CheckTest, RefusesWhatIsMalformed) {
  for (const char* bad : {"file_exists", "file_contains: only-path", "max_diff_lines: many", "comand_succeeds: x",
                          "command_succeeds: 'open", "git_clean: x", ""}) {
    EXPECT_FALSE(ParseCheck(bad).ok()) << bad;
  }
  EXPECT_THAT(std::string(ParseCheck("comand_succeeds: x").status().message()), HasSubstr("command_succeeds"));
  EXPECT_THAT(std::string(ParseCheck("test_pass: make").status().message()), HasSubstr("did you mean test_passes"));
}

TEST(FilterTest, TakesStatesAgesAndProjects) {
  const auto invocation = ParseCommandLine(
      YardTree(), {"task", "list", "--state", "queued", "--state", "running", "--older-than", "1h", "-p", "web"});
  const tq::TaskFilter filter = FilterFromFlags(*invocation, absl::FromUnixSeconds(7200));
  EXPECT_EQ(filter.states_size(), 2);
  EXPECT_EQ(filter.create_time_to().seconds(), 3600);
  EXPECT_THAT(filter.projects(), ElementsAre("web"));
  EXPECT_TRUE(HasFilter(*invocation));
}

}  // namespace
}  // namespace switchyard::yard

#include "services/verification/merge_rules.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/verification/work_fixture.h"

namespace switchyard::verification {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MergeRulesTest : public ::testing::Test {
 protected:
  MergeRulesTest() {
    policy_.merge.enabled = true;
    Touch(0, {"README.md", "docs/guide.rst"});
    change().lines_added = 10;
  }
  Change& change() {
    std::optional<Change>& change = work_.report->change;
    if (!change.has_value()) {
      change = Change{.repository = "https://forge.example/a/b",
                      .base_branch = "main",
                      .base_commit = "b",
                      .head_commit = "h",
                      .pushed = true,
                      .paths = {},
                      .pull_request = PullRequest()};
    }
    return *change;
  }
  void Touch(int added, std::vector<std::string> paths) {
    change().files_added = added;
    change().files_changed = static_cast<int>(paths.size()) - added;
    change().paths = std::move(paths);
  }
  std::vector<std::string> Against() {
    const MergeEligibility merge = MayMerge(work_, policy_, Assess(work_, policy_));
    EXPECT_EQ(merge.eligible, merge.against.empty());
    return merge.against;
  }

  Policy policy_;
  Work work_ = HonestWork();
};

TEST_F(MergeRulesTest, PermitsDocumentation) { EXPECT_THAT(Against(), IsEmpty()); }

TEST_F(MergeRulesTest, PermitsOnlyThePlaceThatTheTaskNames) {
  change().repository = "https://forge.example/a/other";
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("another repository")));
  change().repository = "https://Forge.example/a/b.git/";
  change().base_branch = "release";
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("another base branch")));
  change().base_branch = "";
  work_.base_branch = "";
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("names no base branch")));
  change().base_branch = work_.base_branch = "main";
  work_.repository = change().repository = "widget";
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("by URL")));
}

TEST(RepositoryKeyTest, IsOneForAllWritingsOfAUrl) {
  EXPECT_EQ(RepositoryKey("git@forge.example:a/b.git"), "ssh://git@forge.example/a/b");
  EXPECT_EQ(RepositoryKey("ssh://git@forge.example/a/b"), "ssh://git@forge.example/a/b");
  EXPECT_EQ(RepositoryKey("/srv/a.git"), RepositoryKey("file:///srv/a"));
  EXPECT_NE(RepositoryKey("https://forge.example/A"), RepositoryKey("https://forge.example/a"));
  for (const char* name : {"", "widget", "a/b", "@", ":"}) EXPECT_EQ(RepositoryKey(name), "") << name;
}

TEST_F(MergeRulesTest, PermitsTestsThatWereAdded) {
  Touch(2, {"tests/a_test.cc", "src/b_test.py"});
  EXPECT_THAT(Against(), IsEmpty());
  Touch(1, {"tests/a_test.cc", "README.md"});
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("tests may be added, not changed")));
}

TEST_F(MergeRulesTest, PermitsNothingUnlessThePolicyDoes) {
  policy_.merge.enabled = false;
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("permits no merges")));
  EXPECT_FALSE(MayMerge(work_, BuiltInPolicy(), Assess(work_, BuiltInPolicy())).eligible);
}

TEST_F(MergeRulesTest, NamesWhatStandsAgainstIt) {
  const std::vector<std::pair<std::function<void(Change&)>, const char*>> changes = {
      {[](Change& c) { c.paths[0] = "src/main.cc"; }, "neither documentation nor a test"},
      {[](Change& c) { c.paths[0] = "config/a.yaml"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = "a.yml"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = ".github/workflows/x.md"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = "docs/.env"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = "CMakeLists.txt"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = "x/requirements-dev.txt"; }, "configuration or infrastructure"},
      {[](Change& c) { c.paths[0] = "docs/../src/a.md"; }, "no path within"},
      {[](Change& c) { c.paths[0] = "/etc/x.md"; }, "no path within"},
      {[](Change& c) { c.paths.pop_back(); }, "not all changed files are named"},
      {[](Change& c) { c.files_deleted = 1; }, "1 files deleted"},
      {[](Change& c) { c.files_deleted = -1; }, "negative"},
      {[](Change& c) { c.lines_removed = 491; }, "501 lines"},
      {[](Change& c) { c.head_commit = "b"; }, "nothing was changed"},
      {[](Change& c) { c.pushed = false; }, "no pull request"},
      {[](Change& c) { c.pull_request.reset(); }, "no pull request"},
      {[](Change& c) { c.pull_request->base_behind = 1; }, "1 commits ahead"},
  };
  const Change before = change();
  for (const auto& [alter, expected] : changes) {
    change() = before;
    alter(change());
    EXPECT_THAT(Against(), Contains(HasSubstr(expected)));
  }
}

TEST_F(MergeRulesTest, CountsFiles) {
  std::vector<std::string> paths;
  for (int i = 0; i < 21; ++i) paths.push_back("docs/" + std::to_string(i) + ".md");
  Touch(0, paths);
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("21 files")));
  policy_.merge.max_files = 21;
  EXPECT_THAT(Against(), IsEmpty());
}

TEST_F(MergeRulesTest, GoesByThePathsOfThePolicy) {
  policy_.merge.paths = {"src/**"};
  EXPECT_THAT(Against(), Contains(HasSubstr("not among the paths")));
  Touch(0, {"src/a.yaml"});
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("configuration")));
  policy_.merge.forbidden_paths = {"src/secret/**"};
  EXPECT_THAT(Against(), IsEmpty());
}

TEST_F(MergeRulesTest, WantsTestsThatPassed) {
  work_ = HonestWork({{.name = "f", .check = "file_exists", .optional = false}});
  Touch(0, {"README.md"});
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("no check test_passes passed")));
  policy_.merge.required_checks = {"file_exists"};
  EXPECT_THAT(Against(), IsEmpty());
  work_.report->steps[0].status = StepStatus::kFailed;
  EXPECT_THAT(Against(), Contains(HasSubstr("the checks did not all pass")));
}

TEST_F(MergeRulesTest, NeedsAChange) {
  work_.report->change.reset();
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("no change")));
  work_.report.reset();
  EXPECT_THAT(Against(), ElementsAre(HasSubstr("no change")));
}

}  // namespace
}  // namespace switchyard::verification

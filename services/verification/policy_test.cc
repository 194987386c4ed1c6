#include "services/verification/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::verification {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Policy Make(const std::string& project, Tier tier) {
  static std::int64_t version = 0;
  Policy policy;
  policy.project = project;
  policy.tier = tier;
  policy.version = ++version;
  return policy;
}

TEST(PolicyTest, ChoosesTheOneThatNamesMore) {
  const std::vector<Policy> policies = {Make("", Tier::kAny), Make("", Tier::kSmall), Make("web", Tier::kAny),
                                        Make("web", Tier::kSmall)};
  EXPECT_EQ(NameOf(ChoosePolicy(policies, "web", Tier::kSmall)), "web/small");
  EXPECT_EQ(NameOf(ChoosePolicy(policies, "web", Tier::kLarge)), "web/*");
  EXPECT_EQ(NameOf(ChoosePolicy(policies, "web", Tier::kAny)), "web/*") << "work without a model has no tier";
  EXPECT_EQ(NameOf(ChoosePolicy(policies, "api", Tier::kSmall)), "*/small");
  EXPECT_EQ(NameOf(ChoosePolicy(policies, "api", Tier::kMedium)), "*/*");
}

TEST(PolicyTest, FallsBackToTheBuiltInOne) {
  EXPECT_EQ(NameOf(ChoosePolicy({}, "web", Tier::kSmall)), "built-in");
  EXPECT_EQ(NameOf(ChoosePolicy({Make("api", Tier::kAny)}, "web", Tier::kSmall)), "built-in");
  EXPECT_EQ(BuiltInPolicy().judge, JudgeRule::kNever);
  EXPECT_FALSE(BuiltInPolicy().merge.enabled);
  EXPECT_THAT(FaultsOf(BuiltInPolicy(), "policy"), IsEmpty());
}

TEST(PolicyTest, SaysAllThatIsWrongAtOnce) {
  Policy policy;
  policy.project = "Web";
  policy.required_checks = {"no_secrets", "all_good", "no_secrets"};
  policy.least_confidence = 1.5;
  policy.judge_timeout = absl::Hours(25);
  policy.merge.max_files = -1;
  policy.merge.paths = {"../x"};
  policy.merge.required_checks = {"x"};
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FaultsOf(policy, "policy")) fields.push_back(fault.field);
  EXPECT_THAT(fields, ElementsAre("policy.project", "policy.required_checks[1]", "policy.required_checks[2]",
                                  "policy.least_confidence", "policy.judge_timeout", "policy.merge.max_files",
                                  "policy.merge.paths[0]", "policy.merge.required_checks[0]"));
}

}  // namespace
}  // namespace switchyard::verification

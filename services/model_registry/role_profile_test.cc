#include "services/model_registry/role_profile.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {
namespace {

using ::testing::HasSubstr;

class RoleProfileTest : public ::testing::Test {
 protected:
  RoleProfileTest() {
    ModelInfo large, small;
    large.model = "large-model";
    large.aliases = {"big"};
    large.tier = ModelTier::kLarge;
    small.model = "small-model";
    small.tier = ModelTier::kSmall;
    table_ = *ModelTable::Make({large, small}, {});
  }
  RoleProfile Make(std::string role, std::vector<std::string> models) const {
    RoleProfile profile;
    profile.role = std::move(role);
    profile.version = 1;
    profile.models = std::move(models);
    return profile;
  }
  std::string Fault(const RoleProfile& profile) const {
    const absl::Status status = RoleProfiles::Make({profile}, table_).status();
    return status.ok() ? "none" : std::string(status.message());
  }

  ModelTable table_;
};

TEST_F(RoleProfileTest, FindsByRoleAndAliasWhateverTheCase) {
  RoleProfile profile = Make("coder", {"BIG", "small-model"});
  profile.aliases = {"developer"};
  SY_ASSERT_OK_AND_ASSIGN(const RoleProfiles profiles, RoleProfiles::Make({profile}, table_));
  ASSERT_NE(profiles.Find("Developer"), nullptr);
  EXPECT_THAT(profiles.Find("CODER")->models, ::testing::ElementsAre("large-model", "small-model"));
  EXPECT_EQ(profiles.Find("coders"), nullptr);
  EXPECT_EQ(profiles.Suggest("codr"), "coder");
}

TEST_F(RoleProfileTest, RefusesWhatItDoesNotKnowWithASuggestion) {
  EXPECT_THAT(Fault(Make("coder", {"large-modle"})), HasSubstr("did you mean \"large-model\"?"));
  EXPECT_THAT(Fault(Make("coder", {})), HasSubstr("at least one model"));
  EXPECT_THAT(Fault(Make("Coder Two", {"big"})), HasSubstr("role: must be"));
  EXPECT_THAT(Fault(Make("coder", {"big", "large-model"})), HasSubstr("named twice"));
  RoleProfile profile = Make("coder", {"big"});
  profile.version = 0;
  EXPECT_THAT(Fault(profile), HasSubstr("version"));
}

TEST_F(RoleProfileTest, RefusesAModelThatIsWeakerThanTheRole) {
  RoleProfile profile = Make("planner", {"small-model"});
  profile.tier = ModelTier::kLarge;
  EXPECT_THAT(Fault(profile), HasSubstr("weaker than the tier"));
}

TEST_F(RoleProfileTest, RefusesRolesAndAliasesThatMeet) {
  RoleProfile a = Make("coder", {"big"}), b = Make("writer", {"big"});
  b.aliases = {"coder"};
  EXPECT_THAT(RoleProfiles::Make({a, b}, table_), testing::IsError("INVALID_FIELD"));
}

TEST_F(RoleProfileTest, ItsFingerprintChangesWithAnyOfThem) {
  RoleProfile a = Make("coder", {"big"}), b = Make("writer", {"big"});
  const std::string before = RoleProfiles::Make({a, b}, table_)->fingerprint();
  EXPECT_EQ(RoleProfiles::Make({b, a}, table_)->fingerprint(), before);
  b.version = 2;
  EXPECT_NE(RoleProfiles::Make({a, b}, table_)->fingerprint(), before);
}

}  // namespace
}  // namespace switchyard::model_registry

#include "services/executor/external/agent_spec.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::executor::external {
namespace {

using ::testing::HasSubstr;

const PlaceholderValues kValues{.prompt_file = "/s/prompt.md",
                                .model = "m:7b",
                                .url = "http://h",
                                .workspace = "/workspace",
                                .scratch = "/s",
                                .task_id = "t-1",
                                .credential = "secret"};

TEST(AgentSpecTest, PlaceholdersAreReplacedOnceAndOtherBracesStay) {
  EXPECT_EQ(Expand("--model={model} {url}{task_id}", kValues), "--model=m:7b http://ht-1");
  EXPECT_EQ(Expand(R"({"models": {"{model}": {"a": {}}}, "k": "{env:KEY}"})", kValues),
            R"({"models": {"m:7b": {"a": {}}}, "k": "{env:KEY}"})");
  EXPECT_EQ(Expand("{ {} }{", kValues), "{ {} }{");
  PlaceholderValues sly = kValues;
  sly.model = "{credential}";
  EXPECT_EQ(Expand("{model}", sly), "{credential}") << "what stands instead is not looked at again";
}

TEST(AgentSpecTest, WrongTemplatesSayWhatWasMeant) {
  EXPECT_EQ(TemplateFault("{model} {prompt_file} {scratch}", CredentialUse::kRefused), "");
  EXPECT_THAT(TemplateFault("{modle}", CredentialUse::kRefused), HasSubstr("did you mean {model}?"));
  EXPECT_THAT(TemplateFault("{credential}", CredentialUse::kRefused), HasSubstr("environment only"));
  EXPECT_EQ(TemplateFault("Bearer {credential}", CredentialUse::kAllowed), "");
}

TEST(AgentSpecTest, KnowsWhatIsUsed) {
  AgentSpec agent;
  EXPECT_FALSE(Uses(agent, "model"));
  agent.files["config"] = "m={model}";
  EXPECT_TRUE(Uses(agent, "model"));
  EXPECT_FALSE(Uses(agent, "url"));
  EXPECT_TRUE(Uses("x{url}", "url"));
}

TEST(AgentSpecTest, NamesOfFilesLeadNowhereElse) {
  for (const char* good : {"result.json", "a", "A_b-c.1"}) EXPECT_TRUE(IsFileName(good)) << good;
  for (const char* bad : {"", ".", "..", "a/b", "/a", "a b", "a\n", "../x"}) EXPECT_FALSE(IsFileName(bad)) << bad;
}

}  // namespace
}  // namespace switchyard::executor::external

#include "services/model_registry/endpoint_rules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::model_registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

EndpointSpec Good() { return {.name = "here", .kind = EndpointKind::kOllama, .url = "http://host:11434"}; }

std::vector<std::string> Fields(const EndpointSpec& spec) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : FaultsOf(spec, "spec")) fields.push_back(fault.field);
  return fields;
}

TEST(EndpointRulesTest, AcceptsWhatIsSound) {
  EXPECT_THAT(Fields(Good()), IsEmpty());
  EndpointSpec spec = Good();
  spec.kind = EndpointKind::kOpenAi;
  spec.url = "https://proxy.test/team-a/v1";
  spec.credential = "file:/etc/switchyard/key";
  EXPECT_THAT(Fields(spec), IsEmpty());
}

TEST(EndpointRulesTest, RefusesUrlsThatHoldMoreThanAPlace) {
  for (const char* url : {"", "host:1", "ftp://host", "http://", "http://user:password@host", "http://host/?key=x",
                          "http://host/#a", "http://ho st", "http://:80"}) {
    EndpointSpec spec = Good();
    spec.url = url;
    EXPECT_THAT(Fields(spec), ElementsAre("spec.url")) << url;
  }
}

TEST(EndpointRulesTest, RefusesASecretWithoutRepeatingIt) {
  for (const char* secret : {"sk-live-123456", "env:", "env:A B", "file:relative", "file:", "ENV:X"}) {
    EndpointSpec spec = Good();
    spec.credential = secret;
    const std::vector<FieldViolation> faults = FaultsOf(spec, "spec");
    ASSERT_EQ(faults.size(), 1u) << secret;
    EXPECT_EQ(faults[0].field, "spec.credential");
    EXPECT_EQ(faults[0].description.find("sk-live"), std::string::npos);
  }
}

TEST(EndpointRulesTest, NamesEveryFaultAtOnce) {
  EndpointSpec spec = Good();
  spec.name = "Not A Name";
  spec.agent = "UPPER";
  spec.capacity = 5'000;
  spec.max_capacity = -1;
  spec.models = {{.model = ""}, {.model = "x"}, {.model = "x:latest", .options = {{"num_cxt", 1}}}};
  EXPECT_THAT(Fields(spec),
              ElementsAre("spec.name", "spec.agent", "spec.capacity", "spec.max_capacity", "spec.models[0].model",
                          "spec.models[2].options.num_cxt", "spec.models[2].model"));
}

TEST(EndpointRulesTest, SuggestsTheOptionThatWasMeant) {
  EndpointSpec spec = Good();
  spec.models = {{.model = "x", .options = {{"num_cxt", 1}}}};
  EXPECT_THAT(FaultsOf(spec, "")[0].description, ::testing::HasSubstr("did you mean \"num_ctx\"?"));
}

TEST(EndpointRulesTest, KnowsTheHostOfAnEndpoint) {
  EndpointSpec spec = Good();
  EXPECT_EQ(HostOf(spec), "host");
  spec.url = "http://[::1]:8080/x";
  EXPECT_EQ(HostOf(spec), "[::1]");
  spec.host = "gpu-1";
  EXPECT_EQ(HostOf(spec), "gpu-1");
}

TEST(EndpointRulesTest, AFileEndpointKeepsItsIdByItsName) {
  EXPECT_EQ(IdOfFileEndpoint("a"), IdOfFileEndpoint("a"));
  EXPECT_NE(IdOfFileEndpoint("a"), IdOfFileEndpoint("b"));
}

}  // namespace
}  // namespace switchyard::model_registry

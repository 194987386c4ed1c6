// The commands about endpoints, models and roles against a registry in memory, over a real socket.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/model_view.h"
#include "tools/yard/output.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_registry.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ModelCommandsTest : public CommandTest {
 protected:
  ModelCommandsTest() {
    server_.Register(registry_, mr::ModelRegistryService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
    columns_ = 160;
    mr::Endpoint& endpoint = registry_.endpoints["gpu-1"];
    endpoint.set_endpoint_id("01900000-0000-7000-8000-000000000001");
    endpoint.mutable_spec()->set_name("gpu-1");
    endpoint.mutable_spec()->set_kind(mr::ENDPOINT_KIND_OLLAMA);
    endpoint.mutable_spec()->set_url("http://gpu-1:11434");
    endpoint.mutable_spec()->set_capacity(2);
    endpoint.set_revision(4);
    endpoint.mutable_status()->set_state(mr::ENDPOINT_STATE_MISCONFIGURED);
    endpoint.mutable_status()->set_cause("status 401: invalid key");
    mr::PlacedModel& placed = *endpoint.mutable_status()->add_models();
    placed.set_model("m:7b");
    placed.set_warmth(mr::WARMTH_WARM);
    placed.set_remote(true);
    (*placed.mutable_options())["num_ctx"] = 8192;
    mr::ModelView& view = registry_.models["big"];
    view.set_in_table(true);
    view.mutable_model()->set_model("big");
    view.mutable_model()->set_tier(mr::MODEL_TIER_LARGE);
    view.mutable_model()->mutable_rates()->set_input(3'000'000);
    view.mutable_model()->mutable_rates()->set_output(15'000'000);
    view.mutable_model()->set_effective_from("2025-09-29");
    registry_.models["unknown"].mutable_model()->set_model("unknown");
    registry_.role.set_role("coder");
    registry_.role.add_models("big");
  }
  ~ModelCommandsTest() override { server_.Stop(); }

  FakeRegistry registry_{server_.gate()};
};

TEST_F(ModelCommandsTest, ListShowsStatesAndCauses) {
  const Result result = Run({"endpoint", "list", "--state", "misconfigured"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("gpu-1"), HasSubstr("misconfigured"), HasSubstr("status 401: invalid key")));
  EXPECT_EQ(registry_.listed.states(0), mr::ENDPOINT_STATE_MISCONFIGURED);
  EXPECT_EQ(Run({"endpoint", "list", "-o", "name"}).out, "gpu-1\n");
}

TEST_F(ModelCommandsTest, ShowTellsLevelsBreakerAndModels) {
  const Result result = Run({"endpoint", "show", "gpu-1"});
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("credentials"), HasSubstr("progress"), HasSubstr("breaker"), HasSubstr("m:7b"),
                    HasSubstr("warm"), HasSubstr("remote, "), HasSubstr("num_ctx=8192")));
  EXPECT_EQ(Run({"endpoint", "show", "gpu-2"}).code, 3);
  EXPECT_EQ(Json::parse(Run({"endpoint", "show", "gpu-1", "-o", "json"}).out)["endpoint"]["spec"]["name"], "gpu-1");
}

TEST_F(ModelCommandsTest, AddSendsWhatWasSaid) {
  const Result result =
      Run({"endpoint", "add", "local", "--kind", "ollama", "--url", "http://h:1", "--local", "--free", "--capacity",
           "3", "--keep-warm", "a/b:7b", "--option", "a/b:7b/num_ctx=4096", "--credential", "env:KEY"});
  EXPECT_EQ(result.code, 0) << result.err;
  const mr::EndpointSpec& spec = registry_.added.spec();
  EXPECT_EQ(spec.name(), "local");
  EXPECT_TRUE(spec.local() && spec.free());
  EXPECT_EQ(spec.capacity(), 3);
  EXPECT_EQ(spec.credential(), "env:KEY");
  ASSERT_EQ(spec.models_size(), 1);
  EXPECT_EQ(spec.models(0).model(), "a/b:7b");
  EXPECT_TRUE(spec.models(0).keep_warm());
  EXPECT_EQ(spec.models(0).options().at("num_ctx"), 4096);
  EXPECT_NE(registry_.added.request_id(), "");
}

TEST_F(ModelCommandsTest, AddSaysWhatIsMissing) {
  EXPECT_EQ(Run({"endpoint", "add", "local", "--kind", "ollama"}).code, 2);
  EXPECT_EQ(Run({"endpoint", "add", "local", "--kind", "llama", "--url", "http://h"}).code, 2);
  EXPECT_EQ(Run({"endpoint", "add", "local", "--kind", "ollama", "--url", "http://h", "--option", "num_ctx=1"}).code,
            2);
}

TEST_F(ModelCommandsTest, UpdateKeepsWhatIsNotNamed) {
  EXPECT_EQ(Run({"endpoint", "update", "gpu-1", "--credential", "file:/k", "--local=no"}).code, 0);
  EXPECT_EQ(registry_.updated.revision(), 4);
  EXPECT_EQ(registry_.updated.spec().credential(), "file:/k");
  EXPECT_EQ(registry_.updated.spec().url(), "http://gpu-1:11434");
  EXPECT_EQ(registry_.updated.spec().capacity(), 2);
}

TEST_F(ModelCommandsTest, ProbesAndRemoves) {
  const Result result = Run({"endpoint", "probe", "gpu-1", "--generate", "--model", "m:7b"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(registry_.probed.generate());
  EXPECT_EQ(registry_.probed.model(), "m:7b");
  EXPECT_THAT(result.err, HasSubstr("checked in 2s"));
  EXPECT_EQ(Run({"endpoint", "probe", "gpu-1", "--model", "m:7b"}).code, 2);
  EXPECT_EQ(Run({"endpoint", "remove", "gpu-1"}).code, 0);
  EXPECT_EQ(Run({"endpoint", "remove", "gpu-1"}).code, 3);
}

TEST_F(ModelCommandsTest, ModelsShowUnknownPricesAsUnknown) {
  const Result result = Run({"model", "list"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("$3 / $15"), HasSubstr("unknown"), Not(HasSubstr("$0"))));
  EXPECT_EQ(Run({"model", "disable", "big", "--endpoint", "gpu-1"}).code, 0);
  EXPECT_EQ(registry_.disabled.endpoint(), "gpu-1");
}

TEST_F(ModelCommandsTest, PriceKeepsWhatIsNotNamed) {
  EXPECT_THAT(Run({"model", "price", "big"}).out, HasSubstr("$3 / $15"));
  const Result result = Run({"model", "price", "big", "--input-price", "2.50", "--since", "2026-01-01"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(registry_.priced.model().rates().input(), 2'500'000);
  EXPECT_EQ(registry_.priced.model().rates().output(), 15'000'000);
  EXPECT_FALSE(registry_.priced.model().rates().has_cache_read());
  EXPECT_EQ(Run({"model", "price", "new", "--free", "--tier", "small"}).code, 0);
  EXPECT_TRUE(registry_.priced.model().free());
  EXPECT_EQ(Run({"model", "price", "big", "--input-price", "cheap"}).code, 2);
}

TEST_F(ModelCommandsTest, ListsRoles) {
  EXPECT_THAT(Run({"role", "list"}).out, AllOf(HasSubstr("coder"), HasSubstr("big")));
}

TEST_F(ModelCommandsTest, ReadsAndShowsDollarsExactly) {
  for (const char* text : {"3", "0.30", "3.75", "0.000001", "15"}) {
    const std::optional<std::int64_t> micros = ParseDollars(text);
    ASSERT_TRUE(micros.has_value()) << text;
    EXPECT_EQ(ParseDollars(DollarText(*micros)), micros) << text;
  }
  EXPECT_EQ(DollarText(3'000'000), "$3");
  EXPECT_EQ(DollarText(300'000), "$0.30");
  EXPECT_EQ(DollarText(1), "$0.000001");
  for (const char* text : {"", "-1", "1.", ".5", "x", "1.0000001"})
    EXPECT_FALSE(ParseDollars(text).has_value()) << text;
}

}  // namespace
}  // namespace switchyard::yard

#include "services/model_registry/model_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::model_registry {
namespace {

using ::testing::HasSubstr;

ModelInfo Priced(std::string name) {
  ModelInfo model;
  model.model = std::move(name);
  model.rates = {.input = 3'000'000, .output = 15'000'000, .cache_read = 300'000};
  model.effective_from = "2025-09-29";
  return model;
}

std::vector<std::string> FieldsOf(const absl::Status& status) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : DetailsOf(status).violations) fields.push_back(violation.field);
  return fields;
}

TEST(ModelTableTest, FindsByNameAliasAndWhateverTheCase) {
  ModelInfo model = Priced("Big-Model");
  model.aliases = {"big"};
  SY_ASSERT_OK_AND_ASSIGN(const ModelTable table, ModelTable::Make({model}, {}));
  for (const char* name : {"Big-Model", "big-model", "BIG", "big:latest"}) {
    ASSERT_NE(table.Find(name), nullptr) << name;
    EXPECT_EQ(table.Find(name)->model, "Big-Model");
  }
  EXPECT_EQ(table.Find("bigger"), nullptr);
  EXPECT_EQ(table.Suggest("big-modle"), "Big-Model");
}

TEST(ModelTableTest, PutsEntriesOfTheApiBeforeThoseOfTheFile) {
  ModelInfo file = Priced("a"), api = Priced("a"), other = Priced("b");
  api.rates.input = 1;
  api.origin = Origin::kApi;
  other.aliases = {"x"};
  SY_ASSERT_OK_AND_ASSIGN(const ModelTable table, ModelTable::Make({file, other}, {api}));
  EXPECT_EQ(table.models().size(), 2u);
  EXPECT_EQ(table.Find("a")->rates.input, 1);
  SY_ASSERT_OK_AND_ASSIGN(const ModelTable before, ModelTable::Make({file, other}, {}));
  EXPECT_NE(table.fingerprint(), before.fingerprint());
  EXPECT_EQ(before.fingerprint(), ModelTable::Make({other, file}, {})->fingerprint());
}

TEST(ModelTableTest, NamesEveryFault) {
  ModelInfo nameless, half = Priced("half"), dear = Priced("dear"), undated = Priced("undated"), both = Priced("both");
  half.rates.output = std::nullopt;
  dear.rates.input = 3'000'000'000'000;
  undated.effective_from = "yesterday";
  both.free = true;
  ModelInfo steps = Priced("steps");
  steps.steps = {{.above_input_tokens = 200, .rates = steps.rates}, {.above_input_tokens = 100, .rates = steps.rates}};
  const absl::Status status = ModelTable::Make({nameless, half, dear, undated, both, steps, half}, {}).status();
  EXPECT_THAT(FieldsOf(status), ::testing::IsSupersetOf({"models[0].model", "models[1].rates", "models[2].rates.input",
                                                         "models[3].effective_from", "models[4].free",
                                                         "models[5].steps[1].above_input_tokens", "models[6]"}));
}

TEST(ModelTableTest, ComputesWhatARequestCosts) {
  const ModelInfo model = Priced("a");
  // 1,000 at 3 dollars and 2,000 at 15 dollars a million.
  EXPECT_EQ(CostOf(model, {.input = 1'000, .output = 2'000}), 33'000);
  EXPECT_EQ(CostOf(model, {.input = 1}), 3);
  EXPECT_EQ(CostOf(model, {.input = 0, .output = 0, .cache_read = 10'000}), 3'000);
  EXPECT_EQ(CostOf(model, {}), 0);
}

TEST(ModelTableTest, RoundsUpToTheNextMillionthOfADollar) {
  ModelInfo model = Priced("a");
  model.rates = {.input = 100, .output = 100};
  EXPECT_EQ(CostOf(model, {.input = 1}), 1);
}

TEST(ModelTableTest, AppliesALongContextPriceToTheWholePrompt) {
  ModelInfo model = Priced("a");
  model.steps = {{.above_input_tokens = 200'000, .rates = {.input = 6'000'000, .output = 22'500'000}}};
  EXPECT_EQ(CostOf(model, {.input = 200'000}), 600'000);
  EXPECT_EQ(CostOf(model, {.input = 200'001}), 1'200'006);
}

TEST(ModelTableTest, AnUnknownPriceIsUnknownAndNeverFree) {
  ModelInfo unknown;
  unknown.model = "unknown";
  EXPECT_EQ(CostOf(unknown, {.input = 1}), std::nullopt);
  EXPECT_EQ(CostOf(Priced("a"), {.input = 1, .cache_write_1h = 5}), std::nullopt) << "that rate is not known";
  unknown.free = true;
  EXPECT_EQ(CostOf(unknown, {.input = 1'000'000}), 0);
}

}  // namespace
}  // namespace switchyard::model_registry

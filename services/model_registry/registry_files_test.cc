#include "services/model_registry/registry_files.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/model_registry/endpoint_rules.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

template <class T>
std::string Faults(const absl::StatusOr<T>& parsed) {
  std::string all;
  for (const FieldViolation& fault : DetailsOf(parsed.status()).violations) {
    all += fault.field + ": " + fault.description + "\n";
  }
  return all;
}

TEST(RegistryFilesTest, ReadsDollarsExactly) {
  EXPECT_EQ(ParseMicros("3"), 3'000'000);
  EXPECT_EQ(ParseMicros("0.30"), 300'000);
  EXPECT_EQ(ParseMicros("3.75"), 3'750'000);
  EXPECT_EQ(ParseMicros("0.000001"), 1);
  EXPECT_EQ(ParseMicros("0"), 0);
  for (const char* text : {"", ".", "3.", "-1", "1e3", "0.0000001", "free", "1,5", "1.2.3", "9999999999"}) {
    EXPECT_EQ(ParseMicros(text), std::nullopt) << text;
  }
}

TEST(RegistryFilesTest, ReadsTheTableOfModels) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<ModelInfo> models, ParseModels(R"(
models:
  - model: big
    aliases: [b]
    tier: large
    context_window: 200000
    prices: {input: 3, output: 15, cache_read: 0.30}
    steps:
      - above_input_tokens: 200000
        prices: {input: 6, output: 22.5}
    effective_from: 2025-09-29
  - {model: mine, free: true}
)",
                                                                           "m.yaml"));
  ASSERT_THAT(models, SizeIs(2));
  EXPECT_EQ(models[0].tier, ModelTier::kLarge);
  EXPECT_EQ(models[0].rates.cache_read, 300'000);
  EXPECT_FALSE(models[0].rates.cache_write_5m.has_value());
  EXPECT_EQ(models[0].steps[0].rates.output, 22'500'000);
  EXPECT_TRUE(models[1].free);
}

TEST(RegistryFilesTest, NamesEveryFaultWithItsLine) {
  const std::string faults = Faults(ParseModels(R"(modles: []
models:
  - model: a
    pricse: {}
    tier: huge
    free: maybe
  - model: b
    prices: {input: cheap}
)",
                                                "m.yaml"));
  EXPECT_THAT(faults, HasSubstr("m.yaml: modles: unknown key; did you mean \"models\"? (line 1)"));
  EXPECT_THAT(faults, HasSubstr("models[0].pricse: unknown key; did you mean \"prices\"? (line 4)"));
  EXPECT_THAT(faults, HasSubstr("must be small, medium or large (line 5)"));
  EXPECT_THAT(faults, HasSubstr("must be true or false (line 6)"));
  EXPECT_THAT(faults, HasSubstr("must be dollars per million tokens"));
}

TEST(RegistryFilesTest, SurvivesTextThatIsNone) {
  for (const char* text : {"a: [", "\xff", "- - -", "models: 7", "models:\n  - 7", "a: b: c", "---\n---\n", "*x"}) {
    EXPECT_THAT(ParseModels(text, "m"), IsError("INVALID_FIELD")) << text;
  }
  EXPECT_THAT(*ParseModels("", "m"), SizeIs(0));
}

TEST(RegistryFilesTest, SurvivesWhateverAPersonTypes) {
  const std::string sound =
      "endpoints:\n  - {name: a, kind: ollama, url: 'http://h', models: [{model: m, options: {num_ctx: 1}}]}\n";
  const auto rng = MakeSeededRng(11);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = sound;
    for (std::uint64_t changes = 1 + rng->Below(5); changes > 0 && !text.empty(); --changes) {
      const std::size_t at = rng->Below(text.size());
      if (rng->Below(2) == 0) {
        text[at] = "{}[]:,&*!|>'\"%@`#-? \n\tx"[rng->Below(23)];
      } else {
        text.erase(at, 1 + rng->Below(8));
      }
    }
    const absl::StatusOr<std::vector<EndpointRecord>> records = ParseEndpoints(text, "e", 10);
    if (!records.ok()) {
      ASSERT_THAT(records, IsError("INVALID_FIELD")) << text;
      continue;
    }
    for (const EndpointRecord& record : *records) ASSERT_THAT(FaultsOf(record.spec, ""), SizeIs(0)) << text;
  }
}

TEST(RegistryFilesTest, ReadsEndpoints) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<EndpointRecord> records, ParseEndpoints(R"(
endpoints:
  - name: gpu
    kind: ollama
    url: http://127.0.0.1:11434
    local: true
    models:
      - {model: "m:7b", keep_warm: true, options: {num_ctx: 8192}}
)",
                                                                                    "e.yaml", 10));
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].id, IdOfFileEndpoint("gpu"));
  EXPECT_EQ(records[0].origin, Origin::kFile);
  EXPECT_EQ(records[0].spec.models[0].options.at("num_ctx"), 8192);
  const std::string faults = Faults(ParseEndpoints(
      "endpoints:\n  - {name: a, url: ftp://x}\n  - {name: a, kind: llama, url: http://x, credential: sk-123}\n",
      "e.yaml", 10));
  EXPECT_THAT(faults, HasSubstr("endpoints[0].kind: is needed"));
  EXPECT_THAT(faults, HasSubstr("endpoints[0].url"));
  EXPECT_THAT(faults, HasSubstr("must be ollama, openai or anthropic"));
  EXPECT_THAT(faults, HasSubstr("is the name of another one"));
  EXPECT_THAT(faults, HasSubstr("never the secret itself"));
  EXPECT_THAT(faults, ::testing::Not(HasSubstr("sk-123")));
}

TEST(RegistryFilesTest, TheFilesThatShipHaveNoFaults) {
  FileWatch files({.models_file = "deploy/config/models.yaml", .roles_folder = "deploy/config/roles"});
  SY_ASSERT_OK_AND_ASSIGN(FileConfiguration read, files.Load());
  EXPECT_GE(read.models.size(), 5u);
  EXPECT_GE(read.profiles.size(), 3u);
  testing::FakeClock clock;
  SY_EXPECT_OK(Registry(clock, {}).SetFiles(std::move(read)));
}

class FileWatchTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) { std::ofstream(dir_.File(name)) << text; }

  testing::TempDir dir_;
  FileWatch watch_{{.models_file = dir_.File("models.yaml"), .roles_folder = dir_.File("roles")}};
};

TEST_F(FileWatchTest, NoticesChangesAndNewFiles) {
  std::filesystem::create_directory(dir_.File("roles"));
  Write("models.yaml", "models: [{model: a, free: true}]\n");
  EXPECT_TRUE(watch_.Changed());
  SY_ASSERT_OK(watch_.Load());
  EXPECT_FALSE(watch_.Changed());
  Write("roles/coder.yaml", "{role: coder, version: 1, models: [a]}\n");
  EXPECT_TRUE(watch_.Changed());
  SY_ASSERT_OK_AND_ASSIGN(const FileConfiguration read, watch_.Load());
  ASSERT_THAT(read.profiles, SizeIs(1));
  EXPECT_THAT(read.profiles[0].models, ElementsAre("a"));
  std::filesystem::remove(dir_.File("roles/coder.yaml"));
  EXPECT_TRUE(watch_.Changed());
}

TEST_F(FileWatchTest, NamesTheFaultsOfAllFilesTogether) {
  std::filesystem::create_directory(dir_.File("roles"));
  Write("models.yaml", "modles: []\n");
  Write("roles/coder.yaml", "{rol: coder}\n");
  const std::string faults = Faults(watch_.Load());
  EXPECT_THAT(faults, HasSubstr("modles"));
  EXPECT_THAT(faults, HasSubstr("did you mean \"role\"?"));
}

TEST_F(FileWatchTest, SaysThatAFileIsNotThere) { EXPECT_THAT(watch_.Load(), IsError("CONFIG_UNREADABLE")); }

}  // namespace
}  // namespace switchyard::model_registry

#include "libs/config/load.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/temp_dir.h"
#include "switchyard/config/v1/switchyard.pb.h"
#include "switchyard/config/v1/task_queue.pb.h"

namespace switchyard::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class LoadTest : public ::testing::Test {
 protected:
  void File(const std::string& yaml) {
    sources_.file = dir_.path() + "/switchyard.yaml";
    std::ofstream(sources_.file) << yaml;
  }
  absl::Status Load() { return config::Load(sources_, config_, &origins_); }
  std::vector<std::pair<std::string, std::string>> Faults() {
    std::vector<std::pair<std::string, std::string>> faults;
    for (const FieldViolation& v : DetailsOf(Load()).violations) faults.emplace_back(v.field, v.description);
    return faults;
  }

  switchyard::testing::TempDir dir_;
  Sources sources_;
  v1::TaskQueueConfig config_;
  Origins origins_;
};

TEST_F(LoadTest, TakesDefaultsWhenNothingIsGiven) {
  ASSERT_TRUE(Load().ok());
  EXPECT_EQ(config_.server().listen(), "127.0.0.1:7401");
  EXPECT_EQ(config_.server().max_message_bytes(), 8u << 20);
  EXPECT_EQ(config_.server().log_level(), v1::LOG_LEVEL_INFO);
  EXPECT_EQ(config_.task_queue().retention().finished().seconds(), 30 * 86'400);
  ASSERT_EQ(config_.task_queue().retry().backoff_size(), 3);
  EXPECT_EQ(config_.task_queue().retry().backoff(2).seconds(), 120);
  EXPECT_EQ(origins_["server.listen"], "default");
}

TEST_F(LoadTest, LetsFlagsBeatTheEnvironmentAndThatTheFile) {
  File("server:\n  listen: 127.0.0.1:1\n  metrics_listen: 127.0.0.1:11\ndatabase:\n  pool_size: 3\n");
  sources_.environment = {{"SWITCHYARD_SERVER_LISTEN", "127.0.0.1:2"},
                          {"SWITCHYARD_SERVER_METRICS_LISTEN", "127.0.0.1:22"}};
  sources_.flags = {"--server.listen=127.0.0.1:3"};
  ASSERT_TRUE(Load().ok()) << FaultsText(Load());
  EXPECT_EQ(config_.server().listen(), "127.0.0.1:3");
  EXPECT_EQ(config_.server().metrics_listen(), "127.0.0.1:22");
  EXPECT_EQ(config_.database().pool_size(), 3u);
  EXPECT_EQ(origins_["server.listen"], "flag --server.listen");
  EXPECT_EQ(origins_["server.metrics_listen"], "environment SWITCHYARD_SERVER_METRICS_LISTEN");
  EXPECT_EQ(origins_["database.pool_size"], "file " + sources_.file + ":5");
}

TEST_F(LoadTest, SuggestsTheLikelyNameOfAnUnknownKey) {
  File("server:\n  lisen: 127.0.0.1:1\ndatabse:\n  port: 1\n");
  sources_.environment = {{"SWITCHYARD_SERVER_LISTN", "x"}};
  sources_.flags = {"--server.listem=x"};
  EXPECT_THAT(Faults(),
              ElementsAre(Pair("server.lisen", HasSubstr("did you mean \"listen\"")),
                          Pair("databse", HasSubstr("did you mean \"database\"")),
                          Pair("SWITCHYARD_SERVER_LISTN", HasSubstr("did you mean \"SWITCHYARD_SERVER_LISTEN\"")),
                          Pair("--server.listem", HasSubstr("did you mean \"server.listen\""))));
}

TEST_F(LoadTest, PointsToTheSectionOfAMisplacedKey) {
  File("pool_size: 3\n");
  EXPECT_THAT(Faults(), ElementsAre(Pair("pool_size", HasSubstr("did you mean \"database.pool_size\""))));
}

TEST_F(LoadTest, ReportsTheFaultsOfAllSourcesAtOnce) {
  File("server:\n  drain_deadline: 3 weeks\n  log_level: loud\n  reflection: perhaps\n  max_message_bytes: 1KiB\n");
  sources_.environment = {{"SWITCHYARD_DATABASE_PORT", "65536"}};
  sources_.flags = {"--auth.cache_ttl=31s", "--server.listen=", "stray", "--database.name"};
  EXPECT_THAT(Faults(), UnorderedElementsAre(Pair("server.drain_deadline", HasSubstr("not a duration")),
                                             Pair("server.log_level", HasSubstr("debug, info, warning, error")),
                                             Pair("server.reflection", HasSubstr("true or false")),
                                             Pair("server.max_message_bytes", HasSubstr("at least 64KiB")),
                                             Pair("database.port", HasSubstr("at most 65535")),
                                             Pair("auth.cache_ttl", HasSubstr("at most 30s")),
                                             Pair("server.listen", HasSubstr("must not be empty")),
                                             Pair("stray", HasSubstr("unexpected argument")),
                                             Pair("--database.name", HasSubstr("needs a value"))));
}

TEST_F(LoadTest, RefusesSecretsGivenLiterally) {
  File("database:\n  password: hunter2\n");
  const absl::Status status = Load();
  EXPECT_THAT(FaultsText(status), HasSubstr("database.password: is not a reference"));
  EXPECT_THAT(FaultsText(status), ::testing::Not(HasSubstr("hunter2")));
}

TEST_F(LoadTest, ReadsListsFromYamlAndFromCommas) {
  File("task_queue:\n  retry:\n    backoff: [1s, 2s]\n");
  ASSERT_TRUE(Load().ok());
  EXPECT_EQ(config_.task_queue().retry().backoff_size(), 2);
  sources_.flags = {"--task_queue.retry.backoff=5s, 6s,7s"};
  ASSERT_TRUE(Load().ok());
  ASSERT_EQ(config_.task_queue().retry().backoff_size(), 3);
  EXPECT_EQ(config_.task_queue().retry().backoff(1).seconds(), 6);
  sources_.flags = {"--task_queue.retry.backoff=5s,never"};
  EXPECT_THAT(Faults(), ElementsAre(Pair("task_queue.retry.backoff[1]", HasSubstr("not a duration"))));
}

TEST_F(LoadTest, KnowsAliasesDashesAndBareBooleans) {
  sources_.flags = {"--listen=127.0.0.1:9", "--allow-insecure-bind", "--server.drain-delay=1s"};
  ASSERT_TRUE(Load().ok()) << FaultsText(Load());
  EXPECT_EQ(config_.server().listen(), "127.0.0.1:9");
  EXPECT_TRUE(config_.server().allow_insecure_bind());
  EXPECT_EQ(config_.server().drain_delay().seconds(), 1);
}

TEST_F(LoadTest, RefusesMistakesOfShape) {
  File("server: 5\ndatabase:\n  name: [a]\n  port: {a: 1}\n  user: a\n  user: b\n");
  EXPECT_THAT(Faults(), UnorderedElementsAre(Pair("server", HasSubstr("is a section")),
                                             Pair("database.name", HasSubstr("not a list")),
                                             Pair("database.port", HasSubstr("unknown key")),
                                             Pair("database.user", HasSubstr("given twice"))));
  File("server: [\n");
  EXPECT_THAT(Faults(), ElementsAre(Pair("", HasSubstr("is not YAML"))));
}

// The YAML library, asked for all documents of such a text, would never come back.
TEST_F(LoadTest, RefusesWhatIsNoOneDocument) {
  File("server:\n---\nserver:\n");
  EXPECT_THAT(Faults(), ElementsAre(Pair("", HasSubstr("more than one document"))));
  File(",]\n");
  EXPECT_FALSE(Load().ok());
  File("a\xAA: [\x7F\xAA");
  EXPECT_THAT(Faults(), ElementsAre(Pair("", HasSubstr("UTF-8"))));
}

TEST_F(LoadTest, AcceptsAnEmptyFileAndEmptySections) {
  File("# nothing\nserver:\n");
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(LoadTest, NamesTheFileThatIsNotThere) {
  sources_.file = dir_.path() + "/none.yaml";
  EXPECT_EQ(ReasonOf(Load()), "CONFIG_UNREADABLE");
}

TEST_F(LoadTest, LeavesVariablesOfTheClusterAlone) {
  sources_.environment = {{"SWITCHYARD_TASK_QUEUE_SERVICE_HOST", "10.0.0.1"},
                          {"SWITCHYARD_TASK_QUEUE_PORT", "tcp://10.0.0.1:7401"},
                          {"SWITCHYARD_TASK_QUEUE_PORT_7401_TCP_ADDR", "10.0.0.1"},
                          {"SWITCHYARD_CONFIG", "x"},
                          {"PATH", "/bin"}};
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST(LoadEnumListTest, ReadsEnumLists) {
  v1::AllInOneConfig config;
  ASSERT_TRUE(Load({.file = "", .environment = {}, .flags = {"--services=identity,task_queue"}}, config).ok());
  EXPECT_THAT(config.services(), ElementsAre(v1::SERVICE_NAME_IDENTITY, v1::SERVICE_NAME_TASK_QUEUE));
}

}  // namespace
}  // namespace switchyard::config

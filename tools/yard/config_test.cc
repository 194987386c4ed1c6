#include "tools/yard/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/config/load.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "switchyard/config/v1/identity.pb.h"
#include "switchyard/config/v1/task_queue.pb.h"
#include "tools/yard/errors.h"

namespace switchyard::yard {
namespace {

using ::switchyard::testing::IsError;
using ::testing::HasSubstr;

constexpr char kLocal[] =
    "current_context = \"local\"\n[contexts.local]\naddress = \"127.0.0.1:1\"\ntoken_file = \"t\"\n"
    "[contexts.work]\naddress = \"queue.example:7401\"\nca_file = \"/etc/ca.pem\"\n";

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() { host_.working_directory = dir_.path(); }

  std::string Put(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const std::string path = dir_.Write(name, content);
    chmod(path.c_str(), mode);
    return path;
  }

  absl::StatusOr<Connection> Resolve(std::vector<std::string> words) {
    words.insert(words.begin(), {"task", "list"});
    const auto invocation = ParseCommandLine(YardTree(), words);
    EXPECT_TRUE(invocation.ok()) << invocation.status();
    return ResolveConnection(*invocation, host_);
  }

  testing::TempDir dir_;
  testing::FakeClock clock_;
  std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  TimeOrderedIdSource ids_{clock_, *rng_};
  std::map<std::string, std::string, std::less<>> variables_;
  std::stringstream in_, out_, err_;
  Host host_{.in = in_,
             .out = out_,
             .err = err_,
             .working_directory = {},
             .environment =
                 [this](std::string_view name) {
                   const auto found = variables_.find(name);
                   return found == variables_.end() ? std::nullopt : std::optional(found->second);
                 },
             .clock = clock_,
             .ids = ids_,
             .pause = [](absl::Duration) { return false; }};
};

TEST_F(ConfigTest, FindsTheFileAboveTheWorkingDirectoryFirst) {
  variables_["XDG_CONFIG_HOME"] = dir_.File("xdg");
  EXPECT_EQ(ConfigPath(host_), dir_.File("xdg/yard/config.toml"));
  const std::string path = Put("clone/.switchyard/yard/config.toml", kLocal);
  std::filesystem::create_directories(dir_.File("clone/deep/er"));
  host_.working_directory = dir_.File("clone/deep/er");
  EXPECT_EQ(ConfigPath(host_), path);
  variables_["YARD_CONFIG"] = "/elsewhere.toml";
  EXPECT_EQ(ConfigPath(host_), "/elsewhere.toml");
}

TEST_F(ConfigTest, FlagBeatsVariableBeatsContextBeatsDefault) {
  variables_["YARD_CONFIG"] = Put("c.toml", kLocal);
  EXPECT_EQ(Resolve({})->values.address, "127.0.0.1:1");
  EXPECT_EQ(Resolve({})->values.identity_address, kIdentityAddress);
  EXPECT_EQ(Resolve({})->values.token_file, dir_.File("t"));
  EXPECT_EQ(Resolve({"--context", "work"})->values.address, "queue.example:7401");
  variables_["YARD_CONTEXT"] = "work";
  EXPECT_EQ(Resolve({})->values.ca_file, "/etc/ca.pem");
  variables_["YARD_ADDRESS"] = "variable:1";
  EXPECT_EQ(Resolve({})->values.address, "variable:1");
  const auto flag = Resolve({"--address", "flag:1"});
  EXPECT_EQ(flag->values.address, "flag:1");
  EXPECT_EQ(flag->settings[0].source, "flag --address");
}

TEST_F(ConfigTest, RefusesAFileThatOthersCanRead) {
  const std::string path = Put("c.toml", kLocal, 0644);
  const auto config = LoadConfig(path);
  EXPECT_THAT(config, IsError("CONFIG_MODE"));
  EXPECT_THAT(ErrorAsText(config.status(), "", false), HasSubstr("chmod 600 " + path));
  EXPECT_THAT(ReadSecretFile(Put("t", "secret\n", 0640)), IsError("TOKEN_FILE_MODE"));
  EXPECT_EQ(*ReadSecretFile(Put("u", "secret\r\nmore\n")), "secret");
}

TEST_F(ConfigTest, KnowsWhereTheServicesListenByDefault) {
  config::v1::TaskQueueConfig queue;
  SY_ASSERT_OK(config::Load({}, queue));
  EXPECT_EQ(Resolve({})->values.address, queue.server().listen());
  config::v1::IdentityConfig identity;
  SY_ASSERT_OK(config::Load({}, identity));
  EXPECT_EQ(Resolve({})->values.identity_address, identity.server().listen());
}

TEST_F(ConfigTest, AFoundFileNamesOnlyFilesOfItsOwnFolder) {
  const std::string begin = "current_context = \"a\"\n[contexts.a]\naddress = \"127.0.0.1:1\"\n";
  const auto resolve = [&](const std::string& token_file) {
    Put("clone/.switchyard/yard/config.toml", begin + "token_file = \"" + token_file + "\"\n");
    return Resolve({});
  };
  Put("clone/.switchyard/tokens/admin.token", "secret");
  Put("elsewhere/token", "secret");
  std::filesystem::create_symlink(dir_.File("elsewhere/token"), dir_.File("clone/.switchyard/tokens/link.token"));
  host_.working_directory = dir_.File("clone");
  EXPECT_EQ(resolve("../tokens/admin.token")->values.address, "127.0.0.1:1");
  EXPECT_THAT(resolve(dir_.File("elsewhere/token")), IsError("CONFIG_REACHES_OUT"));
  EXPECT_THAT(resolve("../tokens/link.token"), IsError("CONFIG_REACHES_OUT"));
  EXPECT_THAT(resolve("../../../elsewhere/token"), IsError("CONFIG_REACHES_OUT"));
  // Who names the file means it.
  variables_["YARD_CONFIG"] = dir_.File("clone/.switchyard/yard/config.toml");
  SY_EXPECT_OK(resolve(dir_.File("elsewhere/token")).status());
}

TEST_F(ConfigTest, RefusesWhatBelongsToAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kNobody = 65534;
  const std::string path = Put("clone/.switchyard/yard/config.toml", kLocal);
  Put("clone/.switchyard/yard/t", "secret");
  host_.working_directory = dir_.File("clone");
  SY_EXPECT_OK(Resolve({}).status());
  for (const std::string& given : {path, dir_.File("clone/.switchyard/yard"), dir_.File("clone/.switchyard")}) {
    ASSERT_EQ(chown(given.c_str(), kNobody, static_cast<gid_t>(-1)), 0);
    EXPECT_THAT(Resolve({}), IsError("CONFIG_OWNER")) << given;
    ASSERT_EQ(chown(given.c_str(), 0, static_cast<gid_t>(-1)), 0);
  }
}

TEST_F(ConfigTest, RefusesUnknownKeysAndBrokenFiles) {
  EXPECT_THAT(std::string(ParseConfig("[contexts.a]\nadress = \"x\"\n", "f").status().message()),
              HasSubstr("did you mean 'address'?"));
  EXPECT_THAT(ParseConfig("[contexts.a]\naddress = 1\n", "f"), IsError("CONFIG_INVALID"));
  EXPECT_THAT(ParseConfig("current_context = \"gone\"\n", "f"), IsError("CONFIG_INVALID"));
  EXPECT_THAT(std::string(ParseConfig("\n\n= 1", "f").status().message()), HasSubstr("line 3"));
}

TEST_F(ConfigTest, NamesAMissingContext) {
  variables_["YARD_CONFIG"] = Put("c.toml", kLocal);
  EXPECT_THAT(Resolve({"--context", "none"}), IsError("CONTEXT_NOT_FOUND"));
}

TEST_F(ConfigTest, SavesPrivatelyAndReadsBackTheSame) {
  const std::string path = dir_.File("new/folder/config.toml");
  Config config;
  config.current = "with \"quotes\"";
  config.contexts[config.current] = Context{.address = "a:1",
                                            .identity_address = "",
                                            .token_file = "/t",
                                            .ca_file = "",
                                            .cert_file = "",
                                            .key_file = "",
                                            .server_name = "n"};
  SY_ASSERT_OK(SaveConfig(path, config));
  struct stat facts = {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  SY_ASSERT_OK_AND_ASSIGN(const Config again, LoadConfig(path));
  EXPECT_EQ(again.current, config.current);
  EXPECT_EQ(again.contexts, config.contexts);
}

}  // namespace
}  // namespace switchyard::yard

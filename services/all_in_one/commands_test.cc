#include "services/all_in_one/commands.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/app/service_main.h"
#include "libs/testing/temp_dir.h"
#include "libs/testing/throwaway_postgres.h"

namespace switchyard::all_in_one {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    const pg::ConnectOptions database = testing::SharedPostgres().NewDatabase();
    database_ = {"--database.host=" + database.host, "--database.user=" + database.user,
                 "--database.name=" + database.database, "--database.port=" + std::to_string(database.port)};
  }
  int Do(int (*command)(const Arguments&), Arguments arguments) {
    arguments.insert(arguments.end(), database_.begin(), database_.end());
    CaptureStdout();
    CaptureStderr();
    const int code = command(arguments);
    out_ = GetCapturedStdout();
    error_ = GetCapturedStderr();
    return code;
  }

  const testing::TempDir dir_;
  Arguments database_;
  std::string out_;
  std::string error_;
};

TEST_F(CommandsTest, MigratesOnceAndThenSaysThatAllIsUpToDate) {
  EXPECT_EQ(Do(Migrate, {"--check"}), app::kExitError);
  EXPECT_THAT(out_, HasSubstr("pending: identity V1 tokens"));
  EXPECT_EQ(Do(Migrate, {}), app::kExitOk) << error_;
  EXPECT_THAT(out_, HasSubstr("applied: identity V1 tokens"));
  EXPECT_EQ(Do(Migrate, {}), app::kExitOk);
  EXPECT_THAT(out_, HasSubstr("up to date: identity"));
  EXPECT_EQ(Do(Migrate, {"--check"}), app::kExitOk);
}

TEST_F(CommandsTest, ExaminesTheDatabaseOnceItIsMigrated) {
  EXPECT_EQ(Do(Doctor, {}), app::kExitError);
  EXPECT_THAT(out_, HasSubstr("SCHEMA_BEHIND"));
  ASSERT_EQ(Do(Migrate, {}), app::kExitOk) << error_;
  // Before the first run too, when partitions are still to be made.
  EXPECT_EQ(Do(Doctor, {}), app::kExitOk) << out_;
  EXPECT_THAT(out_, HasSubstr("all is well"));
  EXPECT_EQ(error_, "");
}

TEST_F(CommandsTest, IssuesATokenIntoAFileOnce) {
  ASSERT_EQ(Do(Migrate, {}), app::kExitOk) << error_;
  const std::string path = dir_.File("admin.token");
  const Arguments arguments = {"--name=admin", "--scopes=admin,service", "--lifetime=7d", "--out=" + path};
  EXPECT_EQ(Do(IssueToken, arguments), app::kExitOk) << error_;
  std::string text;
  std::getline(std::ifstream(path), text);
  EXPECT_EQ(text.substr(0, 3), "sy_");
  EXPECT_THAT(out_, ::testing::Not(HasSubstr(text)));
  EXPECT_EQ(Do(IssueToken, arguments), app::kExitError);
  EXPECT_THAT(error_, HasSubstr("never overwritten"));
}

TEST_F(CommandsTest, SaysWhatIsWrongWithATokenRequest) {
  EXPECT_EQ(Do(IssueToken, {"--name=x"}), app::kExitUsage);
  EXPECT_THAT(error_, HasSubstr("--name, --scopes and --out are needed"));
  EXPECT_EQ(Do(IssueToken, {"--name=x", "--scopes=root", "--out=/x"}), app::kExitUsage);
  EXPECT_THAT(error_, HasSubstr("not a scope"));
  EXPECT_EQ(Do(IssueToken, {"--name=X", "--scopes=read", "--out=" + dir_.File("t")}), app::kExitError);
  EXPECT_THAT(error_, HasSubstr("name: must be"));
  EXPECT_EQ(Do(IssueToken, {"--nmae=x"}), app::kExitUsage);
  EXPECT_THAT(error_, HasSubstr("unknown flag"));
}

TEST_F(CommandsTest, SaysThatTheDatabaseIsAway) {
  database_ = {"--database.host=/nonexistent"};
  for (auto* command : {Migrate, Doctor}) {
    EXPECT_EQ(Do(command, {}), app::kExitError);
    EXPECT_THAT(out_ + error_, HasSubstr("DATABASE_UNAVAILABLE"));
  }
}

TEST_F(CommandsTest, MakesCertificatesAndNeverOverThem) {
  database_.clear();
  const std::string dir = "--dir=" + dir_.File("tls");
  EXPECT_EQ(Do(InitTls, {dir, "--hosts=localhost, 127.0.0.1"}), app::kExitOk) << error_;
  EXPECT_EQ(Do(InitTls, {dir}), app::kExitError);
  EXPECT_EQ(Do(AddTls, {dir, "--name=second", "--hosts=b.example.org"}), app::kExitOk) << error_;
  EXPECT_EQ(Do(AddTls, {dir}), app::kExitUsage);
  EXPECT_EQ(Do(InitTls, {}), app::kExitUsage);
  EXPECT_EQ(Do(InitTls, {"--dri=x"}), app::kExitUsage);
}

TEST_F(CommandsTest, FindsCommandsOfOneAndTwoWordsAndSuggestsOthers) {
  database_.clear();
  EXPECT_EQ(Do(Main, {"version"}), app::kExitOk);
  EXPECT_THAT(out_, HasSubstr("switchyard "));
  EXPECT_EQ(Do(Main, {"tls", "init", "--help"}), app::kExitOk);
  EXPECT_THAT(out_, HasSubstr("ca.key"));
  EXPECT_EQ(Do(Main, {"migrate", "--help"}), app::kExitOk);
  EXPECT_THAT(out_, HasSubstr("--database.host"));
  EXPECT_EQ(Do(Main, {"tokn", "isue"}), app::kExitUsage);
  EXPECT_THAT(error_, HasSubstr("did you mean \"token issue\"?"));
  EXPECT_EQ(Do(Main, {}), app::kExitUsage);
}

TEST_F(CommandsTest, TakesItsOwnFlagsOutOfTheOthers) {
  Arguments arguments = {"--name=a", "--database.name=b", "--check", "--name=c"};
  EXPECT_EQ(TakeFlag(arguments, "name"), "c");
  EXPECT_TRUE(TakeSwitch(arguments, "check"));
  EXPECT_FALSE(TakeSwitch(arguments, "check"));
  EXPECT_EQ(TakeFlag(arguments, "out"), std::nullopt);
  EXPECT_THAT(arguments, ::testing::ElementsAre("--database.name=b"));
}

}  // namespace
}  // namespace switchyard::all_in_one

#include "libs/base/log.h"

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"

namespace switchyard {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

Mutex g_mutex;
std::vector<std::string>& Lines() {
  static auto& lines = *new std::vector<std::string>;
  return lines;
}
void Capture(std::string_view line) {
  MutexLock lock(g_mutex);
  Lines().emplace_back(line);
}

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    Lines().clear();
    SetLogWriter(&Capture);
    ConfigureLog("test", LogLevel::kInfo);
  }
  ~LogTest() override { SetLogWriter(nullptr); }

  static std::string Only() { return Lines().size() == 1 ? Lines()[0] : "not one line"; }
};

TEST_F(LogTest, WritesOneJsonObjectPerLine) {
  LogInfo("started", {{"port", 80}, {"ok", true}, {"ratio", 0.5}, {"took", absl::Milliseconds(15)}, {"who", "me"}});
  EXPECT_THAT(Only(), MatchesRegex("\\{\"ts\":\"20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\."
                                   "[0-9][0-9][0-9][0-9][0-9][0-9]Z\",\"level\":\"info\",\"svc\":\"test\",.*\n"));
  EXPECT_THAT(
      Only(),
      EndsWith("\"msg\":\"started\",\"port\":80,\"ok\":true,\"ratio\":0.5,\"took\":\"15ms\",\"who\":\"me\"}\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  LogDebug("quiet");
  EXPECT_THAT(Lines(), IsEmpty());
  ConfigureLog("test", LogLevel::kDebug);
  LogDebug("loud");
  EXPECT_THAT(Only(), HasSubstr("\"level\":\"debug\""));
}

TEST_F(LogTest, EscapesEveryControlCharacter) {
  for (int c = 0; c < 0x80; ++c) {
    Lines().clear();
    const std::string value = std::string("a") + static_cast<char>(c) + "b";
    LogInfo("m", {{"v", value}});
    const std::string line = Only();
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      ASSERT_GE(static_cast<unsigned char>(line[i]), 0x20) << c;
      ASSERT_NE(line[i], 0x7F);
    }
  }
  Lines().clear();
  LogInfo("m", {{"v", std::string("\"\\\n\r\t\x01\x1b\x7f\0", 9)}});
  EXPECT_THAT(Only(), HasSubstr(R"("v":"\"\\\n\r\t\u0001\u001b\u007f\u0000")"));
}

TEST_F(LogTest, ReplacesBytesThatAreNotUtf8) {
  LogInfo("m", {{"v", "gr\xC3\xBC\xC3\x9F \xff\xC3"}});
  EXPECT_THAT(Only(), HasSubstr("\"v\":\"gr\xC3\xBC\xC3\x9F \xEF\xBF\xBD\xEF\xBF\xBD\""));
}

TEST_F(LogTest, HidesSecrets) {
  const std::string token = "sy_" + std::string(20, 'a') + "B7" + std::string(21, 'c');
  LogError("refused", {{"header", "Authorization: Bearer " + token},
                       {"api_key", "short"},
                       {"url", "postgres://me:hunter2@host/db"},
                       {"error", absl::UnauthenticatedError("password=hunter2")}});
  EXPECT_THAT(Only(), Not(HasSubstr(token)));
  EXPECT_THAT(Only(), Not(HasSubstr("short")));
  EXPECT_THAT(Only(), Not(HasSubstr("hunter2")));
  EXPECT_THAT(Only(), HasSubstr("postgres://me:[redacted]@host/db"));
}

TEST_F(LogTest, ShowsCodeReasonAndMessageOfAnError) {
  LogInfo("m", {{"a", MakeError(absl::StatusCode::kUnavailable, "gone",
                                {.reason = "DATABASE_UNAVAILABLE",
                                 .metadata = {{"host", "db"}},
                                 .violations = {{.field = "f", .description = "d"}},
                                 .retry_after = absl::Seconds(1)})},
                {"b", absl::NotFoundError("no file")},
                {"c", absl::OkStatus()}});
  EXPECT_THAT(Only(), EndsWith(R"("a":"UNAVAILABLE DATABASE_UNAVAILABLE: gone","b":"NOT_FOUND: no file","c":"OK"})"
                               "\n"));
}

TEST_F(LogTest, CutsLongValues) {
  LogInfo("m", {{"v", std::string(100'000, 'x')}});
  EXPECT_LT(Only().size(), 9000u);
  EXPECT_THAT(Only(), HasSubstr("x[cut]\""));
}

TEST_F(LogTest, CutLeavesNoPieceOfASecret) {
  LogInfo("m", {{"v", absl::StrCat(std::string(8 * 1024 - 5, ' '), "password=hunter2hunter2")}});
  EXPECT_THAT(Only(), Not(HasSubstr("hunter2")));
}

TEST_F(LogTest, NumbersJsonCannotHoldBecomeText) {
  LogInfo("m", {{"a", std::nan("")}, {"b", std::numeric_limits<double>::infinity()}});
  EXPECT_THAT(Only(), HasSubstr("\"a\":\"NaN\",\"b\":\"Infinity\""));
}

TEST_F(LogTest, CarriesTheTraceOfItsThread) {
  {
    const ScopedTrace outer("t1", "s1");
    {
      const ScopedTrace inner("t2", "s2");
      LogInfo("inner");
    }
    LogInfo("outer");
    std::thread([] { LogInfo("other thread"); }).join();
  }
  LogInfo("none");
  ASSERT_EQ(Lines().size(), 4u);
  EXPECT_THAT(Lines()[0], HasSubstr("\"trace_id\":\"t2\",\"span_id\":\"s2\""));
  EXPECT_THAT(Lines()[1], HasSubstr("\"trace_id\":\"t1\",\"span_id\":\"s1\""));
  EXPECT_THAT(Lines()[2], Not(HasSubstr("trace_id")));
  EXPECT_THAT(Lines()[3], Not(HasSubstr("trace_id")));
}

}  // namespace
}  // namespace switchyard

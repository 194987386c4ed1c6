// The client of forges on a real connection, where answers are not what they should be.
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/forge/forge_directory.h"
#include "libs/http/http_client.h"
#include "libs/http/testing/loopback_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::forge {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::LoopbackConnection;
using ::switchyard::testing::LoopbackServer;
using ::testing::HasSubstr;

class ForgeWireTest : public ::testing::Test {
 protected:
  ForgeWireTest() { client_.Start(); }
  ~ForgeWireTest() override { client_.Stop(); }

  absl::StatusOr<PullRequest> Get(const LoopbackServer& server) {
    directories_.push_back(*ForgeDirectory::Make(
        {absl::StrCat(server.url("/api/v3"), " https://forge.test/acme env:T")}, "forges",
        [](const std::string&) -> absl::StatusOr<std::string> { return std::string("hunter2"); }, client_, clock_));
    const Place place = *directories_.back()->Find("https://forge.test/acme/widget");
    Mutex mutex;
    CondVar changed;
    bool answered = false;
    absl::StatusOr<PullRequest> said = absl::UnknownError("");
    place.forge->GetPullRequest(place.repository, 7, [&](absl::StatusOr<PullRequest> pull) {
      MutexLock lock(mutex);
      said = std::move(pull);
      answered = true;
      changed.NotifyAll();
    });
    MutexLock lock(mutex);
    while (!answered) changed.Wait(mutex);
    return said;
  }

  DisciplinedClock clock_;
  http::HttpClient client_{clock_, {}};
  std::vector<std::unique_ptr<ForgeDirectory>> directories_;
};

TEST_F(ForgeWireTest, APullRequestIsRead) {
  std::string asked;
  const LoopbackServer server([&asked](LoopbackConnection& connection) {
    asked = connection.ReadRequest();
    connection.Answer("200 OK",
                      R"({"number": 7, "state": "open", "html_url": "https://forge.test/acme/widget/pull/7",
                          "head": {"ref": "agent/1", "sha": "0123456789012345678901234567890123456789"},
                          "base": {"ref": "main"}})");
  });
  const absl::StatusOr<PullRequest> pull = Get(server);
  ASSERT_THAT(pull, IsOk());
  EXPECT_EQ(pull->number, 7);
  EXPECT_THAT(asked, HasSubstr("GET /api/v3/repos/acme/widget/pulls/7 HTTP/1.1"));
  EXPECT_THAT(asked, HasSubstr("Authorization: Bearer hunter2"));
}

TEST_F(ForgeWireTest, ARedirectElsewhereNeverSeesTheToken) {
  const LoopbackServer elsewhere([](LoopbackConnection& connection) { connection.ReadRequest(); });
  const LoopbackServer server([&elsewhere](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Answer("307 Temporary Redirect", "", absl::StrCat("Location: ", elsewhere.url("/"), "\r\n"));
  });
  EXPECT_THAT(Get(server), IsError("FORGE_REDIRECTED"));
  EXPECT_EQ(elsewhere.accepted(), 0);
}

TEST_F(ForgeWireTest, AnAnswerWithoutEndIsGivenUp) {
  const LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[");
    const std::string piece(1 << 16, ' ');
    while (connection.Write(piece)) {
    }
  });
  EXPECT_THAT(Get(server), IsError("FORGE_MALFORMED"));
}

TEST_F(ForgeWireTest, AnAnswerThatIsCutIsNone) {
  const LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"number\": 7");
  });
  EXPECT_THAT(Get(server), IsError("FORGE_UNAVAILABLE"));
}

TEST_F(ForgeWireTest, WhatIsNotHttpIsNoAnswer) {
  const LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("SSH-2.0-hello\r\n\r\n");
  });
  EXPECT_THAT(Get(server), IsError("FORGE_MALFORMED"));
}

}  // namespace
}  // namespace switchyard::forge

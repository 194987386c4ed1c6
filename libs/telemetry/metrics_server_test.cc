#include "libs/telemetry/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"

namespace switchyard::telemetry {
namespace {

using ::testing::HasSubstr;

std::string HttpGet(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string out;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
    if (send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size())) {
      char buffer[4096];
      for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) out.append(buffer, n);
    }
  }
  close(fd);
  return out;
}

TEST(MetricsServerTest, AnswersScrapes) {
  Metrics metrics;
  metrics.AddCounter("a_total", "A.").Add(5);
  auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_GT((*server)->port(), 0);
  EXPECT_THAT(HttpGet((*server)->port(), "/metrics"), HasSubstr("a_total 5"));
}

TEST(MetricsServerTest, EndsWithoutDelay) {
  const DisciplinedClock clock;
  Metrics metrics;
  for (const char* address : {"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"}) {
    auto server = MetricsServer::Start(address, metrics);
    if (!server.ok() && address[0] == '[') continue;  // A host without IPv6.
    ASSERT_TRUE(server.ok()) << server.status();
    HttpGet((*server)->port(), "/metrics");
    const absl::Time begin = clock.Now();
    server->reset();
    EXPECT_LT(clock.Now() - begin, absl::Seconds(1)) << address;
  }
}

TEST(MetricsServerTest, ATakenPortIsAnErrorThatSaysSo) {
  Metrics metrics;
  auto first = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = absl::StrCat("127.0.0.1:", (*first)->port());
  auto second = MetricsServer::Start(address, metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(ReasonOf(second.status()), "METRICS_LISTEN_FAILED");
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace switchyard::telemetry

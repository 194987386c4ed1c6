#include "tools/benchmarks/metrics_scrape.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace switchyard::bench {

absl::StatusOr<MetricValues> ScrapeMetrics(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static constexpr std::string_view kRequest = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  std::string text;
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      send(socket, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kRequest.size())) {
    char buffer[16384];
    for (ssize_t got = 0; (got = recv(socket, buffer, sizeof(buffer), 0)) > 0;) text.append(buffer, got);
  }
  close(socket);
  const std::size_t body = text.find("\r\n\r\n");
  if (body == std::string::npos) return absl::UnavailableError("the metrics endpoint does not answer");
  MetricValues values;
  for (const absl::string_view line : absl::StrSplit(text.substr(body + 4), '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    double value = 0;
    if (space != absl::string_view::npos && absl::SimpleAtod(line.substr(space + 1), &value)) {
      values[std::string(line.substr(0, space))] = value;
    }
  }
  return values;
}

}  // namespace switchyard::bench

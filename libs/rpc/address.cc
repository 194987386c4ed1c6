#include "libs/rpc/address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::rpc {
namespace {

std::string_view WithoutScheme(std::string_view address) {
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (address.substr(0, scheme.size()) == scheme) return address.substr(scheme.size());
  }
  return address;
}

bool IsUnix(std::string_view address) { return address.substr(0, 5) == "unix:"; }

std::pair<std::string, std::string> HostAndPort(std::string_view address) {
  address = WithoutScheme(address);
  if (!address.empty() && address.front() == '[') {
    const std::size_t end = address.find(']');
    if (end == std::string_view::npos) return {std::string(address), ""};
    const std::string_view rest = address.substr(end + 1);
    return {std::string(address.substr(1, end - 1)), std::string(rest.empty() ? rest : rest.substr(1))};
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || address.find(':') != colon) return {std::string(address), ""};
  return {std::string(address.substr(0, colon)), std::string(address.substr(colon + 1))};
}

absl::Status ListenError(std::string_view listen, std::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
                   absl::StrCat("cannot listen on ", ToAbsl(listen), ": ", ToAbsl(why)));
}

absl::Status ProbeUnix(std::string_view listen) {
  std::string_view path = listen.substr(5);
  if (path.substr(0, 2) == "//") path.remove_prefix(2);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ListenError(listen, "the path is longer than 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ListenError(listen, std::strerror(errno));
  const bool answered = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return answered ? ListenError(listen, "another process serves this socket") : absl::OkStatus();
}

}  // namespace

bool IsLocalAddress(std::string_view address) {
  if (IsUnix(address) || address.substr(0, 14) == "unix-abstract:") return true;
  const std::string host = HostAndPort(address).first;
  if (host == "localhost" || host == "::1") return true;
  // Only a numeric address counts: a name may begin with "127." too.
  return host.substr(0, 4) == "127." && host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string LocalTarget(std::string_view listen) {
  if (IsUnix(listen)) return std::string(listen);
  const auto [host, port] = HostAndPort(listen);
  if (host.empty() || host == "0.0.0.0") return absl::StrCat("127.0.0.1:", port);
  if (host == "::") return absl::StrCat("[::1]:", port);
  if (host.find(':') != std::string::npos) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::Status ProbeListen(std::string_view listen) {
  if (IsUnix(listen)) return ProbeUnix(listen);
  const auto [host, port] = HostAndPort(listen);
  if (port.empty()) return ListenError(listen, "an address is host:port or unix:path");
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return ListenError(listen, gai_strerror(error));
  }
  absl::Status status;
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0) status = ListenError(listen, std::strerror(errno));
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return status;
}

}  // namespace switchyard::rpc

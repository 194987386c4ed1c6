#include "libs/http/link_local.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace switchyard::http {
namespace {

bool IsLinkLocal4(const std::uint8_t* bytes) { return bytes[0] == 169 && bytes[1] == 254; }

bool IsLinkLocal6(const std::uint8_t* bytes) {
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return true;
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes)) return IsLinkLocal4(bytes + 12);
  constexpr std::array<std::uint8_t, 16> kMetadata = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};
  return std::equal(kMetadata.begin(), kMetadata.end(), bytes);
}

}  // namespace

bool IsLinkLocal(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof(in));
    return IsLinkLocal4(reinterpret_cast<const std::uint8_t*>(&in.sin_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof(in));
    return IsLinkLocal6(in.sin6_addr.s6_addr);
  }
  return false;
}

bool IsLinkLocal(std::string_view host) {
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string text(host.substr(0, host.find('%')));
  std::uint8_t bytes[16] = {};
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return IsLinkLocal4(bytes);
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return IsLinkLocal6(bytes);
  return false;
}

}  // namespace switchyard::http

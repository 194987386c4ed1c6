#include "libs/http/link_local.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "gtest/gtest.h"

namespace switchyard::http {
namespace {

TEST(LinkLocalTest, KnowsAddressesOfTheOwnLinkAsText) {
  for (const char* host : {"169.254.169.254", "169.254.0.1", "[fe80::1]", "fe80::1%eth0", "febf::", "FE80::A",
                           "[::ffff:169.254.1.2]", "::ffff:a9fe:a9fe", "[fd00:ec2::254]"}) {
    EXPECT_TRUE(IsLinkLocal(std::string_view(host))) << host;
  }
  for (const char* host : {"", "169.253.0.1", "127.0.0.1", "10.0.0.1", "[::1]", "fec0::1", "::ffff:10.0.0.1",
                           "fd00:ec2::255", "metadata", "169.254.169.254.example", "0xa9fea9fe"}) {
    EXPECT_FALSE(IsLinkLocal(std::string_view(host))) << host;
  }
}

TEST(LinkLocalTest, KnowsThemAsSockets) {
  sockaddr_in in4{};
  in4.sin_family = AF_INET;
  inet_pton(AF_INET, "169.254.169.254", &in4.sin_addr);
  EXPECT_TRUE(IsLinkLocal(reinterpret_cast<const sockaddr&>(in4)));
  inet_pton(AF_INET, "127.0.0.1", &in4.sin_addr);
  EXPECT_FALSE(IsLinkLocal(reinterpret_cast<const sockaddr&>(in4)));
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
  EXPECT_TRUE(IsLinkLocal(reinterpret_cast<const sockaddr&>(in6)));
}

}  // namespace
}  // namespace switchyard::http

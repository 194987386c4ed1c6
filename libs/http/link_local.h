#pragma once

#include <string_view>

struct sockaddr;

namespace switchyard::http {

// Addresses of the own link, where machines in clouds find their metadata and with them credentials: 169.254.0.0/16,
// fe80::/10, the same within ::ffff:0:0/96, and fd00:ec2::254.
bool IsLinkLocal(const sockaddr& address);

// Of an address written as such, with or without brackets and zone; false for a name.
bool IsLinkLocal(std::string_view host);

}  // namespace switchyard::http

#pragma once

#include <string>

namespace switchyard::executor {

// As the kernel says; "unknown" when it does not.
std::string HostName();

}  // namespace switchyard::executor

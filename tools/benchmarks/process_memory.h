#pragma once

#include <sys/types.h>

#include <cstdint>

namespace switchyard::bench {

// What a process has in memory now; 0 when it is gone.
std::int64_t ResidentBytes(pid_t pid);

// As many open files as the machine permits, for this process and those that it starts from now on. How many that is.
std::int64_t RaiseOpenFiles();

}  // namespace switchyard::bench

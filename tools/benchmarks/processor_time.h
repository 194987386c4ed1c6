// What processes and the machine spent on their processors, from /proc.
#pragma once

#include <sys/types.h>

#include <vector>

#include "absl/time/time.h"

namespace switchyard::bench {

// Of one process, its ended threads included; its children not.
absl::Duration ProcessTime(pid_t pid);
// Of a process and all its children, the ended ones included: a Postgres cluster by its postmaster.
absl::Duration FamilyTime(pid_t parent);
// The process and its children.
std::vector<pid_t> FamilyOf(pid_t parent);
// All that the machine's processors did, for whomever.
absl::Duration MachineTime();

}  // namespace switchyard::bench

#pragma once

#include <string>
#include <vector>

#include "services/executor/backend.h"

namespace switchyard::executor {

// What the executor grants when neither rule nor task says less.
Limits DefaultLimits();

// `own` where it is set, `base` elsewhere; the time is the shortest of all that are set.
Limits Merge(const Limits& base, const Limits& own, absl::Duration asked_time);

// The shim's arguments that have the kernel hold what it can: size of a file, data of a process, open files, no core
// dumps; and the number of processes, inside a user namespace of the task's own only, since elsewhere the kernel counts
// all processes of the user.
std::vector<std::string> KernelLimits(const Limits& limits, bool own_user_namespace);

// Each limit with what holds it.
std::vector<HeldLimit> DescribeLimits(const Limits& limits, bool own_user_namespace, bool cgroup_memory,
                                      bool cgroup_processes);

}  // namespace switchyard::executor

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/executor/backend.h"
#include "services/executor/runner.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {

// Runs a program that does nothing just as a task would be, and says what stands in the way. `work_folder` as from
// PrepareWorkFolder; `serial` differs from call to call. Blocks, at most 10 s.
ProbeResult ProbeSandbox(const SandboxHost& host, const std::string& work_folder, std::uint64_t serial, Runner& runner);

// What bubblewrap's complaint means on this host, and how to mend it.
std::string ExplainSandboxFailure(std::string_view complaint);

}  // namespace switchyard::executor

#pragma once

#include <string>
#include <vector>

#include "tests/sim/simulation.h"

namespace switchyard::sim {

// The smallest list of faults that was found under which the same invariant still breaks: none of them can be left out
// alone. Runs the seed again and again, at most `most` times.
Verdict Shrink(const RunOptions& options, const Verdict& failed, int most = 2000);

// For people: what broke, the faults that matter, and the command that plays exactly them.
std::string Report(const RunOptions& options, const Verdict& verdict);

}  // namespace switchyard::sim

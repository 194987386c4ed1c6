#pragma once

#include "tools/benchmarks/measure.h"
#include "tools/benchmarks/report.h"

namespace switchyard::bench {

// Messages and bytes on the streams of agents per life that ended in the window, by direction and by kind, as the hub's
// metrics count them: Report::coordination.
void DescribeCoordination(const Window& window, Report& report);

}  // namespace switchyard::bench

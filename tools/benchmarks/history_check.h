#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "tools/benchmarks/installation.h"

namespace switchyard::bench {

// Whether as many lives stand in the history as ended well. DATA_LOSS when not.
absl::Status CheckHistory(const Installation& installation, std::int64_t lives);

}  // namespace switchyard::bench

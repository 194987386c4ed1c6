#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace switchyard::rpc {

// What one stream may hold back for a reader that is slower than what is offered.
struct StreamLimits {
  std::size_t max_messages = 1'000;
  std::size_t max_bytes = 4u << 20;
  // How long after it was opened, and then how often, the token of an open stream is verified again.
  absl::Duration recheck = absl::Seconds(30);
};

}  // namespace switchyard::rpc

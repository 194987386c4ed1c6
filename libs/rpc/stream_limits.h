#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace switchyard::rpc {

// What one stream may hold back for a reader that is slower than what is offered.
struct StreamLimits {
  std::size_t max_messages = 1'000;
  std::size_t max_bytes = 4u << 20;
  // After how long at most, again and again, the token of an open stream is verified past the cache: with the time that
  // the answer takes, streams end within 30 s of a revocation.
  absl::Duration recheck = absl::Seconds(25);
};

}  // namespace switchyard::rpc

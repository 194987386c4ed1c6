#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/random.h"

namespace switchyard::executor {

// How a stream, or the try to open one, ended.
struct StreamEnd {
  absl::Status status;
  // From the hub's last words: Drain, Goodbye or RetryInfo. Zero: none.
  absl::Duration retry_after;
  bool permanent = false;
  bool welcomed = false;
};

struct NextTry {
  // Only a person can mend it; `advice` says how.
  bool stop = false;
  std::string advice;
  absl::Duration wait;
  // Index of the address to dial.
  std::size_t address = 0;
};

// When to dial which hub. A refused token, a removed agent or a version that no hub speaks ends it; everything else is
// tried again for ever, at another address if there is one, after a pause that grows to `max` and is drawn at random
// between half and all of its length, so that a thousand executors do not come back at once. Not thread-safe.
class Reconnect {
 public:
  struct Options {
    absl::Duration initial = absl::Milliseconds(500);
    absl::Duration max = absl::Seconds(30);
    // After a stream that stood: anything up to this.
    absl::Duration spread = absl::Seconds(1);
    // Two processes with one token would take each other's place for ever.
    absl::Duration superseded = absl::Seconds(30);
  };

  Reconnect(std::size_t addresses, Rng& rng, Options options);
  Reconnect(std::size_t addresses, Rng& rng) : Reconnect(addresses, rng, Options{}) {}

  std::size_t first_address() const { return address_; }
  NextTry After(const StreamEnd& end);

 private:
  absl::Duration Backoff() const;

  const std::size_t addresses_;
  Rng& rng_;
  const Options options_;
  std::size_t address_ = 0;
  int failures_ = 0;
};

}  // namespace switchyard::executor

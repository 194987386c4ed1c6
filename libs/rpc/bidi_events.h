#pragma once

#include <functional>

#include "absl/status/status.h"

namespace switchyard::rpc {

// What the owner of a two-way stream is told. Each runs on a callback thread and must not wait; Received one at a time
// and in order, Ended last. May call the stream.
template <class In>
struct BidiEvents {
  std::function<void(In& message)> received;
  // The client will say nothing more, and may still listen.
  std::function<void()> half_closed;
  // The server stops: end the stream soon, by CloseWith.
  std::function<void(const absl::Status& status)> draining;
  // The call is over for whatever reason and the client can no longer be reached.
  std::function<void()> ended;
};

}  // namespace switchyard::rpc

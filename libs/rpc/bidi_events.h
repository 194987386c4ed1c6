#pragma once

#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace switchyard::rpc {

// What the owner of a two-way stream is told. Each runs on a callback thread and must not wait; Received one at a time
// and in order, Ended last. May call the stream.
template <class In>
struct BidiEvents {
  std::function<void(In& message, std::size_t bytes)> received;
  // Bytes came that are no message. Reading ends with it.
  std::function<void()> garbled;
  // The client will say nothing more, and may still listen.
  std::function<void()> half_closed;
  // The server stops: end the stream soon, by CloseWith.
  std::function<void(const absl::Status& status)> draining;
  // The call is over for whatever reason and the client can no longer be reached.
  std::function<void()> ended;

  // What a read brought.
  void Tell(bool ok, bool parsed, In& message, std::size_t bytes) const {
    if (parsed) return received(message, bytes);
    if (const auto& event = ok ? garbled : half_closed; event) event();
  }
};

}  // namespace switchyard::rpc

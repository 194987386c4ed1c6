#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "libs/rpc/stream_limits.h"

namespace switchyard::rpc {

// Messages that wait to be written, within bounds. A message stays at its address until it is popped. Not thread-safe.
template <class Out>
class OutQueue {
 public:
  // Puts `next` into `last`, which waits just before it; false when the two do not go together. Keeps bursts to few
  // messages.
  using Join = bool (*)(Out& last, Out& next);

  OutQueue(StreamLimits limits, Join join) : limits_(limits), join_(join) {}

  // False when the bound is reached. `front_taken`: the front is being written and must not change. One message larger
  // than the bound is taken by an empty queue. `joined`: told whether it became part of one that waits.
  bool Push(Out message, bool front_taken, bool* joined = nullptr) {
    const std::size_t bytes = message.ByteSizeLong();
    if (!entries_.empty() && bytes_ + bytes > limits_.max_bytes) return false;
    if (join_ != nullptr && entries_.size() > (front_taken ? 1u : 0u) && join_(entries_.back().message, message)) {
      entries_.back().bytes += bytes;
      bytes_ += bytes;
      if (joined != nullptr) *joined = true;
      return true;
    }
    if (entries_.size() >= limits_.max_messages) return false;
    Add(std::move(message), bytes);
    return true;
  }
  // Beyond all bounds.
  void PushLast(Out message) {
    const std::size_t bytes = message.ByteSizeLong();
    Add(std::move(message), bytes);
  }
  void Pop() {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
  }
  // Keeps the first `count`.
  void Truncate(std::size_t count) {
    while (entries_.size() > count) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
  }

  const Out& front() const { return entries_.front().message; }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Out message;
    std::size_t bytes;
  };

  void Add(Out message, std::size_t bytes) {
    entries_.push_back({std::move(message), bytes});
    bytes_ += bytes;
  }

  const StreamLimits limits_;
  const Join join_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace switchyard::rpc

#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "switchyard/agent/v1/agent_hub.pb.h"

namespace switchyard::executor {

// What a stream tells. Called on threads that must not wait, one call at a time for each stream.
class HubStreamEvents {
 public:
  virtual ~HubStreamEvents() = default;
  // Nothing more is read before HubStream::ReadNext.
  virtual void OnMessage(agent::v1::HubMessage message) = 0;
  // The last write is done: the next may come.
  virtual void OnWritable() = 0;
  // The last call; the stream may be dropped.
  virtual void OnEnded(absl::Status status) = 0;
};

// One stream to one hub, from its call to its end. Used from one thread.
class HubStream {
 public:
  virtual ~HubStream() = default;
  // Only when the last write is done, the first at once. Nothing happens on a stream that has ended.
  virtual void Write(const agent::v1::AgentMessage& message) = 0;
  virtual void ReadNext() = 0;
  // No more writes; what the hub still says is read.
  virtual void EndWrites() = 0;
  // Ends it soon, whatever the hub does.
  virtual void Cancel() = 0;
};

// Opens streams. Thread-safe.
class HubDialer {
 public:
  virtual ~HubDialer() = default;
  virtual std::size_t addresses() const = 0;
  virtual std::string address(std::size_t index) const = 0;
  // Comes back at once; whether there is anybody is told by the events, which outlive the stream.
  virtual std::unique_ptr<HubStream> Dial(std::size_t index, HubStreamEvents& events) = 0;
  // A token was refused: true when there is another one by now than that which the last stream used.
  virtual bool TokenChanged() = 0;
};

}  // namespace switchyard::executor

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace switchyard::rpc {

// The side of an open stream that the server needs for drain and for readers that do not read.
class StreamControl {
 public:
  virtual ~StreamControl() = default;
  virtual void CloseWith(const absl::Status& status) = 0;
  // Called at a steady pace: a stream that was already closing `patience` calls ago is cancelled.
  virtual void Sweep(int patience) = 0;
};

// The open streams of one server. Thread-safe.
class StreamRegistry {
 public:
  void Add(const std::shared_ptr<StreamControl>& stream);
  void Remove(const StreamControl* stream);
  void CloseAll(const absl::Status& status);
  void SweepAll(int patience);
  std::size_t size() const;
  // Whether the last stream was over, its owner told, before `patience` had passed. Blocks.
  bool WaitUntilEmpty(absl::Duration patience);

 private:
  std::vector<std::shared_ptr<StreamControl>> Alive() const;

  mutable Mutex mutex_;
  CondVar emptied_;
  absl::flat_hash_map<const StreamControl*, std::weak_ptr<StreamControl>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::rpc

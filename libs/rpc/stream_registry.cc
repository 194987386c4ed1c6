#include "libs/rpc/stream_registry.h"

#include <utility>

namespace switchyard::rpc {

void StreamRegistry::Add(const std::shared_ptr<StreamControl>& stream) {
  MutexLock lock(mutex_);
  streams_.insert_or_assign(stream.get(), stream);
}

void StreamRegistry::Remove(const StreamControl* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  if (streams_.empty()) emptied_.NotifyAll();
}

bool StreamRegistry::WaitUntilEmpty(absl::Duration patience) {
  MutexLock lock(mutex_);
  while (!streams_.empty()) {
    if (!emptied_.WaitFor(mutex_, patience)) return streams_.empty();
  }
  return true;
}

void StreamRegistry::CloseAll(const absl::Status& status) {
  for (const auto& stream : Alive()) stream->CloseWith(status);
}

void StreamRegistry::SweepAll(int patience) {
  for (const auto& stream : Alive()) stream->Sweep(patience);
}

std::size_t StreamRegistry::size() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

std::vector<std::shared_ptr<StreamControl>> StreamRegistry::Alive() const {
  std::vector<std::shared_ptr<StreamControl>> alive;
  MutexLock lock(mutex_);
  alive.reserve(streams_.size());
  for (const auto& [key, weak] : streams_) {
    if (auto stream = weak.lock()) alive.push_back(std::move(stream));
  }
  return alive;
}

}  // namespace switchyard::rpc

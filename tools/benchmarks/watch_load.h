#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/benchmarks/measure.h"

namespace switchyard::bench {

// Many watchers of all events. `done` counts deliveries of events, the latency is from the time of an event, which
// stands in it, until a watcher has it in hand.
class WatchLoad final : public Load {
 public:
  WatchLoad(Client& client, int watchers);
  ~WatchLoad() override;
  absl::Status Start() override;
  void Stop() override;

  // What a watcher has got since the last ForgetSeen: how many events, and a sum over their identities, which differs
  // when one was lost, came twice or was another.
  struct Seen {
    std::int64_t events = 0;
    std::uint64_t sum = 0;

    void Add(std::string_view task_id, int ordinal);
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::vector<Seen> seen() const;
  void ForgetSeen();
  // Streams that ended and were resumed from their last token.
  std::int64_t resumed() const { return resumed_; }

 private:
  struct Watcher;
  struct Stream;
  void Open(Watcher& watcher);
  void Take(Watcher& watcher, const v1::WatchTasksResponse& message);
  void Closed(Watcher& watcher, const grpc::Status& status);

  Client& client_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::atomic<std::int64_t> resumed_{0};
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/rpc/server_stream.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::task_queue {

// Tells hubs what their agents must hear. Level-triggered: what is outstanding is sent again and again until the
// agent's report has settled it, so a lost message heals. Of more than one tick can send, each has its turn.
// Thread-safe, apart from Tick().
class DirectiveFeed final {
 public:
  using Stream = rpc::ServerStream<v1::WatchDirectivesResponse>;

  // `per_tick` bounds what one tick reads and sends.
  explicit DirectiveFeed(TaskStore& store, int per_tick = 5'000) : store_(store), per_tick_(per_tick) {}

  absl::Status Open(const v1::WatchDirectivesRequest& request, std::shared_ptr<Stream> stream);

  // Reads what is outstanding and sends it; goes on where the last tick ended. Blocks; a background step.
  absl::Status Tick();
  // An assignment ended without its agent's doing: said once, since the agent's next report is refused anyway.
  void Withdraw(const TaskId& task, Generation generation, const std::string& agent, const std::string& cause);

  std::size_t readers() const;

 private:
  struct Reader {
    std::shared_ptr<Stream> stream;  // Shared with gRPC until the call is over.
    StringSet agents;
  };

  void SendLocked(const std::vector<v1::Directive>& directives) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  TaskStore& store_;
  const int per_tick_;
  TaskId last_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Reader>> readers_ ABSL_GUARDED_BY(mutex_);  // Shared with the streams' closing.
};

}  // namespace switchyard::task_queue

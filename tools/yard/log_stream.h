#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::yard {

// ReadTaskLog that survives drops: it opens the stream again after the last chunk. Read() on one thread, Stop() on any.
class LogStream {
 public:
  using OnChunk = std::function<void(const agent::v1::TaskLogChunk&)>;

  // Borrows both. `request` says whether to follow.
  LogStream(const rpc::Caller& caller, agent::v1::AgentAdminService::StubInterface& stub,
            agent::v1::ReadTaskLogRequest request);

  // Until the server ends the stream, which a followed one never does by itself; OK too after Stop(). While following,
  // a server that is away is waited for, up to five minutes; otherwise some tries are made.
  absl::Status Read(const OnChunk& on_chunk);
  void Stop();

  // From where another stream would go on.
  const std::string& resume_token() const { return request_.resume_token(); }
  // Whether the last chunk of the last attempt that was seen has come.
  bool complete() const { return complete_; }

 private:
  bool stopping() const;

  const rpc::Caller& caller_;
  agent::v1::AgentAdminService::StubInterface& stub_;
  agent::v1::ReadTaskLogRequest request_;
  bool complete_ = false;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* current_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace switchyard::yard

#pragma once

#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/yard/log_stream.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

// Reads the log of a task on a thread of its own, while the caller does something else.
class LogFollower {
 public:
  // Reads from now on. Borrows both; `on_chunk` is called on one thread at a time. Says so on standard error when the
  // log cannot be followed.
  LogFollower(Session& session, AgentAdminStub& stub, agent::v1::ReadTaskLogRequest request,
              LogStream::OnChunk on_chunk);
  ~LogFollower();

  // The task is over. Reads what was stored meanwhile, and waits up to `late` for what its hub has not stored yet.
  absl::Status Finish(absl::Duration late);

 private:
  void StopReading();

  Session& session_;
  AgentAdminStub& stub_;
  const agent::v1::ReadTaskLogRequest request_;
  const LogStream::OnChunk on_chunk_;
  LogStream log_;
  // The thread's own until it has ended.
  absl::Status read_;
  std::thread thread_;
};

}  // namespace switchyard::yard

#include "tools/benchmarks/sim_agent_stream.h"

#include <utility>

#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/client.h"

namespace switchyard::bench {

void SimAgent::Stream::Begin(const std::shared_ptr<grpc::Channel>& channel, const std::string& token) {
  context_.AddMetadata("authorization", "Bearer " + token);
  const auto stub = av1::AgentHubService::NewStub(channel);
  stub->async()->Connect(&context_, this);
  // Until End(): reads and writes are started from anywhere.
  AddHold();
  StartRead(&incoming_);
  StartCall();
}

void SimAgent::Stream::Pump() {
  {
    MutexLock lock(mutex_);
    if (ended_ || writing_) return;
    MutexLock agent_lock(agent_.mutex_);
    if (!agent_.Compose(outgoing_)) return;
    writing_ = true;
    AddHold();
  }
  agent_.tally_.messages_out.fetch_add(1, std::memory_order_relaxed);
  agent_.tally_.bytes_out.fetch_add(static_cast<std::int64_t>(outgoing_.ByteSizeLong()), std::memory_order_relaxed);
  StartWrite(&outgoing_);
  RemoveHold();
}

void SimAgent::Stream::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    writing_ = false;
  }
  // When it failed, the read fails too.
  if (ok) Pump();
}

void SimAgent::Stream::OnReadDone(bool ok) {
  {
    MutexLock lock(mutex_);
    read_under_way_ = false;
  }
  if (!ok) return End();
  const std::int64_t nanos = SteadyNanos();
  agent_.tally_.messages_in.fetch_add(1, std::memory_order_relaxed);
  agent_.tally_.bytes_in.fetch_add(static_cast<std::int64_t>(incoming_.ByteSizeLong()), std::memory_order_relaxed);
  agent_.Take(*this, incoming_, nanos);
  {
    MutexLock lock(mutex_);
    if (ended_ || !reading_) return;
    read_under_way_ = true;
    AddHold();
  }
  StartRead(&incoming_);
  RemoveHold();
}

void SimAgent::Stream::SetReading(bool reading) {
  {
    MutexLock lock(mutex_);
    reading_ = reading;
    if (!reading || ended_ || read_under_way_) return;
    read_under_way_ = true;
    AddHold();
  }
  StartRead(&incoming_);
  RemoveHold();
}

void SimAgent::Stream::Cancel() {
  context_.TryCancel();
  bool end = false;
  {
    MutexLock lock(mutex_);
    end = !read_under_way_;
  }
  // Otherwise the read fails and ends it.
  if (end) End();
}

void SimAgent::Stream::End() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
  }
  RemoveHold();
}

void SimAgent::Stream::OnDone(const grpc::Status& status) { agent_.Over(rpc::FromGrpcStatus(status)); }

}  // namespace switchyard::bench

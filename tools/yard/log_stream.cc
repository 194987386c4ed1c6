#include "tools/yard/log_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/rpc/status_convert.h"

namespace switchyard::yard {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(3);
constexpr absl::Duration kPatience = absl::Minutes(5);
// Streams are opened anew after this long: no call is without a deadline.
constexpr absl::Duration kStreamTime = absl::Hours(1);
constexpr int kTries = 4;

bool Transient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsCancelled(status);
}

}  // namespace

LogStream::LogStream(const rpc::Caller& caller, agent::v1::AgentAdminService::StubInterface& stub,
                     agent::v1::ReadTaskLogRequest request)
    : caller_(caller), stub_(stub), request_(std::move(request)) {}

bool LogStream::stopping() const {
  MutexLock lock(mutex_);
  return stopping_;
}

void LogStream::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  if (current_ != nullptr) current_->TryCancel();
  changed_.NotifyAll();
}

absl::Status LogStream::Read(const OnChunk& on_chunk) {
  absl::Duration pause = kFirstPause;
  std::optional<absl::Time> down_since;
  int tries = 0;
  while (!stopping()) {
    grpc::ClientContext context;
    caller_.Prepare(context, kStreamTime, std::nullopt);
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
      current_ = &context;
    }
    const auto reader = stub_.ReadTaskLog(&context, request_);
    agent::v1::ReadTaskLogResponse response;
    while (reader->Read(&response)) {
      for (const agent::v1::TaskLogChunk& chunk : response.chunks()) {
        complete_ = chunk.last();
        on_chunk(chunk);
      }
      request_.set_resume_token(response.resume_token());
      request_.clear_tail_bytes();
      pause = kFirstPause;
      down_since.reset();
      tries = 0;
    }
    const absl::Status status = rpc::FromGrpcStatus(reader->Finish());
    MutexLock lock(mutex_);
    current_ = nullptr;
    if (stopping_ || status.ok()) return absl::OkStatus();
    if (!Transient(status)) return status;
    const absl::Time now = caller_.clock().Now();
    if (!down_since.has_value()) down_since = now;
    if (request_.follow() ? now - *down_since > kPatience : ++tries >= kTries) return status;
    changed_.WaitFor(mutex_, pause * (0.5 + caller_.rng().Unit() / 2));
    pause = std::min(pause * 2, kLongestPause);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::yard

#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/rpc/call_gate.h"
#include "libs/rpc/stream_limits.h"

namespace switchyard::rpc {

// The server's side of one stream of messages. Offer and close it from any thread: it never blocks, keeps one write in
// flight, and never writes after the end. Held by whoever feeds it and, until the call is over, by itself.
template <class Response>
class ServerStream final : public StreamControl,
                           public std::enable_shared_from_this<ServerStream<Response>>,
                           private grpc::ServerWriteReactor<Response> {
 public:
  // For rpc::Handlers. The stream does not end before Release(), so that the request lives while the handler reads it.
  static std::shared_ptr<ServerStream> Open(CallGate& gate, const Method& method,
                                            grpc::CallbackServerContext* server_context, CallGate::Admission& admission,
                                            StreamLimits limits) {
    std::shared_ptr<ServerStream> stream(new ServerStream(gate, method, server_context, admission, limits));
    {
      MutexLock lock(stream->mutex_);
      stream->self_ = stream;
    }
    gate.streams().Add(stream);
    return stream;
  }
  void Release() {
    Act([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { held_ = false; });
  }
  grpc::ServerWriteReactor<Response>* reactor() { return this; }
  CallContext& mutable_context() { return *context_; }

  // False, and the message is not taken, when the buffer is full or the stream is over. The owner then decides: usually
  // CloseWith(a resumable error). One message larger than the bound is taken by an empty buffer.
  bool Offer(Response message) { return Offer(std::make_shared<const Response>(std::move(message))); }
  // As Offer, but nothing is written before Flush: that one may run callbacks on this thread, so it is for owners that
  // hold a lock which these take.
  bool Enqueue(Response message) {
    MutexLock lock(mutex_);
    return Push(std::make_shared<const Response>(std::move(message)));
  }
  void Flush() {
    Act([] {});
  }
  // Shared: the same message may wait in many streams.
  bool Offer(std::shared_ptr<const Response> message) {
    bool taken = false;
    Act([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { taken = Push(std::move(message)); });
    return taken;
  }

  // OK ends the stream after what is buffered; an error drops the buffer and ends it after the write in flight. A
  // reader that does not take even that is cancelled some seconds later. Only the first error counts.
  void CloseWith(const absl::Status& status) override {
    Act([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { Decide(status); });
  }

  // Called exactly once, when the call is over for whatever reason and the client can no longer be reached; at once
  // if that is so already. Runs on a callback thread: must not wait. One function only.
  void OnClosed(std::function<void()> closed) {
    {
      MutexLock lock(mutex_);
      if (!over_) {
        on_closed_ = std::move(closed);
        return;
      }
    }
    closed();
  }

  // Called whenever all that was offered has been written, for owners that gather what changed meanwhile. Runs on a
  // callback thread: must not wait. One function only, before Release().
  void OnIdle(std::function<void()> idle) {
    MutexLock lock(mutex_);
    on_idle_ = std::move(idle);
  }

  // False once the end is decided, whether or not the client knows yet.
  bool open() const {
    MutexLock lock(mutex_);
    return !final_.has_value();
  }
  std::size_t buffered() const {
    MutexLock lock(mutex_);
    return queue_.size();
  }
  // What the buffered messages take on the wire; one that waits in many streams counts in each.
  std::size_t buffered_bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }
  // Null principal for a call that was refused.
  const CallContext& context() const { return *context_; }

  void Sweep(int patience) override {
    bool recheck = false;
    {
      MutexLock lock(mutex_);
      if (over_) return;
      // OnDone needs the lock, so the server context is alive here.
      if (final_.has_value() && ++closing_sweeps_ > patience) server_context_->TryCancel();
      if (!final_.has_value() && !token_.empty() && gate_.clock().Now() >= recheck_at_) {
        recheck_at_ = gate_.RecheckAt(limits_.recheck);
        recheck = true;
      }
    }
    if (recheck) gate_.Recheck(token_, method_, this->weak_from_this());
  }

 private:
  struct Waiting {
    std::shared_ptr<const Response> message;
    std::size_t bytes;
  };

  ServerStream(CallGate& gate, const Method& method, grpc::CallbackServerContext* server_context,
               CallGate::Admission& admission, StreamLimits limits)
      : gate_(gate),
        method_(method),
        server_context_(server_context),
        limits_(limits),
        start_(admission.start),
        token_(admission.token),
        context_(std::move(admission.context)),
        recheck_at_(gate.RecheckAt(limits.recheck)) {}

  bool Push(std::shared_ptr<const Response> message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::size_t bytes = message->ByteSizeLong();
    const bool room = queue_.empty() || (queue_.size() < limits_.max_messages && bytes_ + bytes <= limits_.max_bytes);
    if (final_.has_value() || !room) return false;
    queue_.push_back({std::move(message), bytes});
    bytes_ += bytes;
    return true;
  }

  void Decide(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (final_.has_value() && (!final_->ok() || status.ok())) return;
    final_ = status;
    if (status.ok()) return;
    while (queue_.size() > (writing_ ? 1u : 0u)) {
      bytes_ -= queue_.back().bytes;
      queue_.pop_back();
    }
  }

  // Changes the state under the lock, then does, outside of it, the one thing that the state asks for. No two threads
  // get the same thing to do, and nothing is to be done once Finish was.
  template <class Change>
  void Act(Change change) {
    const Response* write = nullptr;
    std::optional<absl::Status> finish;
    {
      MutexLock lock(mutex_);
      change();
      if (writing_ || finished_) return;
      if (!queue_.empty()) {
        writing_ = true;
        write = queue_.front().message.get();
      } else if (final_.has_value() && !held_) {
        finished_ = true;
        finish = final_;
      }
    }
    if (write != nullptr) {
      this->StartWrite(write);
    } else if (finish.has_value()) {
      // After Finish the stream may be gone.
      this->Finish(gate_.Leave(method_, CallGate::Kind::kStream, start_, *finish, context_.get()));
    }
  }

  void OnWriteDone(bool ok) override {
    std::shared_ptr<const Response> written;
    std::function<void()> idle;
    // Taken now: after Act the stream may be gone.
    {
      MutexLock lock(mutex_);
      if (queue_.size() == 1 && ok && !final_.has_value()) idle = on_idle_;
    }
    Act([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      writing_ = false;
      written = std::move(queue_.front().message);
      bytes_ -= queue_.front().bytes;
      queue_.pop_front();
      if (!ok) Decide(absl::CancelledError("the client has gone"));
    });
    if (idle) idle();
  }

  void OnCancel() override {
    Act([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { Decide(absl::CancelledError("the client has gone")); });
  }

  void OnDone() override {
    std::function<void()> closed;
    std::shared_ptr<ServerStream> self;
    {
      MutexLock lock(mutex_);
      over_ = true;
      closed = std::move(on_closed_);
      on_closed_ = nullptr;
      self = std::move(self_);
    }
    if (closed) closed();
    closed = nullptr;
    // Last: from here on the server, and what the owner's function named, may be gone.
    gate_.streams().Remove(this);
  }

  CallGate& gate_;
  const Method& method_;
  grpc::CallbackServerContext* const server_context_;
  const StreamLimits limits_;
  const absl::Time start_;
  const std::string token_;
  const std::unique_ptr<CallContext> context_;

  mutable Mutex mutex_;
  // The front is in flight while writing_.
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool held_ ABSL_GUARDED_BY(mutex_) = true;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  int closing_sweeps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> final_ ABSL_GUARDED_BY(mutex_);
  absl::Time recheck_at_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_closed_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_idle_ ABSL_GUARDED_BY(mutex_);
  // gRPC uses the reactor until OnDone.
  std::shared_ptr<ServerStream> self_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::rpc

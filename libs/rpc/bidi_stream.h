#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/bidi_events.h"
#include "libs/rpc/call_gate.h"
#include "libs/rpc/out_queue.h"
#include "libs/rpc/raw_message.h"
#include "libs/rpc/stream_limits.h"

namespace switchyard::rpc {

// The server's side of one two-way stream. All but the events may be called from any thread, and none blocks. One read
// and one write are in flight at most: a client that says more than is taken is slowed down, one that reads less than
// is said fills the buffer, and then Enqueue fails.
template <class In, class Out>
class BidiStream final : public StreamControl,
                         public std::enable_shared_from_this<BidiStream<In, Out>>,
                         private RawBidiReactor {
 public:
  // For rpc::Handlers. Held until Release(): it does not end while the handler sets it up.
  static std::shared_ptr<BidiStream> Open(CallGate& gate, const Method& method,
                                          grpc::CallbackServerContext* server_context, CallGate::Admission& admission,
                                          StreamLimits limits, typename OutQueue<Out>::Join join) {
    std::shared_ptr<BidiStream> stream(new BidiStream(gate, method, server_context, admission, limits, join));
    gate.streams().Add(stream);
    MutexLock lock(stream->mutex_);
    stream->self_ = stream;
    return stream;
  }
  void Release() {
    Act([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { held_ = false; });
  }
  RawBidiReactor* reactor() { return this; }
  CallContext& mutable_context() { return *context_; }

  // Once, before Release().
  void SetEvents(BidiEvents<In> events) {
    MutexLock lock(mutex_);
    events_ = std::make_shared<BidiEvents<In>>(std::move(events));
  }

  // False, and the message is not taken, when the buffer is full or the end is decided. `joined`: it went into one that
  // waits. Nothing is written before Flush(), which may run callbacks here: call that without a lock that they take.
  bool Enqueue(Out message, bool* joined = nullptr) {
    MutexLock lock(mutex_);
    if (final_.has_value()) return false;
    return queue_.Push(std::move(message), writing_, joined);
  }
  void Flush() {
    Act([] {});
  }

  // As ServerStream::CloseWith; `last` is still sent, after the write in flight. The first call decides.
  void Close(const absl::Status& status, std::optional<Out> last) {
    Act([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (final_.has_value()) return;
      Decide(status);
      if (last.has_value()) queue_.PushLast(*std::move(last));
    });
  }
  // From the server (it stops, the token ended); owners call Close.
  void CloseWith(const absl::Status& status) override {
    const std::shared_ptr<BidiEvents<In>> events = Events();
    const bool stops = status.code() == absl::StatusCode::kUnavailable;
    if (stops && open() && events != nullptr && events->draining) return events->draining(status);
    Close(status, std::nullopt);
  }

  // Off: one message may still come. On: takes effect with the next Flush, for the same reason.
  void SetReading(bool on) {
    MutexLock lock(mutex_);
    paused_ = !on;
  }

  // False once the end is decided, whether or not the client knows yet.
  bool open() const {
    MutexLock lock(mutex_);
    return !final_.has_value();
  }
  const CallContext& context() const { return *context_; }
  std::string peer() const { return server_context_->peer(); }

  void Sweep(int patience) override {
    bool recheck = false;
    {
      MutexLock lock(mutex_);
      if (over_) return;  // Otherwise the server context is alive: OnDone needs the lock.
      if (final_.has_value() && ++closing_sweeps_ > patience) server_context_->TryCancel();
      if (!final_.has_value() && !token_.empty() && gate_.clock().Now() >= recheck_at_) {
        recheck_at_ = gate_.RecheckAt(recheck_);
        recheck = true;
      }
    }
    if (recheck) gate_.Recheck(token_, method_, this->weak_from_this());
  }

 private:
  BidiStream(CallGate& gate, const Method& method, grpc::CallbackServerContext* server_context,
             CallGate::Admission& admission, StreamLimits limits, typename OutQueue<Out>::Join join)
      : gate_(gate),
        method_(method),
        server_context_(server_context),
        recheck_(limits.recheck),
        start_(admission.start),
        token_(admission.token),
        context_(std::move(admission.context)),
        queue_(limits, join),
        recheck_at_(gate.RecheckAt(limits.recheck)) {}

  std::shared_ptr<BidiEvents<In>> Events() {
    MutexLock lock(mutex_);
    return events_;
  }
  void Decide(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (final_.has_value() && (!final_->ok() || status.ok())) return;
    final_ = status;
    if (!status.ok()) queue_.Truncate(writing_ ? 1 : 0);
  }

  // Changes the state under the lock, then starts, outside of it, what the state asks for. Whoever starts an operation
  // holds off Finish until it has been started.
  template <class Change>
  void Act(Change change) {
    bool read = false;
    const Out* write = nullptr;
    std::optional<absl::Status> finish;
    {
      MutexLock lock(mutex_);
      change();
      Choose(read, write, finish);
    }
    while (read || write != nullptr || finish.has_value()) {
      // After Finish the stream may be gone.
      if (finish.has_value()) {
        return this->Finish(gate_.Leave(method_, CallGate::Kind::kStream, start_, *finish, context_.get()));
      }
      if (write != nullptr) {
        outgoing_ = ToBuffer(*std::exchange(write, nullptr));
        this->StartWrite(&outgoing_);
      }
      if (read) this->StartRead(&incoming_);
      read = false;
      MutexLock lock(mutex_);
      --starting_;
      Choose(read, write, finish);
    }
  }
  void Choose(bool& read, const Out*& write, std::optional<absl::Status>& finish)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    if (!writing_ && !queue_.empty()) {
      writing_ = true;
      write = &queue_.front();
    }
    if (!reading_ && !paused_ && !read_over_ && !held_ && !final_.has_value()) {
      reading_ = true;
      read = true;
    }
    if (read || write != nullptr) {
      ++starting_;
    } else if (!writing_ && queue_.empty() && final_.has_value() && !held_ && starting_ == 0) {
      finished_ = true;
      finish = final_;
    }
  }

  void OnReadDone(bool ok) override {
    const std::shared_ptr<BidiEvents<In>> events = Events();
    const std::size_t bytes = ok ? incoming_.Length() : 0;
    const bool parsed = ok && ParseBuffer(incoming_, message_);
    if (events != nullptr) events->Tell(ok, parsed, message_, bytes);
    Act([this, parsed]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      reading_ = false;
      if (!parsed) read_over_ = true;
    });
  }

  void OnWriteDone(bool ok) override {
    Act([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      writing_ = false;
      queue_.Pop();
      if (!ok) Decide(absl::CancelledError("the client has gone"));
    });
  }

  void OnCancel() override {
    Act([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { Decide(absl::CancelledError("the client has gone")); });
  }

  void OnDone() override {
    std::shared_ptr<BidiEvents<In>> events;
    std::shared_ptr<BidiStream> self;
    {
      MutexLock lock(mutex_);
      over_ = true;
      events = std::exchange(events_, nullptr);
      self = std::move(self_);
    }
    if (events != nullptr && events->ended) events->ended();
    events = nullptr;
    gate_.streams().Remove(this);  // Last: from here on the server may be gone.
  }

  CallGate& gate_;
  const Method& method_;
  grpc::CallbackServerContext* const server_context_;
  const absl::Duration recheck_;
  const absl::Time start_;
  const std::string token_;
  const std::unique_ptr<CallContext> context_;
  // Touched by gRPC while reading_, then by the event.
  grpc::ByteBuffer incoming_;
  In message_;
  // Touched by gRPC while writing_.
  grpc::ByteBuffer outgoing_;

  mutable Mutex mutex_;
  // The front is in flight while writing_.
  OutQueue<Out> queue_ ABSL_GUARDED_BY(mutex_);
  bool held_ ABSL_GUARDED_BY(mutex_) = true;
  bool paused_ ABSL_GUARDED_BY(mutex_) = true;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Threads between the decision to start an operation and its start.
  int starting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  int closing_sweeps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> final_ ABSL_GUARDED_BY(mutex_);
  absl::Time recheck_at_ ABSL_GUARDED_BY(mutex_);
  // Shared with the callback that is running.
  std::shared_ptr<BidiEvents<In>> events_ ABSL_GUARDED_BY(mutex_);
  // gRPC uses the reactor until OnDone.
  std::shared_ptr<BidiStream> self_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::rpc

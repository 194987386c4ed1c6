// The client's side of a server stream that is to stand for as long as there is work: opened again, with jittered
// pauses, whenever it ends. What was missed in between is the owner's to find out: `on_open` says when to begin anew.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::rpc {

struct ReopenPolicy {
  absl::Duration initial = absl::Milliseconds(50);
  absl::Duration max = absl::Seconds(2);
  double growth = 2;
};

// Thread-safe. Events come one after the other, never two at once, on gRPC's callback threads, where they must not
// wait; between on_open and on_end they belong to one stream.
template <class Request, class Response>
class ResumingStream {
 public:
  using Begin = std::function<void(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Response>*)>;
  struct Events {
    // Before each stream: what to ask for.
    std::function<Request()> on_open;
    std::function<void(Response&)> on_message;
    // After each stream, however it ended; nothing of it comes any more.
    std::function<void(const absl::Status&)> on_end;
  };

  // `begin` starts the call, as [&stub](auto... a) { stub.async()->Watch(a...); }. Borrows the caller, whose timer must
  // outlive the process' streams.
  ResumingStream(const Caller& caller, Begin begin, Events events, ReopenPolicy policy = {})
      : core_(std::make_shared<Core>(caller, std::move(begin), std::move(events), policy)) {}
  ~ResumingStream() { Stop(); }
  ResumingStream(const ResumingStream&) = delete;
  ResumingStream& operator=(const ResumingStream&) = delete;

  void Start() { Core::Open(core_); }
  // Ends the stream that stands, if any; the next one is opened at once.
  void Reopen() { core_->Reopen(); }
  // Ends it for good. No event comes after this returned; so never from an event.
  void Stop() { core_->Stop(); }

 private:
  struct Core;

  class Attempt final : public grpc::ClientReadReactor<Response> {
   public:
    explicit Attempt(std::shared_ptr<Core> core) : core_(std::move(core)), request_(core_->events.on_open()) {
      core_->caller.Prepare(context_, absl::InfiniteDuration(), std::nullopt);
    }
    void Run() {
      core_->begin(&context_, &request_, this);
      this->StartRead(&response_);
      this->StartCall();
    }
    void Cancel() { context_.TryCancel(); }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (core_->Received()) core_->events.on_message(response_);
      response_.Clear();
      this->StartRead(&response_);
    }
    void OnDone(const grpc::Status& status) override {
      const std::shared_ptr<Core> core = core_;
      core->Done();
      delete this;
      Core::Ended(core, FromGrpcStatus(status));
    }

    std::shared_ptr<Core> core_;
    const Request request_;
    Response response_;
    grpc::ClientContext context_;
  };

  // Outlives the owner for as long as a timer holds it.
  struct Core {
    Core(const Caller& caller, Begin begin, Events events, ReopenPolicy policy)
        : caller(caller), begin(std::move(begin)), events(std::move(events)), policy(policy), pause(policy.initial) {}

    static void Open(const std::shared_ptr<Core>& core) {
      {
        MutexLock lock(core->mutex);
        if (core->stopped || core->busy) return;
        core->busy = true;
        core->hurry = false;
      }
      auto* const attempt = new Attempt(core);
      bool cancelled = false;
      {
        MutexLock lock(core->mutex);
        core->attempt = attempt;
        cancelled = core->stopped;
      }
      if (cancelled) attempt->Cancel();
      attempt->Run();
    }
    bool Received() {
      MutexLock lock(mutex);
      pause = policy.initial;
      return !stopped;
    }
    void Reopen() {
      MutexLock lock(mutex);
      hurry = true;
      if (attempt != nullptr) attempt->Cancel();
    }
    // Before the attempt goes.
    void Done() {
      MutexLock lock(mutex);
      attempt = nullptr;
    }
    static void Ended(const std::shared_ptr<Core>& core, const absl::Status& status) {
      bool tell = false;
      {
        MutexLock lock(core->mutex);
        tell = !core->stopped;
      }
      if (tell) core->events.on_end(status);
      absl::Duration wait;
      {
        MutexLock lock(core->mutex);
        core->busy = false;
        core->idle.NotifyAll();
        if (core->stopped) return;
        if (!core->hurry) {
          wait = core->pause * (0.5 + 0.5 * core->caller.rng().Unit());
          core->pause = std::min(core->policy.max, core->pause * core->policy.growth);
        }
      }
      core->caller.timer().After(wait, [core] { Open(core); });
    }
    void Stop() {
      MutexLock lock(mutex);
      stopped = true;
      if (attempt != nullptr) attempt->Cancel();
      while (busy) idle.Wait(mutex);
    }

    const Caller& caller;
    const Begin begin;
    const Events events;
    const ReopenPolicy policy;
    Mutex mutex;
    CondVar idle;
    // Cancelled under the lock only, so that it is there.
    Attempt* attempt ABSL_GUARDED_BY(mutex) = nullptr;
    // From before on_open until after on_end.
    bool busy ABSL_GUARDED_BY(mutex) = false;
    bool hurry ABSL_GUARDED_BY(mutex) = false;
    bool stopped ABSL_GUARDED_BY(mutex) = false;
    absl::Duration pause ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<Core> core_;
};

}  // namespace switchyard::rpc

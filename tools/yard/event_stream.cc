#include "tools/yard/event_stream.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr std::size_t kMaxBuffered = 4'000;
constexpr absl::Duration kFirstEventPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestEventPause = absl::Seconds(3);
// Streams are opened anew after this long: no call is without a deadline.
constexpr absl::Duration kEventStreamTime = absl::Hours(1);

bool MayFollowAgain(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
      return true;
    // What a connection that breaks within a message looks like.
    case absl::StatusCode::kInternal:
      return ReasonOf(status).empty();
    default:
      return false;
  }
}

}  // namespace

struct EventStream::State {
  State(const rpc::Caller& caller, tq::TaskQueueService::StubInterface& stub, tq::WatchTasksRequest request)
      : caller(caller), stub(stub), request(std::move(request)) {}

  void Run() {
    absl::Duration pause = kFirstEventPause;
    while (true) {
      grpc::ClientContext context;
      caller.Prepare(context, kEventStreamTime, std::nullopt);
      {
        const MutexLock lock(mutex);
        if (stopping) return;
        current = &context;
      }
      const auto reader = stub.WatchTasks(&context, request);
      tq::WatchTasksResponse response;
      while (reader->Read(&response)) {
        pause = kFirstEventPause;
        request.set_resume_token(response.resume_token());
        if (!Deliver(response)) context.TryCancel();
      }
      const absl::Status status = rpc::FromGrpcStatus(reader->Finish());
      const MutexLock lock(mutex);
      current = nullptr;
      if (stopping) return;
      if (ReasonOf(status) == "RESUME_TOKEN_EXPIRED") {
        request.clear_resume_token();
        gap = true;
      } else if (!MayFollowAgain(status)) {
        failure = status;
        changed.NotifyAll();
        return;
      }
      if (!down_since.has_value()) down_since = caller.clock().Now();
      changed.NotifyAll();
      changed.WaitFor(mutex, pause * (0.5 + caller.rng().Unit() / 2));
      pause = std::min(pause * 2, kLongestEventPause);
    }
  }

  bool Deliver(const tq::WatchTasksResponse& response) {
    const MutexLock lock(mutex);
    down_since.reset();
    while (buffered.size() >= kMaxBuffered && !stopping) changed.Wait(mutex);
    buffered.insert(buffered.end(), response.events().begin(), response.events().end());
    changed.NotifyAll();
    return !stopping;
  }

  const rpc::Caller& caller;
  tq::TaskQueueService::StubInterface& stub;
  // The reader's own, once it runs.
  tq::WatchTasksRequest request;
  std::thread thread;

  Mutex mutex;
  CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool gap ABSL_GUARDED_BY(mutex) = false;
  grpc::ClientContext* current ABSL_GUARDED_BY(mutex) = nullptr;
  std::deque<tq::TaskEvent> buffered ABSL_GUARDED_BY(mutex);
  std::optional<absl::Time> down_since ABSL_GUARDED_BY(mutex);
  absl::Status failure ABSL_GUARDED_BY(mutex);
};

EventStream::EventStream(const rpc::Caller& caller, tq::TaskQueueService::StubInterface& stub,
                         tq::WatchTasksRequest request)
    : state_(std::make_unique<State>(caller, stub, std::move(request))) {}

EventStream::~EventStream() { Stop(); }

void EventStream::Start() {
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

void EventStream::Stop() {
  if (!state_->thread.joinable()) return;
  {
    const MutexLock lock(state_->mutex);
    state_->stopping = true;
    if (state_->current != nullptr) state_->current->TryCancel();
    state_->changed.NotifyAll();
  }
  state_->thread.join();
}

absl::StatusOr<EventStream::Batch> EventStream::Next(absl::Duration timeout) {
  State& state = *state_;
  const absl::Time until = state.caller.clock().Now() + timeout;
  const MutexLock lock(state.mutex);
  while (state.buffered.empty() && !state.gap && state.failure.ok()) {
    const absl::Duration left = until - state.caller.clock().Now();
    if (left <= absl::ZeroDuration()) break;
    state.changed.WaitFor(state.mutex, left);
  }
  if (state.buffered.empty() && !state.failure.ok()) return state.failure;
  Batch batch;
  batch.events.assign(state.buffered.begin(), state.buffered.end());
  state.buffered.clear();
  batch.gap = std::exchange(state.gap, false);
  if (state.down_since.has_value()) batch.down = state.caller.clock().Now() - *state.down_since;
  state.changed.NotifyAll();
  return batch;
}

}  // namespace switchyard::yard

#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/http/http_transport.h"

namespace switchyard::testing {

struct FakeAnswer {
  int status = 200;
  http::HttpHeaders headers;
  // The body, in the pieces in which it arrives.
  std::vector<std::string> chunks;
  // After the pieces; with status 0 instead of them.
  http::HttpFailure failure = http::HttpFailure::kNone;
  // Stays open after the pieces until cancelled.
  bool hangs = false;
  http::HttpTimings timings;
};

// {.status = 200, .chunks = {body}}.
FakeAnswer Answer(int status, std::string body, http::HttpHeaders headers = {});
// No answer, for that reason.
FakeAnswer Fails(http::HttpFailure failure);
FakeAnswer Hangs();

// Plays a network. Requests wait until the test delivers them, on the test's thread; so nothing races. Thread-safe.
class FakeHttp final : public http::HttpTransport {
 public:
  using Reply = std::function<FakeAnswer(const http::HttpRequest& request)>;

  // kInline delivers within Send, before it returns.
  enum class Mode { kManual, kInline };
  explicit FakeHttp(Mode mode = Mode::kManual) : mode_(mode) {}

  // For requests whose "METHOD URL" contains `part`; the newest match wins. Without any: kRefused.
  void When(std::string_view part, FakeAnswer answer);
  void WhenAsked(std::string_view part, Reply reply);
  // The next Send is refused with this.
  void RefuseNext(absl::Status status);

  // Answers the oldest request that waits; false when none does.
  bool DeliverOne();
  // Until none waits, those sent meanwhile included; returns how many.
  std::size_t DeliverAll();

  // All so far, in order.
  std::vector<http::HttpRequest> requests() const;
  // How many have "METHOD URL" containing `part`.
  std::size_t CountOf(std::string_view part) const;
  std::size_t waiting() const;
  // Of requests that were answered with `hangs`.
  std::size_t hanging() const;

  absl::StatusOr<http::HttpCallId> Send(http::HttpRequest request, http::HttpCallbacks callbacks) override;
  // Calls on_done at once, on this thread; of a request that is being delivered, at the next border of its pieces.
  void Cancel(http::HttpCallId id) override;

 private:
  struct Call {
    http::HttpCallId id = 0;
    http::HttpRequest request;
    http::HttpCallbacks callbacks;
    http::HttpOutcome outcome;
  };

  void Play(Call call);

  const Mode mode_;
  mutable Mutex mutex_;
  std::vector<std::pair<std::string, Reply>> replies_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  std::vector<http::HttpRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::deque<Call> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<Call> hanging_ ABSL_GUARDED_BY(mutex_);
  // Whose callbacks run now; taken out when cancelled.
  std::set<http::HttpCallId> playing_ ABSL_GUARDED_BY(mutex_);
  http::HttpCallId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::testing

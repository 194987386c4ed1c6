#include "libs/http/http_client.h"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/http/transfer.h"

namespace switchyard::http {
namespace {

using internal::Transfer;

// Nothing depends on it: it only bounds how long a fault in the reckoning of deadlines could hide.
constexpr absl::Duration kLongestWait = absl::Seconds(30);

void InitCurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

class HttpClient::Loop {
 public:
  Loop(const Clock& clock, HttpClientOptions options, telemetry::Metrics* metrics)
      : clock_(clock), options_(std::move(options)) {
    InitCurl();
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_idle_connections));
    if (metrics == nullptr) return;
    probes_.push_back(metrics->AddProbe("switchyard_http_in_flight", "Requests to other servers on the network.",
                                        [this] { return static_cast<double>(in_flight()); }));
    probes_.push_back(metrics->AddProbe("switchyard_http_queued", "Requests to other servers that wait for a place.",
                                        [this] { return static_cast<double>(queued()); }));
    ended_ = &metrics->Counters("switchyard_http_requests_total", "Requests to other servers that ended.", {"outcome"});
  }

  ~Loop() {
    Stop();
    probes_.clear();
    curl_multi_cleanup(multi_);
  }

  void Start() {
    MutexLock lock(mutex_);
    if (stopping_ || thread_.joinable()) return;
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    std::thread thread;
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      thread = std::move(thread_);
    }
    if (thread.joinable()) {
      Wake();
      thread.join();
    } else {
      EndAll();
    }
  }

  absl::StatusOr<HttpCallId> Send(HttpRequest request, HttpCallbacks callbacks) {
    SY_RETURN_IF_ERROR(CheckRequest(request));
    SY_ASSIGN_OR_RETURN(std::string origin, internal::OriginOf(request.url));
    HttpCallId id = 0;
    {
      MutexLock lock(mutex_);
      if (stopping_) return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "the HTTP client has stopped");
      if (queued_ >= options_.max_queued) {
        return MakeError(absl::StatusCode::kResourceExhausted, "HTTP_QUEUE_FULL", "too many requests wait already");
      }
      ++queued_;
      id = ++last_id_;
      live_.insert(id);
      arrived_.push_back(
          std::make_unique<Transfer>(id, std::move(request), std::move(callbacks), std::move(origin), clock_, ended_));
    }
    Wake();
    return id;
  }

  void Cancel(HttpCallId id) {
    {
      MutexLock lock(mutex_);
      if (!live_.contains(id) || !cancelled_.insert(id).second) return;
    }
    Wake();
  }

  void Wake() { curl_multi_wakeup(multi_); }

  std::size_t in_flight() const {
    MutexLock lock(mutex_);
    return in_flight_;
  }
  std::size_t queued() const {
    MutexLock lock(mutex_);
    return queued_;
  }

 private:
  struct Origin {
    std::size_t users = 0;
    std::size_t in_flight = 0;
  };
  struct Waiting {
    std::unique_ptr<Transfer> transfer;
    Origin* origin;
  };

  void Run() {
    pthread_setname_np(pthread_self(), "http");
    // A server that went away is an error of one request, whichever library writes.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (TakeArrived()) {
      StartWaiting();
      int running = 0;
      curl_multi_perform(multi_, &running);
      ReapEnded();
      EndLate();
      // Ends make places. What starts here is driven by the next round, which a new handle's own timer brings at once.
      StartWaiting();
      curl_multi_poll(multi_, nullptr, 0, WaitMillis(), nullptr);
    }
    EndAll();
  }

  // False once the client stops.
  bool TakeArrived() {
    std::deque<std::unique_ptr<Transfer>> arrived;
    absl::flat_hash_set<HttpCallId> cancelled;
    {
      MutexLock lock(mutex_);
      if (stopping_) return false;
      arrived.swap(arrived_);
      cancelled.swap(cancelled_);
    }
    for (std::unique_ptr<Transfer>& transfer : arrived) {
      Origin& origin = origins_[transfer->origin()];
      ++origin.users;
      next_deadline_ = std::min(next_deadline_, transfer->deadline().at);
      waiting_.push_back({std::move(transfer), &origin});
      scan_ = true;
    }
    if (cancelled.empty()) return true;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      const auto next = std::next(it);
      if (cancelled.contains(it->transfer->id())) EndWaiting(it, HttpFailure::kCancelled, "cancelled");
      it = next;
    }
    for (const HttpCallId id : cancelled) {
      const auto it = running_.find(id);
      if (it != running_.end()) EndRunning(it).Finish(HttpFailure::kCancelled, "cancelled");
    }
    Bury();
    return true;
  }

  void StartWaiting() {
    if (!scan_) return;
    scan_ = false;
    for (auto it = waiting_.begin(); it != waiting_.end() && running_.size() < options_.max_in_flight;) {
      const auto next = std::next(it);
      if (it->origin->in_flight < options_.max_per_origin) StartOne(it);
      it = next;
    }
    Bury();
  }

  void StartOne(std::list<Waiting>::iterator it) {
    Transfer& transfer = *it->transfer;
    if (!transfer.Begin(options_, next_deadline_) || curl_multi_add_handle(multi_, transfer.easy()) != CURLM_OK) {
      EndWaiting(it, HttpFailure::kInternal, "the request could not be set up");
      return;
    }
    ++it->origin->in_flight;
    running_.emplace(transfer.id(), std::move(*it));
    waiting_.erase(it);
    MutexLock lock(mutex_);
    --queued_;
    ++in_flight_;
  }

  void ReapEnded() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode result = message->data.result;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      const auto it = running_.find(transfer->id());
      EndRunning(it).FinishByCurl(result);
    }
    Bury();
  }

  void EndLate() {
    const absl::Time now = clock_.Now();
    if (now < next_deadline_) return;
    next_deadline_ = absl::InfiniteFuture();
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      const auto next = std::next(it);
      const Transfer::Deadline deadline = it->transfer->deadline();
      if (deadline.at <= now) {
        EndWaiting(it, deadline.failure, "");
      } else {
        next_deadline_ = std::min(next_deadline_, deadline.at);
      }
      it = next;
    }
    for (auto it = running_.begin(); it != running_.end();) {
      const auto next = std::next(it);
      const Transfer::Deadline deadline = it->second.transfer->deadline();
      if (deadline.at <= now) {
        EndRunning(it).Finish(deadline.failure, "");
      } else {
        next_deadline_ = std::min(next_deadline_, deadline.at);
      }
      it = next;
    }
    Bury();
  }

  int WaitMillis() const {
    const absl::Duration wait = std::clamp(next_deadline_ - clock_.Now(), absl::ZeroDuration(), kLongestWait);
    return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
  }

  void EndWaiting(std::list<Waiting>::iterator it, HttpFailure failure, std::string_view detail) {
    Waiting ended = std::move(*it);
    waiting_.erase(it);
    Leave(ended, /*was_running=*/false);
    ended.transfer->Finish(failure, std::string(detail));
    dead_.push_back(std::move(ended.transfer));
  }

  // Takes it off the network, so that what its callbacks see is a place that is free. The transfer lives until Bury().
  Transfer& EndRunning(std::map<HttpCallId, Waiting>::iterator it) {
    Waiting ended = std::move(it->second);
    running_.erase(it);
    curl_multi_remove_handle(multi_, ended.transfer->easy());
    Leave(ended, /*was_running=*/true);
    dead_.push_back(std::move(ended.transfer));
    return *dead_.back();
  }

  void Leave(const Waiting& ended, bool was_running) {
    if (was_running) --ended.origin->in_flight;
    if (--ended.origin->users == 0) origins_.erase(ended.transfer->origin());
    scan_ = true;
    MutexLock lock(mutex_);
    --(was_running ? in_flight_ : queued_);
    live_.erase(ended.transfer->id());
    cancelled_.erase(ended.transfer->id());
  }

  void Bury() { dead_.clear(); }

  void EndAll() {
    std::deque<std::unique_ptr<Transfer>> arrived;
    {
      MutexLock lock(mutex_);
      arrived.swap(arrived_);
    }
    for (std::unique_ptr<Transfer>& transfer : arrived) {
      Origin& origin = origins_[transfer->origin()];
      ++origin.users;
      waiting_.push_back({std::move(transfer), &origin});
    }
    while (!waiting_.empty()) EndWaiting(waiting_.begin(), HttpFailure::kCancelled, "the HTTP client stops");
    while (!running_.empty()) {
      EndRunning(running_.begin()).Finish(HttpFailure::kCancelled, "the HTTP client stops");
    }
    Bury();
  }

  const Clock& clock_;
  const HttpClientOptions options_;
  CURLM* multi_ = nullptr;
  std::vector<std::unique_ptr<telemetry::Probe>> probes_;
  telemetry::Family<telemetry::Counter>* ended_ = nullptr;

  // Of the loop thread alone.
  std::map<std::string, Origin> origins_;
  std::list<Waiting> waiting_;
  std::map<HttpCallId, Waiting> running_;
  std::vector<std::unique_ptr<Transfer>> dead_;
  // No request is late before; may be too early, never too late.
  absl::Time next_deadline_ = absl::InfiniteFuture();
  // Whether a request that waits may have got a place.
  bool scan_ = false;

  mutable Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
  HttpCallId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::unique_ptr<Transfer>> arrived_ ABSL_GUARDED_BY(mutex_);
  // Taken and not ended; those of them to be cancelled.
  absl::flat_hash_set<HttpCallId> live_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<HttpCallId> cancelled_ ABSL_GUARDED_BY(mutex_);
};

HttpClient::HttpClient(const Clock& clock, HttpClientOptions options, telemetry::Metrics* metrics)
    : loop_(std::make_unique<Loop>(clock, std::move(options), metrics)) {}

HttpClient::~HttpClient() = default;

void HttpClient::Start() { loop_->Start(); }
void HttpClient::Stop() { loop_->Stop(); }

absl::StatusOr<HttpCallId> HttpClient::Send(HttpRequest request, HttpCallbacks callbacks) {
  return loop_->Send(std::move(request), std::move(callbacks));
}

void HttpClient::Cancel(HttpCallId id) { loop_->Cancel(id); }
std::size_t HttpClient::in_flight() const { return loop_->in_flight(); }
std::size_t HttpClient::queued() const { return loop_->queued(); }
void HttpClient::Wake() { loop_->Wake(); }

}  // namespace switchyard::http

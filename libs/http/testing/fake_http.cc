#include "libs/http/testing/fake_http.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace switchyard::testing {
namespace {

std::string LineOf(const http::HttpRequest& request) { return absl::StrCat(request.method, " ", request.url); }

}  // namespace

FakeAnswer Answer(int status, std::string body, http::HttpHeaders headers) {
  FakeAnswer answer;
  answer.status = status;
  answer.headers = std::move(headers);
  if (!body.empty()) answer.chunks.push_back(std::move(body));
  return answer;
}

FakeAnswer Fails(http::HttpFailure failure) {
  FakeAnswer answer;
  answer.status = 0;
  answer.failure = failure;
  return answer;
}

FakeAnswer Hangs() {
  FakeAnswer answer;
  answer.status = 0;
  answer.hangs = true;
  return answer;
}

void FakeHttp::When(std::string_view part, FakeAnswer answer) {
  WhenAsked(part, [answer = std::move(answer)](const http::HttpRequest&) { return answer; });
}

void FakeHttp::WhenAsked(std::string_view part, Reply reply) {
  MutexLock lock(mutex_);
  replies_.emplace_back(part, std::move(reply));
}

void FakeHttp::RefuseNext(absl::Status status) {
  MutexLock lock(mutex_);
  refusal_ = std::move(status);
}

absl::StatusOr<http::HttpCallId> FakeHttp::Send(http::HttpRequest request, http::HttpCallbacks callbacks) {
  if (absl::Status valid = http::CheckRequest(request); !valid.ok()) return valid;
  http::HttpCallId id = 0;
  {
    MutexLock lock(mutex_);
    if (!refusal_.ok()) return std::exchange(refusal_, absl::OkStatus());
    id = ++last_id_;
    requests_.push_back(request);
    Call call;
    call.id = id;
    call.request = std::move(request);
    call.callbacks = std::move(callbacks);
    waiting_.push_back(std::move(call));
  }
  if (mode_ == Mode::kInline) DeliverOne();
  return id;
}

bool FakeHttp::DeliverOne() {
  Call call;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return false;
    call = std::move(waiting_.front());
    waiting_.pop_front();
    playing_.insert(call.id);
  }
  Play(std::move(call));
  return true;
}

std::size_t FakeHttp::DeliverAll() {
  std::size_t count = 0;
  while (DeliverOne()) ++count;
  return count;
}

void FakeHttp::Play(Call call) {
  Reply reply;
  {
    MutexLock lock(mutex_);
    const std::string line = LineOf(call.request);
    const auto match = std::find_if(replies_.rbegin(), replies_.rend(),
                                    [&line](const auto& rule) { return line.find(rule.first) != std::string::npos; });
    if (match != replies_.rend()) reply = match->second;
  }
  FakeAnswer answer = reply ? reply(call.request) : Fails(http::HttpFailure::kRefused);
  const http::HttpCallId id = call.id;
  // Whether it was cancelled meanwhile, by a callback or another thread.
  const auto cancelled = [this, id] {
    MutexLock lock(mutex_);
    return !playing_.contains(id);
  };
  const auto finish = [&](http::HttpFailure failure) {
    call.outcome.failure = failure;
    call.outcome.detail = failure == http::HttpFailure::kNone ? "" : "as the test says";
    call.outcome.timings = answer.timings;
    if (call.callbacks.on_done) call.callbacks.on_done(std::move(call.outcome));
  };
  bool goes_on = true;
  if (answer.status != 0) {
    call.outcome.head = {answer.status, std::move(answer.headers)};
    if (call.callbacks.on_head) goes_on = call.callbacks.on_head(call.outcome.head);
    const bool streams = call.callbacks.on_chunk && answer.status >= 200 && answer.status < 300;
    for (const std::string& chunk : answer.chunks) {
      if (!goes_on || cancelled()) break;
      if (streams) {
        goes_on = call.callbacks.on_chunk(chunk);
      } else {
        call.outcome.body += chunk;
      }
    }
  }
  {
    MutexLock lock(mutex_);
    goes_on = playing_.erase(id) == 1 && goes_on;
    if (goes_on && answer.hangs) {
      hanging_.push_back(std::move(call));
      return;
    }
  }
  finish(goes_on ? answer.failure : http::HttpFailure::kCancelled);
}

void FakeHttp::Cancel(http::HttpCallId id) {
  Call call;
  {
    MutexLock lock(mutex_);
    // Play notices, and calls on_done.
    if (playing_.erase(id) == 1) return;
    const auto take = [&call, id](std::deque<Call>& calls) {
      const auto it = std::find_if(calls.begin(), calls.end(), [id](const Call& each) { return each.id == id; });
      if (it == calls.end()) return false;
      call = std::move(*it);
      calls.erase(it);
      return true;
    };
    if (!take(waiting_) && !take(hanging_)) return;
  }
  call.outcome.failure = http::HttpFailure::kCancelled;
  call.outcome.detail = "cancelled";
  if (call.callbacks.on_done) call.callbacks.on_done(std::move(call.outcome));
}

std::vector<http::HttpRequest> FakeHttp::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

std::size_t FakeHttp::CountOf(std::string_view part) const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(requests_.begin(), requests_.end(), [part](const auto& request) {
    return LineOf(request).find(part) != std::string::npos;
  }));
}

std::size_t FakeHttp::waiting() const {
  MutexLock lock(mutex_);
  return waiting_.size();
}

std::size_t FakeHttp::hanging() const {
  MutexLock lock(mutex_);
  return hanging_.size();
}

}  // namespace switchyard::testing

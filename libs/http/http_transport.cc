#include "libs/http/http_transport.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::http {
namespace {

// As RFC 9110 has it.
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

absl::Status InvalidRequest(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_HTTP_REQUEST", message);
}

absl::StatusCode CodeOf(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kNone:
      return absl::StatusCode::kOk;
    case HttpFailure::kQueueTimeout:
    case HttpFailure::kConnectTimeout:
    case HttpFailure::kFirstByteTimeout:
    case HttpFailure::kIdleTimeout:
    case HttpFailure::kTotalTimeout:
      return absl::StatusCode::kDeadlineExceeded;
    case HttpFailure::kNotResolved:
    case HttpFailure::kRefused:
    case HttpFailure::kReset:
    case HttpFailure::kTruncated:
      return absl::StatusCode::kUnavailable;
    case HttpFailure::kTls:
      return absl::StatusCode::kFailedPrecondition;
    case HttpFailure::kTooLarge:
      return absl::StatusCode::kResourceExhausted;
    case HttpFailure::kProtocol:
      return absl::StatusCode::kDataLoss;
    case HttpFailure::kCancelled:
      return absl::StatusCode::kCancelled;
    case HttpFailure::kInternal:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

std::optional<absl::Duration> NumberOf(const std::string* value, absl::Duration unit) {
  double number = 0;
  if (value == nullptr || !absl::SimpleAtod(absl::StripAsciiWhitespace(*value), &number) || !(number >= 0)) {
    return std::nullopt;
  }
  return unit * number;
}

}  // namespace

const std::string* FindHeader(const HttpHeaders& headers, std::string_view name) {
  for (const HttpHeader& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, ToAbsl(name))) return &header.value;
  }
  return nullptr;
}

std::string_view FailureName(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kNone:
      return "none";
    case HttpFailure::kQueueTimeout:
      return "queue_timeout";
    case HttpFailure::kNotResolved:
      return "not_resolved";
    case HttpFailure::kRefused:
      return "refused";
    case HttpFailure::kTls:
      return "tls";
    case HttpFailure::kConnectTimeout:
      return "connect_timeout";
    case HttpFailure::kFirstByteTimeout:
      return "first_byte_timeout";
    case HttpFailure::kIdleTimeout:
      return "idle_timeout";
    case HttpFailure::kTotalTimeout:
      return "total_timeout";
    case HttpFailure::kReset:
      return "reset";
    case HttpFailure::kTruncated:
      return "truncated";
    case HttpFailure::kTooLarge:
      return "too_large";
    case HttpFailure::kProtocol:
      return "protocol";
    case HttpFailure::kCancelled:
      return "cancelled";
    case HttpFailure::kInternal:
      return "internal";
  }
  return "internal";
}

bool IsTimeout(HttpFailure failure) { return CodeOf(failure) == absl::StatusCode::kDeadlineExceeded; }

absl::Status HttpOutcome::ToStatus() const {
  if (failure == HttpFailure::kNone) return absl::OkStatus();
  const std::string reason = absl::StrCat("HTTP_", absl::AsciiStrToUpper(ToAbsl(FailureName(failure))));
  return MakeError(CodeOf(failure), reason, detail);
}

HttpOutcome Fetch(HttpTransport& transport, HttpRequest request) {
  struct Waiter {
    Mutex mutex;
    CondVar changed;
    std::optional<HttpOutcome> outcome ABSL_GUARDED_BY(mutex);
  };
  // Shared: the callback may still leave its lock when the waiter has gone on.
  const auto waiter = std::make_shared<Waiter>();
  HttpCallbacks callbacks;
  callbacks.on_done = [waiter](HttpOutcome outcome) {
    MutexLock lock(waiter->mutex);
    waiter->outcome = std::move(outcome);
    waiter->changed.NotifyAll();
  };
  const absl::StatusOr<HttpCallId> id = transport.Send(std::move(request), std::move(callbacks));
  if (!id.ok()) {
    HttpOutcome refused;
    refused.failure = absl::IsUnavailable(id.status())         ? HttpFailure::kCancelled
                      : absl::IsResourceExhausted(id.status()) ? HttpFailure::kQueueTimeout
                                                               : HttpFailure::kInternal;
    refused.detail = std::string(id.status().message());
    return refused;
  }
  MutexLock lock(waiter->mutex);
  while (!waiter->outcome.has_value()) waiter->changed.Wait(waiter->mutex);
  return *std::move(waiter->outcome);
}

absl::Status CheckRequest(const HttpRequest& request) {
  if (!IsToken(request.method)) return InvalidRequest("the method is not a token");
  for (const HttpHeader& header : request.headers) {
    if (!IsToken(header.name)) return InvalidRequest("the name of a header is not a token");
    if (!IsFieldValue(header.value)) {
      return InvalidRequest(absl::StrCat("the value of header ", header.name, " holds control characters"));
    }
  }
  return absl::OkStatus();
}

std::optional<absl::Duration> RetryAfter(const HttpHeaders& headers, absl::Time now) {
  if (const auto millis = NumberOf(FindHeader(headers, "retry-after-ms"), absl::Milliseconds(1))) return millis;
  const std::string* value = FindHeader(headers, "retry-after");
  if (value == nullptr) return std::nullopt;
  if (const auto seconds = NumberOf(value, absl::Seconds(1))) return seconds;
  absl::Time when;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", *value, absl::UTCTimeZone(), &when, nullptr)) return std::nullopt;
  return std::max(when - now, absl::ZeroDuration());
}

}  // namespace switchyard::http

#include "libs/http/transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/http/link_local.h"
#include "libs/text/redact.h"

namespace switchyard::http::internal {
namespace {

absl::Status InvalidUrl(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_HTTP_REQUEST", message);
}

class ParsedUrl {
 public:
  ParsedUrl() : url_(curl_url()) {}
  ~ParsedUrl() { curl_url_cleanup(url_); }
  ParsedUrl(const ParsedUrl&) = delete;
  ParsedUrl& operator=(const ParsedUrl&) = delete;

  bool Parse(const std::string& text) {
    return url_ != nullptr && text.find('\0') == std::string::npos &&
           curl_url_set(url_, CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) == CURLUE_OK;
  }
  std::string Part(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(url_, part, &text, flags) != CURLUE_OK) return "";
    std::string copy(text);
    curl_free(text);
    return copy;
  }

 private:
  CURLU* url_;
};

// -1 when the line is no status line.
int StatusOf(std::string_view line) {
  const std::size_t blank = line.find(' ');
  int status = -1;
  if (blank == std::string_view::npos || !absl::SimpleAtoi(ToAbsl(line.substr(blank + 1, 3)), &status)) return -1;
  return status;
}

HttpFailure FailureOf(CURLcode result, bool head_done) {
  switch (result) {
    // libcurl takes headers that a close cut for an answer.
    case CURLE_OK:
      return head_done ? HttpFailure::kNone : HttpFailure::kReset;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HttpFailure::kNotResolved;
    case CURLE_COULDNT_CONNECT:
      return HttpFailure::kRefused;
    // Our own limits come from our own clock; this one is the kernel's.
    case CURLE_OPERATION_TIMEDOUT:
      return head_done ? HttpFailure::kTruncated : HttpFailure::kConnectTimeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_USE_SSL_FAILED:
      return HttpFailure::kTls;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return head_done ? HttpFailure::kTruncated : HttpFailure::kReset;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
      return HttpFailure::kProtocol;
    default:
      return HttpFailure::kInternal;
  }
}

std::string TimeoutText(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kQueueTimeout:
      return "no place among the requests to this server in time";
    case HttpFailure::kConnectTimeout:
      return "no connection in time";
    case HttpFailure::kFirstByteTimeout:
      return "no byte of the answer's body in time";
    case HttpFailure::kIdleTimeout:
      return "the answer stalled";
    default:
      return "not done in time";
  }
}

}  // namespace

absl::StatusOr<std::string> OriginOf(const std::string& url) {
  ParsedUrl parsed;
  if (!parsed.Parse(url)) return InvalidUrl("the URL cannot be read, or holds a user or password");
  const std::string scheme = parsed.Part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return InvalidUrl("only http and https are spoken");
  return absl::StrCat(scheme, "://", absl::AsciiStrToLower(parsed.Part(CURLUPART_HOST)), ":",
                      parsed.Part(CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

Transfer::Transfer(HttpCallId id, HttpRequest request, HttpCallbacks callbacks, std::string origin, const Clock& clock,
                   telemetry::Family<telemetry::Counter>* ended)
    : id_(id),
      request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      origin_(std::move(origin)),
      clock_(clock),
      ended_(ended),
      sent_(clock.Now()) {}

bool Transfer::MakeHeaders() {
  const auto add = [this](const std::string& line) {
    curl_slist* list = curl_slist_append(headers_.get(), line.c_str());
    if (list == nullptr) return false;
    headers_.release();
    headers_.reset(list);
    return true;
  };
  // libcurl would ask leave for large bodies, and name a type of its own.
  if (!add("Expect:")) return false;
  if (FindHeader(request_.headers, "content-type") == nullptr && !add("Content-Type:")) return false;
  for (const HttpHeader& header : request_.headers) {
    if (!add(header.value.empty() ? absl::StrCat(header.name, ";") : absl::StrCat(header.name, ": ", header.value))) {
      return false;
    }
  }
  return true;
}

void Transfer::SetMethod() {
  CURL* easy = easy_.get();
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT" ||
             request_.method == "PATCH") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

bool Transfer::Begin(const HttpClientOptions& options, absl::Time& earliest) {
  earliest_ = &earliest;
  started_ = clock_.Now();
  EnterPhase();
  easy_.reset(curl_easy_init());
  if (easy_ == nullptr || !MakeHeaders()) return false;
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A stuck resolver must not hold up the loop when its request is given up.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::numeric_limits<int>::max()));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  if (!options.proxy_from_environment) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::HeaderHook);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::BodyHook);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Transfer::ConnectedHook);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  if (options.refuse_link_local) {
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::SocketHook);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  }
  SetMethod();
  return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get()) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str()) == CURLE_OK;
}

Transfer::Deadline Transfer::deadline() const {
  const HttpTimeouts& limits = request_.timeouts;
  const absl::Time end = sent_ + limits.total;
  const auto first = [end](absl::Time at, HttpFailure failure) {
    return at <= end ? Deadline{at, failure} : Deadline{end, HttpFailure::kTotalTimeout};
  };
  if (started_ == absl::InfiniteFuture()) return {std::min(sent_ + limits.queue, end), HttpFailure::kQueueTimeout};
  if (times_connected_ == 0) return first(started_ + limits.connect, HttpFailure::kConnectTimeout);
  if (body_bytes_ == 0) return first(connected_ + limits.first_byte, HttpFailure::kFirstByteTimeout);
  return first(last_byte_ + limits.idle, HttpFailure::kIdleTimeout);
}

std::size_t Transfer::HeaderHook(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->OnHeaderLine({data, size * count}) ? size * count : 0;
}

std::size_t Transfer::BodyHook(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->OnBody({data, size * count}) ? size * count : 0;
}

curl_socket_t Transfer::SocketHook(void* self, curlsocktype, curl_sockaddr* address) {
  if (IsLinkLocal(address->addr)) {
    static_cast<Transfer*>(self)->met_link_local_ = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int Transfer::ConnectedHook(void* self, char*, char*, int, int) {
  return static_cast<Transfer*>(self)->OnConnected() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

bool Transfer::Abort(HttpFailure failure, std::string_view detail) {
  if (abort_ == HttpFailure::kNone) {
    abort_ = failure;
    abort_detail_ = std::string(detail);
  }
  return false;
}

bool Transfer::OnConnected() {
  // libcurl comes here again when a kept connection proves dead. Only what is safe to repeat is repeated.
  const int most = request_.method == "GET" || request_.method == "HEAD" ? 2 : 1;
  if (times_connected_ == most) return Abort(HttpFailure::kReset, "the kept connection broke before an answer came");
  ++times_connected_;
  connected_ = clock_.Now();
  EnterPhase();
  return true;
}

bool Transfer::OnHeaderLine(std::string_view line) {
  // Trailers after a chunked body come here too.
  if (head_done_) return true;
  header_bytes_ += line.size();
  if (header_bytes_ > request_.max_header_bytes) return Abort(HttpFailure::kTooLarge, "the headers exceed their bound");
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  HttpHead& head = outcome_.head;
  if (absl::StartsWith(ToAbsl(line), "HTTP/")) {
    head = HttpHead{StatusOf(line), {}};
    return head.status >= 100 || Abort(HttpFailure::kProtocol, "the status line cannot be read");
  }
  if (line.empty()) {
    if (head.status < 200) return true;
    head_done_ = true;
    collects_ = !callbacks_.on_chunk || head.status > 299;
    if (callbacks_.on_head && !callbacks_.on_head(head))
      return Abort(HttpFailure::kCancelled, "given up by its reader");
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  head.headers.push_back({std::string(line.substr(0, colon)),
                          std::string(ToStd(absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1)))))});
  return true;
}

bool Transfer::OnBody(std::string_view data) {
  if (data.empty()) return true;
  last_byte_ = clock_.Now();
  if (body_bytes_ == 0) first_byte_ = last_byte_;
  const bool error_body = collects_ && callbacks_.on_chunk;
  const std::size_t bound = error_body ? std::min(kMaxErrorBody, request_.max_body_bytes) : request_.max_body_bytes;
  const std::size_t fits = std::min(data.size(), bound - body_bytes_);
  const bool first = body_bytes_ == 0;
  body_bytes_ += data.size();
  if (first) EnterPhase();
  if (collects_) {
    outcome_.body.append(data.substr(0, fits));
    if (fits == data.size()) return true;
    cut_ = error_body;
    return cut_ ? false : Abort(HttpFailure::kTooLarge, "the body exceeds its bound");
  }
  if (fits < data.size()) return Abort(HttpFailure::kTooLarge, "the body exceeds its bound");
  return callbacks_.on_chunk(data) || Abort(HttpFailure::kCancelled, "given up by its reader");
}

void Transfer::FinishByCurl(CURLcode result) {
  if (abort_ != HttpFailure::kNone) {
    Finish(abort_, std::move(abort_detail_));
  } else if (cut_) {
    Finish(HttpFailure::kNone, "");
  } else if (result == CURLE_OK) {
    Finish(FailureOf(result, head_done_), head_done_ ? "" : "the connection closed within the headers");
  } else if (met_link_local_ && FailureOf(result, head_done_) == HttpFailure::kRefused) {
    Finish(HttpFailure::kRefused, "the address is link-local: requests never go there");
  } else {
    Finish(FailureOf(result, head_done_), text::Redact(error_[0] != '\0' ? error_ : curl_easy_strerror(result)));
  }
}

void Transfer::Finish(HttpFailure failure, std::string detail) {
  const absl::Time now = clock_.Now();
  HttpTimings& timings = outcome_.timings;
  timings.total = now - sent_;
  timings.queued = std::min(started_, now) - sent_;
  if (times_connected_ > 0) {
    long fresh = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &fresh);
    if (fresh > 0) timings.connect = connected_ - started_;
    if (body_bytes_ > 0) timings.first_byte = first_byte_ - connected_;
  }
  if (!head_done_) outcome_.head = HttpHead{};
  outcome_.failure = failure;
  outcome_.detail = detail.empty() && failure != HttpFailure::kNone ? TimeoutText(failure) : std::move(detail);
  if (ended_ != nullptr) {
    ended_->With({failure == HttpFailure::kNone ? "answered" : std::string(FailureName(failure))}).Add();
  }
  // What a callback holds may be large, or hold the client's user alive: it goes with the call.
  const HttpCallbacks callbacks = std::exchange(callbacks_, HttpCallbacks{});
  if (callbacks.on_done) callbacks.on_done(std::move(outcome_));
}

}  // namespace switchyard::http::internal

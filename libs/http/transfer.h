// One request on the network, as libcurl sees it. All of it belongs to the client's loop thread.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/http/http_client.h"
#include "libs/http/http_transport.h"

namespace switchyard::http::internal {

struct CurlDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// "https://host:port" of a URL that may be asked; INVALID_ARGUMENT, reason INVALID_HTTP_REQUEST, otherwise.
absl::StatusOr<std::string> OriginOf(const std::string& url);

class Transfer {
 public:
  // How much of the body of an answer that is no success is kept when it was to be streamed.
  static constexpr std::size_t kMaxErrorBody = std::size_t{64} << 10;

  Transfer(HttpCallId id, HttpRequest request, HttpCallbacks callbacks, std::string origin, const Clock& clock,
           telemetry::Family<telemetry::Counter>* ended);

  // Makes the handle to be added to the multi handle; false when libcurl refuses. Lowers `earliest`, which outlives it,
  // to its deadline whenever a new phase begins.
  bool Begin(const HttpClientOptions& options, absl::Time& earliest);
  // When it fails by time, and how, if nothing happens until then.
  struct Deadline {
    absl::Time at;
    HttpFailure failure = HttpFailure::kNone;
  };
  Deadline deadline() const;
  // Both count the end and call on_done. `result` is libcurl's word about the transfer, once it has ended it.
  void FinishByCurl(CURLcode result);
  void Finish(HttpFailure failure, std::string detail);

  HttpCallId id() const { return id_; }
  const std::string& origin() const { return origin_; }
  CURL* easy() const { return easy_.get(); }

 private:
  static std::size_t HeaderHook(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t BodyHook(char* data, std::size_t size, std::size_t count, void* self);
  static curl_socket_t SocketHook(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int ConnectedHook(void* self, char* primary, char* local, int primary_port, int local_port);

  // False ends the transfer for the reason in abort_.
  bool OnHeaderLine(std::string_view line);
  bool OnBody(std::string_view data);
  bool OnConnected();
  bool Abort(HttpFailure failure, std::string_view detail);
  void EnterPhase() { *earliest_ = std::min(*earliest_, deadline().at); }
  bool MakeHeaders();
  void SetMethod();

  const HttpCallId id_;
  const HttpRequest request_;
  HttpCallbacks callbacks_;
  const std::string origin_;
  const Clock& clock_;
  // By outcome; may be null.
  telemetry::Family<telemetry::Counter>* const ended_;
  HttpOutcome outcome_;
  absl::Time* earliest_ = nullptr;

  const absl::Time sent_;
  absl::Time started_ = absl::InfiniteFuture();
  absl::Time connected_ = absl::InfiniteFuture();
  absl::Time first_byte_ = absl::InfiniteFuture();
  absl::Time last_byte_ = absl::InfiniteFuture();
  int times_connected_ = 0;

  bool head_done_ = false;
  bool collects_ = true;
  // An answer that was not read to its end, and need not be.
  bool cut_ = false;
  std::size_t header_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  HttpFailure abort_ = HttpFailure::kNone;
  std::string abort_detail_;
  bool met_link_local_ = false;

  // The handle points into the list and the buffer: it goes first.
  char error_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<curl_slist, CurlDeleter> headers_;
  std::unique_ptr<CURL, CurlDeleter> easy_;
};

}  // namespace switchyard::http::internal

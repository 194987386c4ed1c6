#include "services/executor/address_probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {
namespace {

absl::Status Unreachable(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, reason, what);
}

struct Target {
  std::string host;
  std::string port;
};

absl::StatusOr<Target> Split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "ADDRESS_UNREADABLE",
                     absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  Target target{.host = address.substr(0, colon), .port = address.substr(colon + 1)};
  if (target.host.front() == '[' && target.host.back() == ']')
    target.host = target.host.substr(1, target.host.size() - 2);
  return target;
}

absl::Status Connect(int fd, const sockaddr* address, socklen_t size, absl::Duration timeout) {
  if (connect(fd, address, size) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return absl::ErrnoToStatus(errno, "");
  pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
  if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) <= 0) {
    return absl::DeadlineExceededError("no answer; is a firewall in between?");
  }
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return absl::ErrnoToStatus(error, "");
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Dial(const Target& target, absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found); code != 0) {
    return Unreachable("ADDRESS_UNRESOLVED",
                       absl::StrCat("the name ", target.host, " cannot be resolved: ", gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  std::string why = "no address";
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    UniqueFd fd(socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) continue;
    const absl::Status connected = Connect(fd.get(), at->ai_addr, at->ai_addrlen, timeout);
    if (connected.ok()) return fd;
    why = std::string(connected.message());
  }
  return Unreachable("ADDRESS_UNREACHABLE",
                     absl::StrCat("cannot connect to ", target.host, " port ", target.port, ": ", why));
}

std::string LastError() {
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the other side closed the connection";
  const char* text = ERR_reason_error_string(code);
  return text == nullptr ? absl::StrCat("error ", code) : text;
}

absl::Status Handshake(const UniqueFd& fd, const std::string& host, const rpc::ChannelTls& tls,
                       absl::Duration timeout) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (SSL_CTX_load_verify_locations(context.get(), tls.ca_file.c_str(), nullptr) != 1) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "TLS_FILES",
                     absl::StrCat("cannot use ", tls.ca_file, ": ", LastError()));
  }
  if (!tls.cert_file.empty() &&
      (SSL_CTX_use_certificate_chain_file(context.get(), tls.cert_file.c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context.get(), tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "TLS_FILES",
                     absl::StrCat("cannot use ", tls.cert_file, " with ", tls.key_file, ": ", LastError()));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  const std::string name = tls.server_name.empty() ? host : tls.server_name;
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) != 1) {
    SSL_set1_host(ssl.get(), name.c_str());
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  }
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl.get(), kHttp2, sizeof(kHttp2));
  SSL_set_fd(ssl.get(), fd.get());
  ERR_clear_error();
  while (true) {
    const int code = SSL_connect(ssl.get());
    if (code == 1) return absl::OkStatus();
    const int wish = SSL_get_error(ssl.get(), code);
    if (wish != SSL_ERROR_WANT_READ && wish != SSL_ERROR_WANT_WRITE) break;
    pollfd wait{
        .fd = fd.get(), .events = static_cast<short>(wish == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), .revents = 0};
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) <= 0) {
      return Unreachable("TLS_FAILED", "it does not speak TLS: no answer to the handshake");
    }
  }
  if (const long verified = SSL_get_verify_result(ssl.get()); verified != X509_V_OK) {
    return Unreachable("TLS_FAILED", absl::StrCat("its certificate for ", name,
                                                  " is not accepted: ", X509_verify_cert_error_string(verified)));
  }
  return Unreachable("TLS_FAILED", absl::StrCat("the TLS handshake failed: ", LastError()));
}

}  // namespace

absl::Status ProbeAddress(const std::string& address, const rpc::ChannelTls& tls, absl::Duration timeout) {
  if (address.rfind("unix:", 0) == 0) {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::strncpy(path.sun_path, address.c_str() + 5, sizeof(path.sun_path) - 1);
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const absl::Status connected = Connect(fd.get(), reinterpret_cast<const sockaddr*>(&path), sizeof(path), timeout);
    if (connected.ok()) return connected;
    return Unreachable("ADDRESS_UNREACHABLE", absl::StrCat("cannot connect: ", ToAbsl(ToStd(connected.message()))));
  }
  SY_ASSIGN_OR_RETURN(const Target target, Split(address));
  SY_ASSIGN_OR_RETURN(const UniqueFd fd, Dial(target, timeout));
  if (!tls.enabled()) return absl::OkStatus();
  return Handshake(fd, target.host, tls, timeout);
}

}  // namespace switchyard::executor

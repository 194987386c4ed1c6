#include "libs/http/testing/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::testing {
namespace {

std::size_t ContentLength(std::string_view head) {
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    constexpr std::string_view kName = "content-length:";
    std::size_t length = 0;
    if (absl::StartsWithIgnoreCase(ToAbsl(line), ToAbsl(kName)) &&
        absl::SimpleAtoi(ToAbsl(line.substr(kName.size())), &length)) {
      return length;
    }
    if (end == std::string_view::npos) break;
    head.remove_prefix(end + 2);
  }
  return 0;
}

}  // namespace

LoopbackConnection::LoopbackConnection(int fd, ssl_ctx_st* tls) : fd_(fd) {
  if (tls == nullptr) return;
  tls_ = SSL_new(tls);
  SSL_set_fd(tls_, fd);
  broken_ = SSL_accept(tls_) != 1;
}

LoopbackConnection::~LoopbackConnection() { SSL_free(tls_); }

long LoopbackConnection::Read(char* data, std::size_t size) {
  if (broken_) return 0;
  const long got = tls_ != nullptr ? SSL_read(tls_, data, static_cast<int>(size)) : recv(fd_, data, size, 0);
  broken_ = got <= 0;
  return std::max(got, 0L);
}

std::string LoopbackConnection::ReadRequest() {
  std::size_t whole = std::string::npos;
  while (true) {
    if (whole == std::string::npos) {
      const std::size_t end = buffer_.find("\r\n\r\n");
      if (end != std::string::npos) whole = end + 4 + ContentLength(std::string_view(buffer_).substr(0, end));
    }
    if (whole != std::string::npos && buffer_.size() >= whole) {
      std::string request = buffer_.substr(0, whole);
      buffer_.erase(0, whole);
      return request;
    }
    char piece[16384];
    const long got = Read(piece, sizeof piece);
    if (got == 0) return "";
    buffer_.append(piece, static_cast<std::size_t>(got));
  }
}

bool LoopbackConnection::Write(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    const std::size_t most = std::min<std::size_t>(bytes.size(), 1 << 20);
    const long sent = tls_ != nullptr ? SSL_write(tls_, bytes.data(), static_cast<int>(most))
                                      : send(fd_, bytes.data(), most, MSG_NOSIGNAL);
    broken_ = sent <= 0;
    if (!broken_) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return !broken_;
}

bool LoopbackConnection::Answer(std::string_view status_line, std::string_view body, std::string_view more_headers) {
  return Write(absl::StrCat("HTTP/1.1 ", ToAbsl(status_line), "\r\nContent-Length: ", body.size(),
                            "\r\nConnection: keep-alive\r\n", ToAbsl(more_headers), "\r\n", ToAbsl(body)));
}

void LoopbackConnection::WaitForClose() {
  char piece[4096];
  while (Read(piece, sizeof piece) > 0) {
  }
}

void LoopbackConnection::Reset() {
  // Closing with nothing to linger for sends RST; the server closes it.
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  broken_ = true;
}

LoopbackServer::LoopbackServer(Serve serve) : serve_(std::move(serve)) { Listen(); }

LoopbackServer::LoopbackServer(Serve serve, const std::string& certificate_file, const std::string& key_file)
    : serve_(std::move(serve)), tls_(SSL_CTX_new(TLS_server_method())) {
  // OpenSSL writes without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  if (SSL_CTX_use_certificate_chain_file(tls_, certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls_, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    std::abort();
  }
  Listen();
}

void LoopbackServer::Listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 128) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

void LoopbackServer::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    MutexLock lock(mutex_);
    if (ending_) {
      close(fd);
      return;
    }
    open_.push_back(fd);
    accepted_.fetch_add(1);
    threads_.emplace_back([this, fd] {
      {
        LoopbackConnection connection(fd, tls_);
        serve_(connection);
      }
      MutexLock ended(mutex_);
      open_.erase(std::find(open_.begin(), open_.end(), fd));
      close(fd);
    });
  }
}

LoopbackServer::~LoopbackServer() {
  ending_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  SSL_CTX_free(tls_);
}

std::string LoopbackServer::url(std::string_view path, std::string_view scheme) const {
  return absl::StrCat(ToAbsl(scheme), "://127.0.0.1:", port_, ToAbsl(path));
}

}  // namespace switchyard::testing

// A server of raw bytes on the loopback, so that a test says exactly what a client sees, faults included.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libs/base/mutex.h"

struct ssl_ctx_st;
struct ssl_st;

namespace switchyard::testing {

// One accepted connection; used by the thread that serves it. What is broken reads as empty.
class LoopbackConnection {
 public:
  LoopbackConnection(int fd, ssl_ctx_st* tls);
  ~LoopbackConnection();
  LoopbackConnection(const LoopbackConnection&) = delete;
  LoopbackConnection& operator=(const LoopbackConnection&) = delete;

  // Headers and a body of Content-Length; "" once the client closed.
  std::string ReadRequest();
  // False once the client is gone.
  bool Write(std::string_view bytes);
  // A whole answer with that body, its length and "Connection: keep-alive".
  bool Answer(std::string_view status_line, std::string_view body, std::string_view more_headers = "");
  // Returns when the client closed, or the server ends.
  void WaitForClose();
  // Ends with a reset instead of a close.
  void Reset();

 private:
  long Read(char* data, std::size_t size);

  const int fd_;
  ssl_st* tls_ = nullptr;
  bool broken_ = false;
  std::string buffer_;
};

class LoopbackServer {
 public:
  using Serve = std::function<void(LoopbackConnection& connection)>;

  // Listens at once on a free port; each connection gets a thread, and is closed when `serve` returns.
  explicit LoopbackServer(Serve serve);
  // With TLS, from files in PEM.
  LoopbackServer(Serve serve, const std::string& certificate_file, const std::string& key_file);
  // Closes what is open and joins.
  ~LoopbackServer();

  int port() const { return port_; }
  // "http://127.0.0.1:<port>" and `path`.
  std::string url(std::string_view path = "/", std::string_view scheme = "http") const;
  int accepted() const { return accepted_.load(); }

 private:
  void Listen();
  void Accept();

  const Serve serve_;
  ssl_ctx_st* tls_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> accepted_{0};
  std::atomic<bool> ending_{false};
  Mutex mutex_;
  std::vector<int> open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace switchyard::testing

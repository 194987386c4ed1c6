#include "tools/benchmarks/model_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/strings.h"
#include "tools/benchmarks/client.h"

namespace switchyard::bench {
namespace {

constexpr std::string_view kStamp = "bench-stamp ";
constexpr std::size_t kMostReceived = 4u << 20;
// How long the thread sleeps at most, so that it notices its end.
constexpr int kNapMillis = 50;

std::string WholeAnswer(const std::string& model) {
  const auto line = [&](std::string_view content, std::string_view rest) {
    return absl::StrCat("{\"model\":\"", model, "\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":",
                        "\"assistant\",\"content\":\"", ToAbsl(content), "\"},", ToAbsl(rest), "}\n");
  };
  return absl::StrCat(line("simulated ", "\"done\":false"), line("answer", "\"done\":false"),
                      line("",
                           "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":1000,\"load_duration\":1000,"
                           "\"prompt_eval_count\":20,\"eval_count\":2,\"eval_duration\":1000"));
}

std::string ListOf(const std::string& model) {
  return absl::StrCat("{\"models\":[{\"name\":\"", model, "\",\"model\":\"", model,
                      "\",\"size\":1000,\"size_vram\":1000,\"digest\":\"0\",\"details\":{\"context_length\":8192},",
                      "\"capabilities\":[\"completion\"],\"context_length\":8192,",
                      "\"expires_at\":\"2318-01-01T00:00:00Z\"}]}");
}

}  // namespace

std::string StampedInstruction(std::int64_t stamp) {
  return absl::StrCat("Say one word. ", ToAbsl(kStamp), stamp, ".");
}

absl::StatusOr<std::unique_ptr<ModelEndpoint>> ModelEndpoint::Start(const Settings& settings) {
  std::unique_ptr<ModelEndpoint> made(new ModelEndpoint(settings));
  made->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (made->listener_ < 0 || bind(made->listener_, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(made->listener_, 512) != 0 ||
      getsockname(made->listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return absl::InternalError(absl::StrCat("no simulated endpoint: ", std::strerror(errno)));
  }
  made->port_ = ntohs(address.sin_port);
  made->ResetCounts();
  made->thread_ = std::thread([raw = made.get()] { raw->Serve(); });
  return made;
}

ModelEndpoint::~ModelEndpoint() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  if (listener_ >= 0) close(listener_);
}

std::string ModelEndpoint::url() const { return absl::StrCat("http://127.0.0.1:", port_); }

void ModelEndpoint::CountTo(std::int64_t now) {
  busy_nanos_ += (now - counted_to_) * in_flight_;
  counted_to_ = now;
}

void ModelEndpoint::ResetCounts() {
  MutexLock lock(mutex_);
  counted_to_ = SteadyNanos();
  busy_nanos_ = 0;
  answered_ = 0;
  most_in_flight_ = in_flight_;
}

std::int64_t ModelEndpoint::answered() const {
  MutexLock lock(mutex_);
  return answered_;
}

int ModelEndpoint::most_in_flight() const {
  MutexLock lock(mutex_);
  return most_in_flight_;
}

absl::Duration ModelEndpoint::busy() const {
  MutexLock lock(mutex_);
  return absl::Nanoseconds(busy_nanos_ + (SteadyNanos() - counted_to_) * in_flight_);
}

std::optional<ModelEndpoint::Served> ModelEndpoint::AwaitServed(std::int64_t stamp, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  MutexLock lock(mutex_);
  while (absl::Now() < deadline) {
    const auto found = served_.find(stamp);
    if (found != served_.end() && found->second.ended != 0) {
      const Served served = found->second;
      served_.erase(found);
      return served;
    }
    changed_.WaitFor(mutex_, absl::Milliseconds(100));
  }
  return std::nullopt;
}

void ModelEndpoint::Serve() {
  std::vector<Connection> connections;
  while (!stop_) {
    std::vector<pollfd> waits = {{.fd = listener_, .events = POLLIN, .revents = 0}};
    std::int64_t next = SteadyNanos() + kNapMillis * 1'000'000L;
    for (const Connection& connection : connections) {
      waits.push_back({.fd = connection.socket, .events = POLLIN, .revents = 0});
      if (connection.due != 0) next = std::min(next, connection.due);
    }
    const std::int64_t left = std::max<std::int64_t>(next - SteadyNanos(), 0);
    const timespec nap = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    ppoll(waits.data(), waits.size(), &nap, nullptr);
    for (std::size_t i = 0; i < connections.size(); ++i) {
      Connection& connection = connections[i];
      const bool due = connection.due != 0 && connection.due <= SteadyNanos();
      const bool readable = (waits[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
      if ((readable && !Read(connection)) || (due && !Answer(connection))) {
        if (connection.due != 0) {
          MutexLock lock(mutex_);
          CountTo(SteadyNanos());
          --in_flight_;
        }
        close(connection.socket);
        connection.socket = -1;
      }
    }
    std::erase_if(connections, [](const Connection& connection) { return connection.socket < 0; });
    while ((waits[0].revents & POLLIN) != 0) {
      const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (accepted < 0) break;
      const int on = 1;
      setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      connections.push_back({.socket = accepted});
    }
  }
  for (const Connection& connection : connections) close(connection.socket);
}

bool ModelEndpoint::Read(Connection& connection) {
  if (connection.begun == 0) connection.begun = SteadyNanos();
  char buffer[64 << 10];
  const ssize_t count = recv(connection.socket, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.received.append(buffer, static_cast<std::size_t>(count));
  return connection.received.size() <= kMostReceived && Take(connection);
}

// One whole request, once it is there. Nobody sends the next one before it was answered.
bool ModelEndpoint::Take(Connection& connection) {
  const std::string& received = connection.received;
  const std::size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return true;
  const std::string head = absl::AsciiStrToLower(received.substr(0, end + 2));
  std::size_t length = 0;
  if (const std::size_t at = head.find("\r\ncontent-length:"); at != std::string::npos) {
    const std::size_t from = at + 17;
    std::string_view digits = std::string_view(head).substr(from, head.find('\r', from) - from);
    while (!digits.empty() && digits.front() == ' ') digits.remove_prefix(1);
    if (!absl::SimpleAtoi(ToAbsl(digits), &length)) return false;
  }
  if (absl::StrContains(head, "expect: 100-continue") && received.size() == end + 4) {
    constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
    return send(connection.socket, kGoOn.data(), kGoOn.size(), MSG_NOSIGNAL) > 0;
  }
  if (received.size() < end + 4 + length) return true;
  const std::string body = received.substr(end + 4, length);
  if (!absl::StartsWith(head, "post /api/chat ") || !absl::StrContains(body, ToAbsl(kStamp))) {
    std::string answer = "{\"version\":\"0.12.0-simulated\"}";
    if (absl::StartsWith(head, "get /api/tags") || absl::StartsWith(head, "get /api/ps")) {
      answer = ListOf(settings_.model);
    }
    if (absl::StartsWith(head, "post /api/chat ")) answer = WholeAnswer(settings_.model);
    connection.begun = 0;
    connection.received.clear();
    return Send(connection, answer);
  }
  const std::string_view digits = std::string_view(body).substr(body.find(kStamp) + kStamp.size(), 20);
  connection.stamp = 0;
  (void)absl::SimpleAtoi(ToAbsl(digits.substr(0, digits.find_first_not_of("0123456789"))), &connection.stamp);
  connection.received.clear();
  const absl::Duration delay = settings_.least_delay + (settings_.most_delay - settings_.least_delay) * rng_->Unit();
  connection.due = SteadyNanos() + absl::ToInt64Nanoseconds(delay);
  {
    MutexLock lock(mutex_);
    CountTo(SteadyNanos());
    most_in_flight_ = std::max(most_in_flight_, ++in_flight_);
    served_[connection.stamp].begun = connection.begun;
  }
  return delay > absl::ZeroDuration() || Answer(connection);
}

bool ModelEndpoint::Answer(Connection& connection) {
  const bool sent = Send(connection, WholeAnswer(settings_.model));
  MutexLock lock(mutex_);
  const std::int64_t now = SteadyNanos();
  CountTo(now);
  --in_flight_;
  ++answered_;
  served_[connection.stamp].ended = now;
  connection.due = connection.begun = 0;
  changed_.NotifyAll();
  return sent;
}

bool ModelEndpoint::Send(Connection& connection, std::string_view body) {
  const std::string whole = absl::StrCat(
      "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nX-Switchyard-Simulated: 1\r\nContent-Length: ",
      body.size(), "\r\n\r\n", ToAbsl(body));
  // It fits into what the kernel keeps for a connection.
  return send(connection.socket, whole.data(), whole.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(whole.size());
}

}  // namespace switchyard::bench

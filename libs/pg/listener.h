#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "libs/base/random.h"
#include "libs/pg/reconnecting_session.h"

namespace switchyard::pg {

// LISTENs on a session and a thread of its own, and connects again when it is lost. Notifications are hints: those sent
// while it was away are gone, which is why every new session begins with `on_resync`.
class Listener final {
 public:
  struct Callbacks {
    std::function<void(std::string_view channel, std::string_view payload)> on_notify;
    // After LISTEN took effect, at first and after every loss: rescan now, nothing sent later is missed.
    std::function<void()> on_resync;
  };

  // Callbacks run on the listener's thread. Channels are plain lower-case identifiers. Borrows `rng`.
  Listener(const ConnectOptions& connect, std::vector<std::string> channels, Callbacks callbacks, Rng& rng);
  ~Listener();

  void Start();
  // No callback runs once it returned. Not from a callback.
  void Stop();
  bool connected() const { return connected_.load(std::memory_order_relaxed); }

 private:
  void Loop();
  absl::Status Listen(Session& session);

  const std::vector<std::string> channels_;
  const Callbacks callbacks_;
  ReconnectingSession sessions_;
  // Readable once Stop() was called.
  int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> connected_{false};
  std::thread thread_;
};

}  // namespace switchyard::pg

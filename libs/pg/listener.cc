#include "libs/pg/listener.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/pg/sql/statements.h"

namespace switchyard::pg {
namespace {

constexpr absl::Duration kPatience = absl::Hours(1);
// A quiet connection is tried this often: a cut network sends no end of stream.
constexpr absl::Duration kProbePeriod = absl::Seconds(15);

ConnectOptions ForListening(ConnectOptions connect) {
  connect.application_name.append("/listener");
  return connect;
}

}  // namespace

Listener::Listener(const ConnectOptions& connect, std::vector<std::string> channels, Callbacks callbacks, Rng& rng)
    : channels_(std::move(channels)),
      callbacks_(std::move(callbacks)),
      sessions_(ForListening(connect), rng),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Listener::~Listener() {
  Stop();
  close(wake_fd_);
}

void Listener::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Listener::Stop() {
  stopping_ = true;
  sessions_.Interrupt();
  const std::uint64_t one = 1;
  // Fails only when it is readable already.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
}

absl::Status Listener::Listen(Session& session) {
  for (const std::string& channel : channels_) {
    const std::string quoted = absl::StrCat("\"", absl::StrReplaceAll(channel, {{"\"", "\"\""}}), "\"");
    SY_RETURN_IF_ERROR(session.RunScript(absl::StrReplaceAll(ToAbsl(sql::kListen.sql), {{"{channel}", quoted}})));
  }
  return absl::OkStatus();
}

void Listener::Loop() {
  while (!stopping_) {
    absl::StatusOr<Session*> session = sessions_.Get(kPatience);
    if (!session.ok()) continue;
    if (!Listen(**session).ok()) {
      sessions_.Discard();
      sessions_.Wait(absl::Milliseconds(100));
      continue;
    }
    connected_ = true;
    callbacks_.on_resync();
    while (!stopping_) {
      absl::StatusOr<std::vector<Notification>> notifications =
          (*session)->WaitForNotifications(kProbePeriod, wake_fd_);
      if (!notifications.ok()) break;
      for (const Notification& each : *notifications) callbacks_.on_notify(each.channel, each.payload);
      if (notifications->empty() && !stopping_ && !(*session)->Execute(sql::kProbe).ok()) break;
    }
    connected_ = false;
    sessions_.Discard();
  }
}

}  // namespace switchyard::pg

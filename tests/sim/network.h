// The edges between processes: calls that are answered, lost, repeated or late, and streams that keep their order and
// break. Faults change the state of a link; messages that pass it meet them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/sim/world.h"

namespace switchyard::sim {

class Network;

// A stream between a client (side 0) and a server (side 1).
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  Wire(Network& network, Process& client, Process& server);

  // `deliver` runs at the other side, behind all that was sent before.
  void Send(int side, std::function<void()> deliver);
  // The other side hears of it behind all that was sent; this side hears nothing more.
  void Close(int side, const absl::Status& status);
  // Both sides hear of it a little later; what is under way is lost.
  void Break(absl::Duration within);
  // A side crashed.
  void Lost(int side, absl::Duration within);

  bool open(int side) const { return !over_[side]; }
  Process& end(int side) const { return *ends_[side]; }

  // Called once, in the side's process.
  std::function<void(const absl::Status&)> on_end[2];

 private:
  void Tell(int side, absl::Time time, const absl::Status& status);

  Network& network_;
  Process* const ends_[2];
  const int lives_[2];
  bool over_[2] = {false, false};
  bool broken_ = false;
  absl::Time last_[2] = {absl::InfinitePast(), absl::InfinitePast()};
};

class Network {
 public:
  static constexpr absl::Duration kKeepalive = absl::Seconds(8);

  explicit Network(World& world) : world_(world) {}

  void Add(Process& process);

  template <class Response>
  using Done = std::function<void(absl::StatusOr<Response>)>;
  // One try of one call; `serve` runs in the server, `done` exactly once in the client, as long as that lives.
  template <class Response>
  void Call(Process& from, Process& to, absl::Duration timeout, std::function<absl::StatusOr<Response>()> serve,
            Done<Response> done);
  // The same at once, for callers that wait: time stands still meanwhile.
  template <class Response>
  absl::StatusOr<Response> CallNow(Process& from, Process& to, const std::function<absl::StatusOr<Response>()>& serve);

  // `accept` runs in the server.
  std::shared_ptr<Wire> Open(Process& client, Process& server, std::function<void(std::shared_ptr<Wire>)> accept);

  // ---- Faults.
  void Block(int from, int to, absl::Time until);
  void Slow(int from, int to, absl::Time until, absl::Duration by);
  void DropNext(int from, int to) { ++At(from, to).drop; }
  void RepeatNext(int from, int to) { ++At(from, to).repeat; }
  void HoldNext(int from, int to, absl::Duration by) { At(from, to).hold = by; }
  void CutStreamsOf(int process);
  // All that is armed and was not met.
  void Heal();

 private:
  friend class Wire;
  struct Link {
    absl::Time blocked_until = absl::InfinitePast();
    absl::Time slow_until = absl::InfinitePast();
    absl::Duration slow_by;
    absl::Duration hold;
    int drop = 0;
    int repeat = 0;
    std::uint64_t sent = 0;
  };
  enum class Fate { kArrives, kBlocked, kDropped };
  struct Passage {
    Fate fate = Fate::kArrives;
    absl::Time arrival;
    bool repeated = false;
  };

  Link& At(int from, int to) { return links_[static_cast<std::size_t>(from) * size_ + to]; }
  Passage Pass(const Process& from, const Process& to, bool call);
  absl::Duration Latency(Link& link, int from, int to);

  World& world_;
  std::size_t size_ = 0;
  std::vector<Process*> processes_;
  std::vector<Link> links_;
  std::vector<std::weak_ptr<Wire>> wires_;
};

absl::Status Gone();
absl::Status TooLate();

template <class Response>
void Network::Call(Process& from, Process& to, absl::Duration timeout, std::function<absl::StatusOr<Response>()> serve,
                   Done<Response> done) {
  if (!from.alive()) return;
  // Shared by the answers that race for it.
  auto open = std::make_shared<Done<Response>>(std::move(done));
  const auto finish = [open](absl::StatusOr<Response> response) {
    if (*open == nullptr) return;
    const Done<Response> done = std::exchange(*open, nullptr);
    done(std::move(response));
  };
  world_.After(timeout, &from, [finish] { finish(TooLate()); });
  const auto refuse = [this, &from, finish, life = from.life()](absl::Duration after) {
    // A later life of the caller asked nothing.
    if (from.life() == life) world_.After(after, &from, [finish] { finish(Gone()); });
  };
  const Passage passage = Pass(from, to, true);
  if (passage.fate == Fate::kBlocked) return;
  if (passage.fate == Fate::kDropped) return refuse(absl::Milliseconds(2));
  auto arrived = [this, &from, &to, finish, refuse, life = from.life(), serve = std::move(serve)] {
    absl::StatusOr<Response> response = serve();
    if (!from.up() || from.life() != life) return;
    if (to.doomed()) return refuse(absl::Milliseconds(1));
    const Passage back = Pass(to, from, true);
    if (back.fate == Fate::kBlocked) return;
    if (back.fate == Fate::kDropped) return refuse(absl::Milliseconds(2));
    world_.At(back.arrival, &from, [finish, response = std::move(response)] { finish(response); });
  };
  if (passage.repeated) world_.Deliver(passage.arrival + absl::Milliseconds(3), to, arrived, [] {});
  world_.Deliver(passage.arrival, to, std::move(arrived), [refuse] { refuse(absl::Milliseconds(1)); });
}

template <class Response>
absl::StatusOr<Response> Network::CallNow(Process& from, Process& to,
                                          const std::function<absl::StatusOr<Response>()>& serve) {
  if (!from.alive() || !to.alive()) return Gone();
  if (to.frozen_until() > world_.now()) return TooLate();
  if (Pass(from, to, true).fate != Fate::kArrives) return Gone();
  absl::StatusOr<Response> response = serve();
  if (to.doomed() || Pass(to, from, true).fate != Fate::kArrives) return Gone();
  return response;
}

}  // namespace switchyard::sim

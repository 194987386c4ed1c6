#include "tests/sim/network.h"

#include <algorithm>

#include "libs/base/status.h"

namespace switchyard::sim {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(3);

}  // namespace

absl::Status Gone() { return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_LOST", "the connection broke"); }
absl::Status TooLate() { return absl::DeadlineExceededError("no answer in time"); }

void Network::Add(Process& process) {
  processes_.push_back(&process);
  size_ = processes_.size();
  links_.assign(size_ * size_, Link());
  process.on_crash = [this, &process](bool quietly) {
    for (const std::weak_ptr<Wire>& weak : wires_) {
      const std::shared_ptr<Wire> wire = weak.lock();
      if (wire == nullptr) continue;
      for (const int side : {0, 1}) {
        if (&wire->end(side) == &process) wire->Lost(side, quietly ? kKeepalive : absl::Milliseconds(2));
      }
    }
    std::erase_if(wires_, [](const std::weak_ptr<Wire>& wire) { return wire.expired(); });
  };
}

absl::Duration Network::Latency(Link& link, int from, int to) {
  const std::uint64_t draw = Mix(Mix(world_.seed(), static_cast<std::uint64_t>(from * 64 + to)), ++link.sent);
  absl::Duration latency = absl::Microseconds(100 + draw % 1400);
  if (draw >> 32 & 31) return latency;
  return latency + absl::Milliseconds((draw >> 40) % 60);
}

Network::Passage Network::Pass(const Process& from, const Process& to, bool call) {
  const absl::Time now = world_.now();
  Link& link = At(from.index(), to.index());
  Passage passage{.arrival = now + Latency(link, from.index(), to.index())};
  if (link.slow_until > now) passage.arrival += link.slow_by;
  if (link.blocked_until > now) {
    passage.fate = Fate::kBlocked;
    passage.arrival = link.blocked_until + absl::Milliseconds(1);
    return passage;
  }
  if (link.drop > 0) {
    --link.drop;
    passage.fate = Fate::kDropped;
    return passage;
  }
  passage.arrival += std::exchange(link.hold, absl::ZeroDuration());
  if (call && link.repeat > 0) {
    --link.repeat;
    passage.repeated = true;
  }
  return passage;
}

std::shared_ptr<Wire> Network::Open(Process& client, Process& server,
                                    std::function<void(std::shared_ptr<Wire>)> accept) {
  auto wire = std::make_shared<Wire>(*this, client, server);
  if (!client.alive()) return wire;
  wires_.push_back(wire);
  if (!server.up()) {
    wire->Break(absl::Milliseconds(2));
    return wire;
  }
  const Passage passage = Pass(client, server, false);
  if (passage.fate == Fate::kBlocked) {
    wire->Break(kConnectTimeout);
  } else if (passage.fate == Fate::kDropped) {
    wire->Break(absl::Milliseconds(2));
  } else {
    wire->Send(0, [accept = std::move(accept), wire] { accept(wire); });
  }
  return wire;
}

void Network::Block(int from, int to, absl::Time until) {
  At(from, to).blocked_until = std::max(At(from, to).blocked_until, until);
}

void Network::Slow(int from, int to, absl::Time until, absl::Duration by) {
  At(from, to).slow_until = until;
  At(from, to).slow_by = by;
}

void Network::CutStreamsOf(int process) {
  for (const std::weak_ptr<Wire>& weak : wires_) {
    const std::shared_ptr<Wire> wire = weak.lock();
    if (wire == nullptr) continue;
    if (wire->end(0).index() == process || wire->end(1).index() == process) wire->Break(absl::Milliseconds(20));
  }
}

void Network::Heal() {
  for (Link& link : links_) link = Link{.sent = link.sent};
}

Wire::Wire(Network& network, Process& client, Process& server)
    : network_(network), ends_{&client, &server}, lives_{client.life(), server.up() ? server.life() : -1} {}

void Wire::Send(int side, std::function<void()> deliver) {
  if (broken_ || over_[side] || !ends_[side]->alive()) return;
  const int other = 1 - side;
  const absl::Time now = network_.world_.now();
  const Network::Passage passage = network_.Pass(*ends_[side], *ends_[other], false);
  if (passage.fate == Network::Fate::kDropped) return Break(absl::Milliseconds(20));
  if (passage.arrival - now > Network::kKeepalive) return Break(Network::kKeepalive);
  const absl::Time arrival = std::max(passage.arrival, last_[other] + absl::Microseconds(1));
  last_[other] = arrival;
  network_.world_.Deliver(
      arrival, *ends_[other],
      [self = shared_from_this(), other, deliver = std::move(deliver)] {
        if (self->broken_ || self->over_[other] || self->lives_[other] != self->ends_[other]->life()) return;
        deliver();
      },
      [self = shared_from_this(), other] { self->Lost(other, absl::Milliseconds(1)); });
}

void Wire::Tell(int side, absl::Time time, const absl::Status& status) {
  Process* const process = ends_[side];
  network_.world_.Deliver(
      std::max(time, last_[side]), *process,
      [self = shared_from_this(), side, process, status] {
        if (self->over_[side] || self->lives_[side] != process->life()) return;
        self->over_[side] = true;
        if (self->on_end[side]) self->on_end[side](status);
      },
      [] {});
}

void Wire::Close(int side, const absl::Status& status) {
  if (over_[side]) return;
  const absl::Status end = status.ok() ? absl::CancelledError("the peer closed the stream") : status;
  Send(side, [self = shared_from_this(), other = 1 - side, end] {
    if (self->over_[other]) return;
    self->over_[other] = true;
    if (self->on_end[other]) self->on_end[other](end);
  });
  over_[side] = true;
}

void Wire::Break(absl::Duration within) {
  if (broken_) return;
  broken_ = true;
  const absl::Time now = network_.world_.now();
  last_[0] = last_[1] = now;
  const std::uint64_t draw = Mix(network_.world_.seed(), static_cast<std::uint64_t>(absl::ToUnixMicros(now)));
  Tell(0, now + within * (static_cast<double>(draw % 1000) / 1000), Gone());
  Tell(1, now + within * (static_cast<double>(draw / 1000 % 1000) / 1000), Gone());
}

void Wire::Lost(int side, absl::Duration within) {
  if (over_[side]) return;
  over_[side] = true;
  last_[1 - side] = network_.world_.now();
  Tell(1 - side, network_.world_.now() + within, Gone());
}

}  // namespace switchyard::sim

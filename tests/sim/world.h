// One thread, one clock, one queue of events: what happens next is what is due next, and the seed decides the rest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"

namespace switchyard::sim {

class Process;

class SimClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Set(absl::Time now) { now_ = now; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1893456000);
};

// As a process reads it: off by so much, and as much too fast.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(const Clock& clock) : clock_(clock), start_(clock.Now()) {}
  absl::Time Now() const override {
    const absl::Time now = clock_.Now();
    return now + offset_ + (now - start_) * fast_;
  }
  // Before anybody reads it.
  void Set(absl::Duration offset, double fast) {
    offset_ = offset;
    fast_ = fast;
  }

 private:
  const Clock& clock_;
  const absl::Time start_;
  absl::Duration offset_;
  double fast_ = 0;
};

// A good mix of 64 bits; the same for the same inputs on every machine.
std::uint64_t Mix(std::uint64_t a, std::uint64_t b);
std::uint64_t MixText(std::uint64_t a, std::string_view text);

class SimRng final : public Rng {
 public:
  explicit SimRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() override { return state_ = Mix(state_, 0x9e3779b97f4a7c15); }
  bool Chance(double probability) { return Unit() < probability; }
  absl::Duration Between(absl::Duration low, absl::Duration high) { return low + (high - low) * Unit(); }

 private:
  std::uint64_t state_;
};

// Not thread-safe.
class World {
 public:
  World(std::uint64_t seed, bool tracing);

  const SimClock& clock() const { return clock_; }
  absl::Time now() const { return clock_.Now(); }
  absl::Time start() const { return start_; }
  std::uint64_t seed() const { return seed_; }

  // Runs `work` at that time in the process, unless that has crashed since; while it is frozen, later. Without a
  // process in no matter what case.
  void At(absl::Time time, Process* process, std::function<void()> work);
  void After(absl::Duration wait, Process* process, std::function<void()> work) {
    At(now() + wait, process, std::move(work));
  }
  // What arrives from outside: `work` when the process is up by then, in whichever of its lives, else `down`.
  void Deliver(absl::Time time, Process& process, std::function<void()> work, std::function<void()> down);

  // One event; false when there is none before `until`.
  bool Step(absl::Time until);
  void Doomed(Process* process) { doomed_.push_back(process); }

  // Goes into the hash of what happened; the text only when somebody reads it.
  void Mark(std::uint64_t what) { hash_ = Mix(hash_, what); }
  bool tracing() const { return tracing_; }
  void Trace(std::string_view line);
  std::uint64_t hash() const { return hash_; }
  std::uint64_t events() const { return events_; }

 private:
  struct Event {
    absl::Time time;
    std::uint64_t number = 0;
    Process* process = nullptr;
    // 0: any.
    int life = 0;
    std::shared_ptr<std::function<void()>> work;
    std::shared_ptr<std::function<void()>> down;
    bool operator<(const Event& other) const { return time != other.time ? time > other.time : number > other.number; }
  };

  const std::uint64_t seed_;
  const bool tracing_;
  SimClock clock_;
  const absl::Time start_;
  std::priority_queue<Event> queue_;
  std::vector<Process*> doomed_;
  std::uint64_t last_number_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t hash_ = 0;
};

// What lives and dies as one: what is its own is gone with a crash, what is durable lies elsewhere.
class Process {
 public:
  Process(World& world, std::string name, int index)
      : world_(world), clock_(world.clock()), name_(std::move(name)), index_(index) {}
  virtual ~Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Start();
  // At this very point of its work: nothing more of it gets out, and when the event is over it is gone.
  void Doom(absl::Duration down_for);
  // Up again after `down_for`. Quietly: peers learn of it by silence alone.
  void Crash(absl::Duration down_for, bool quietly);
  void Freeze(absl::Time until) { frozen_until_ = std::max(frozen_until_, until); }
  // Before it starts.
  void SkewClock(absl::Duration offset, double fast) { clock_.Set(offset, fast); }

  const std::string& name() const { return name_; }
  int index() const { return index_; }
  bool up() const { return up_; }
  // What it does still has effects.
  bool alive() const { return up_ && !doomed_; }
  bool doomed() const { return doomed_; }
  int life() const { return life_; }
  absl::Time frozen_until() const { return frozen_until_; }
  absl::Duration doomed_for() const { return doomed_for_; }

  // Called after a crash, for the network.
  std::function<void(bool quietly)> on_crash;

 protected:
  virtual void Boot() = 0;
  virtual void Die() = 0;
  // Over and over until the crash.
  void Every(absl::Duration period, std::function<void()> step);

  // What time it is to this process.
  const Clock& clock() const { return clock_; }

  World& world_;

 private:
  SkewedClock clock_;
  const std::string name_;
  const int index_;
  bool up_ = false;
  bool doomed_ = false;
  int life_ = 0;
  absl::Time frozen_until_ = absl::InfinitePast();
  absl::Duration doomed_for_;
};

}  // namespace switchyard::sim

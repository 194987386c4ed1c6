#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::sim {

std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a + b + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t MixText(std::uint64_t a, std::string_view text) {
  std::uint64_t hash = 1469598103934665603u ^ a;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return Mix(a, hash);
}

World::World(std::uint64_t seed, bool tracing) : seed_(seed), tracing_(tracing), start_(clock_.Now()), hash_(seed) {}

void World::At(absl::Time time, Process* process, std::function<void()> work) {
  if (process != nullptr && !process->alive()) return;
  queue_.push({.time = std::max(time, now()),
               .number = ++last_number_,
               .process = process,
               .life = process == nullptr ? 0 : process->life(),
               .work = std::make_shared<std::function<void()>>(std::move(work)),
               .down = nullptr});
}

void World::Deliver(absl::Time time, Process& process, std::function<void()> work, std::function<void()> down) {
  queue_.push({.time = std::max(time, now()),
               .number = ++last_number_,
               .process = &process,
               .life = 0,
               .work = std::make_shared<std::function<void()>>(std::move(work)),
               .down = std::make_shared<std::function<void()>>(std::move(down))});
}

bool World::Step(absl::Time until) {
  if (queue_.empty() || queue_.top().time > until) {
    clock_.Set(std::max(now(), until));
    return false;
  }
  Event event = queue_.top();
  queue_.pop();
  clock_.Set(event.time);
  Process* const process = event.process;
  if (process != nullptr) {
    if (event.life != 0 && (!process->up() || process->life() != event.life)) return true;
    if (event.life == 0 && !process->up()) {
      (*event.down)();
      return true;
    }
    if (process->frozen_until() > now()) {
      event.time = process->frozen_until();
      event.number = ++last_number_;
      queue_.push(std::move(event));
      return true;
    }
  }
  ++events_;
  Mark(static_cast<std::uint64_t>(absl::ToInt64Microseconds(event.time - start_)) * 64 +
       (process == nullptr ? 63 : process->index()));
  (*event.work)();
  while (!doomed_.empty()) {
    Process* const doomed = doomed_.back();
    doomed_.pop_back();
    doomed->Crash(doomed->doomed_for(), false);
  }
  return true;
}

void World::Trace(std::string_view line) {
  if (!tracing_) return;
  std::printf("%10.4f  %.*s\n", absl::ToDoubleSeconds(now() - start_), static_cast<int>(line.size()), line.data());
}

void Process::Start() {
  if (up_) return;
  up_ = true;
  doomed_ = false;
  ++life_;
  if (world_.tracing()) world_.Trace(absl::StrCat(name_, " starts"));
  Boot();
}

void Process::Doom(absl::Duration down_for) {
  if (!up_ || doomed_) return;
  doomed_ = true;
  doomed_for_ = down_for;
  world_.Doomed(this);
}

void Process::Crash(absl::Duration down_for, bool quietly) {
  if (!up_) return;
  if (world_.tracing()) world_.Trace(absl::StrCat(name_, " crashes"));
  doomed_ = true;
  Die();
  up_ = false;
  doomed_ = false;
  frozen_until_ = absl::InfinitePast();
  if (on_crash) on_crash(quietly);
  world_.At(world_.now() + down_for, nullptr, [this] { Start(); });
}

void Process::Every(absl::Duration period, std::function<void()> step) {
  world_.After(period, this, [this, period, step = std::move(step)] {
    step();
    Every(period, step);
  });
}

}  // namespace switchyard::sim

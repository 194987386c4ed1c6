#include "libs/base/random.h"

#include <array>

#include "libs/base/mutex.h"
#include "libs/base/secure_bytes.h"

namespace switchyard {
namespace {

// xoshiro256**: fast, and good far beyond what jitter and ids ask for.
class Xoshiro {
 public:
  explicit Xoshiro(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15u;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      word = z ^ (z >> 31);
    }
  }
  explicit Xoshiro(const std::array<std::uint64_t, 4>& state) : state_(state) { state_[0] |= 1; }

  std::uint64_t Next() {
    const std::uint64_t result = Rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = Rotate(state_[3], 45);
    return result;
  }

 private:
  static std::uint64_t Rotate(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
  std::array<std::uint64_t, 4> state_;
};

// One generator per thread, so that threads share nothing.
class SystemRng final : public Rng {
 public:
  std::uint64_t Next() override {
    thread_local Xoshiro generator = [] {
      std::array<std::uint64_t, 4> state;
      FillSecureBytes(state.data(), sizeof(state));
      return Xoshiro(state);
    }();
    return generator.Next();
  }
};

class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : generator_(seed) {}
  std::uint64_t Next() override {
    MutexLock lock(mutex_);
    return generator_.Next();
  }

 private:
  Mutex mutex_;
  Xoshiro generator_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::uint64_t Rng::Below(std::uint64_t bound) {
  if (bound == 0) return 0;
  // The lowest values are refused, so that the rest is a whole multiple of the bound.
  const std::uint64_t refused = (0 - bound) % bound;
  std::uint64_t value = Next();
  while (value < refused) value = Next();
  return value % bound;
}

double Rng::Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::unique_ptr<Rng> MakeSystemRng() { return std::make_unique<SystemRng>(); }
std::unique_ptr<Rng> MakeSeededRng(std::uint64_t seed) { return std::make_unique<SeededRng>(seed); }

}  // namespace switchyard

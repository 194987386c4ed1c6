#pragma once

#include <cstdint>
#include <memory>

namespace switchyard {

// Source of randomness; injected, so that a test's choices can be replayed from its seed. Thread-safe.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual std::uint64_t Next() = 0;

  // Uniform in [0, bound); 0 when bound is 0.
  std::uint64_t Below(std::uint64_t bound);
  // Uniform in [0, 1).
  double Unit();
};

// Seeded from the operating system; good for ids and jitter, not for secrets (those come from SecureBytes).
std::unique_ptr<Rng> MakeSystemRng();
std::unique_ptr<Rng> MakeSeededRng(std::uint64_t seed);

}  // namespace switchyard

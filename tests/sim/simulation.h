// One seed from its start to its verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/faults.h"
#include "tests/sim/mutants.h"

namespace switchyard::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  // Indexes of the seed's faults; absent: all.
  std::optional<std::vector<int>> faults;
  Mutant mutant = Mutant::kNone;
  // Prints what happens.
  bool trace = false;
};

struct Verdict {
  // Empty: all invariants held.
  std::string invariant;
  std::string breach;
  // Of everything that happened, in its order.
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  absl::Duration took;
  Cast cast;
  // Those that were played.
  std::vector<Fault> faults;

  bool ok() const { return invariant.empty(); }
};

// Deterministic: the same options, the same verdict, in every process on every machine of one byte order.
Verdict RunSeed(const RunOptions& options);

}  // namespace switchyard::sim

#include "tests/sim/shrink.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace switchyard::sim {
namespace {

std::vector<int> IndexesOf(const std::vector<Fault>& faults) {
  std::vector<int> indexes;
  for (const Fault& fault : faults) indexes.push_back(fault.index);
  return indexes;
}

}  // namespace

Verdict Shrink(const RunOptions& options, const Verdict& failed, int most) {
  Verdict best = failed;
  std::vector<int> left = IndexesOf(failed.faults);
  const auto still_fails = [&](const std::vector<int>& faults) {
    if (--most < 0) return false;
    RunOptions fewer = options;
    fewer.trace = false;
    fewer.faults = faults;
    Verdict verdict = RunSeed(fewer);
    if (verdict.invariant != failed.invariant) return false;
    best = std::move(verdict);
    return true;
  };
  // Delta debugging: leave out ever smaller parts, until no single one can go.
  if (!left.empty() && still_fails({})) return best;
  std::size_t parts = 2;
  while (left.size() >= 2) {
    const std::size_t size = (left.size() + parts - 1) / parts;
    bool reduced = false;
    for (std::size_t begin = 0; begin < left.size() && !reduced; begin += size) {
      std::vector<int> rest(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(begin));
      const std::size_t end = std::min(begin + size, left.size());
      rest.insert(rest.end(), left.begin() + static_cast<std::ptrdiff_t>(end), left.end());
      if (!still_fails(rest)) continue;
      left = std::move(rest);
      parts = std::max<std::size_t>(parts - 1, 2);
      reduced = true;
    }
    if (reduced) continue;
    if (size == 1) break;
    parts = std::min(parts * 2, left.size());
  }
  return best;
}

std::string Report(const RunOptions& options, const Verdict& verdict) {
  const std::vector<int> indexes = IndexesOf(verdict.faults);
  std::string command = absl::StrCat("switchyard_sim --seed ", options.seed, " --faults ",
                                     indexes.empty() ? "none" : absl::StrJoin(indexes, ","));
  for (const MutantInfo& info : Mutants()) {
    if (info.mutant == options.mutant)
      absl::StrAppend(&command, " --mutant ", absl::string_view(info.name.data(), info.name.size()));
  }
  std::string text = absl::StrCat("seed ", options.seed, " breaks ", verdict.invariant, " after ",
                                  absl::FormatDuration(verdict.took), ":\n  ", verdict.breach, "\n");
  absl::StrAppend(&text, "with ", verdict.cast.ledgers, " ledgers, ", verdict.cast.schedulers, " schedulers, ",
                  verdict.cast.hubs, " hubs, ", verdict.cast.executors, " executors, and ",
                  indexes.empty() ? "no fault at all" : absl::StrCat(indexes.size(), " faults:"), "\n");
  for (const Fault& fault : verdict.faults) absl::StrAppend(&text, "  ", Describe(fault, verdict.cast), "\n");
  return absl::StrCat(text, "again:  ", command, "\nstep by step:  ", command, " --trace\n");
}

}  // namespace switchyard::sim

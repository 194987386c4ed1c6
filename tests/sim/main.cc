// Runs seeds until one breaks an invariant, then shows it with the few faults that matter.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace switchyard::sim {
namespace {

constexpr char kHelp[] =
    R"(switchyard_sim: task queue, scheduler, hub and executor in one thread, with seeded faults.

  --seeds N      how many seeds to run (default 300)
  --base N       the first of them (default 1)
  --minutes M    seeds from the base on for so long, instead of --seeds
  --seed N       this seed alone
  --faults LIST  with --seed: only these of its faults, as 3,17,42, or none
  --mutant NAME  with a seeded bug; --mutants lists them
  --trace        with --seed: prints what happens
  --no-shrink    shows a failing seed with all of its faults
)";

struct Flags {
  std::uint64_t seeds = 300;
  std::uint64_t base = 1;
  double minutes = 0;
  bool single = false;
  bool shrink = true;
  RunOptions run;
};

[[noreturn]] void Refuse(const std::string& why) {
  std::fprintf(stderr, "%s; see --help\n", why.c_str());
  std::exit(2);
}

template <class Number>
void ReadNumber(const std::string& flag, const std::string& text, Number* out) {
  bool read = false;
  if constexpr (std::is_same_v<Number, double>) {
    read = absl::SimpleAtod(text, out);
  } else {
    read = absl::SimpleAtoi(text, out);
  }
  if (!read) Refuse(flag + " wants a number, not '" + text + "'");
}

void ListMutants() {
  for (const MutantInfo& info : Mutants()) {
    std::printf("%-22s %s (must be caught by %s)\n", std::string(info.name).c_str(), std::string(info.what).c_str(),
                std::string(info.caught_by).c_str());
  }
}

Flags ReadFlags(const std::vector<std::string>& arguments) {
  Flags flags;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& flag = arguments[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 >= arguments.size()) Refuse(flag + " wants a value");
      return arguments[++i];
    };
    if (flag == "--help" || flag == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (flag == "--mutants") {
      ListMutants();
      std::exit(0);
    } else if (flag == "--seeds") {
      ReadNumber(flag, value(), &flags.seeds);
    } else if (flag == "--base") {
      ReadNumber(flag, value(), &flags.base);
    } else if (flag == "--minutes") {
      ReadNumber(flag, value(), &flags.minutes);
    } else if (flag == "--seed") {
      flags.single = true;
      ReadNumber(flag, value(), &flags.run.seed);
    } else if (flag == "--faults") {
      flags.run.faults.emplace();
      const std::string& list = value();
      if (list == "none") continue;
      for (const absl::string_view part : absl::StrSplit(list, ',')) {
        ReadNumber(flag, std::string(part), &flags.run.faults->emplace_back());
      }
    } else if (flag == "--mutant") {
      flags.run.mutant = FindMutant(value());
      if (flags.run.mutant == Mutant::kNone) Refuse("there is no mutant '" + arguments[i] + "'");
    } else if (flag == "--trace") {
      flags.run.trace = true;
    } else if (flag == "--no-shrink") {
      flags.shrink = false;
    } else {
      Refuse("unknown flag " + flag);
    }
  }
  return flags;
}

int Fail(const Flags& flags, const RunOptions& run, const Verdict& verdict) {
  const bool shrink = flags.shrink && !run.faults.has_value() && !run.trace;
  std::fputs(Report(run, shrink ? Shrink(run, verdict) : verdict).c_str(), stdout);
  return 1;
}

int Main(const std::vector<std::string>& arguments) {
  const Flags flags = ReadFlags(arguments);
  // What fails on purpose is not worth a line.
  SetLogWriter([](std::string_view) {});
  ConfigureLog("switchyard_sim", LogLevel::kError);
  if (flags.single) {
    const Verdict verdict = RunSeed(flags.run);
    if (!verdict.ok()) return Fail(flags, flags.run, verdict);
    std::printf("seed %llu holds: hash %016llx, %llu events, %s, %zu faults\n",
                static_cast<unsigned long long>(flags.run.seed), static_cast<unsigned long long>(verdict.hash),
                static_cast<unsigned long long>(verdict.events), absl::FormatDuration(verdict.took).c_str(),
                verdict.faults.size());
    return 0;
  }
  const std::int64_t begin = DisciplinedClock::SteadyNanos();
  const auto elapsed = [&] { return static_cast<double>(DisciplinedClock::SteadyNanos() - begin) / 1e9; };
  RunOptions run = flags.run;
  std::uint64_t done = 0;
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  std::printf("seeds from %llu on\n", static_cast<unsigned long long>(flags.base));
  std::fflush(stdout);
  for (; flags.minutes > 0 ? elapsed() < flags.minutes * 60 : done < flags.seeds; ++done) {
    run.seed = flags.base + done;
    const Verdict verdict = RunSeed(run);
    if (!verdict.ok()) return Fail(flags, run, verdict);
    events += verdict.events;
    faults += verdict.faults.size();
  }
  std::printf("%llu seeds hold: %llu faults, %llu events, %.1f s\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(faults), static_cast<unsigned long long>(events), elapsed());
  return 0;
}

}  // namespace
}  // namespace switchyard::sim

int main(int argc, char** argv) { return switchyard::sim::Main(std::vector<std::string>(argv + 1, argv + argc)); }

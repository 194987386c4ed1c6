#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/router/bench_yard.h"
#include "tools/benchmarks/scenarios.h"

namespace switchyard::bench {
namespace {

constexpr double kRouteSeconds = 3;
// As often as the registry tells of changes, at most.
constexpr absl::Duration kRenewal = absl::Milliseconds(100);
constexpr std::size_t kBetweenLooks = 512;
constexpr double kTarget = 200'000;
constexpr int kMainSize = 50;

struct Pace {
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

double Quantile(std::vector<float>& values, double quantile) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// One thread decides as fast as it can, while the snapshot is replaced again and again: first without, then with a look
// at the clock at each decision.
Pace Measure(int endpoints, double seconds) {
  router::BenchYard yard(endpoints);
  std::size_t number = 0;
  std::size_t decided = 0;
  const auto run = [&](double share, auto&& decide) {
    const absl::Time begin = absl::Now();
    const absl::Time end = begin + absl::Seconds(seconds * share);
    absl::Time renewal = begin + kRenewal;
    const std::size_t before = number;
    for (absl::Time now = begin; now < end; now = absl::Now()) {
      if (now >= renewal) {
        yard.Renew();
        renewal = now + kRenewal;
      }
      for (std::size_t i = 0; i < kBetweenLooks; ++i) decide(number++);
    }
    return static_cast<double>(number - before) / absl::ToDoubleSeconds(absl::Now() - begin);
  };
  const auto plain = [&](std::size_t task) {
    decided += std::holds_alternative<router::Decision>(yard.Decide(task)) ? 1 : 0;
  };
  run(0.2, plain);
  Pace pace;
  pace.per_s = run(0.5, plain);
  std::vector<float> samples;
  samples.reserve(static_cast<std::size_t>(pace.per_s * seconds) + kBetweenLooks);
  run(0.3, [&](std::size_t task) {
    const absl::Time begin = absl::Now();
    plain(task);
    samples.push_back(static_cast<float>(absl::ToDoubleMilliseconds(absl::Now() - begin)));
  });
  pace.p50_ms = Quantile(samples, 0.5);
  pace.p99_ms = Quantile(samples, 0.99);
  return pace;
}

}  // namespace

absl::StatusOr<Report> RouteDecisions(const Options& options) {
  Report report;
  report.scenario = options.scenario;
  for (const int endpoints : {1, kMainSize, 500}) {
    const Pace pace = Measure(endpoints, options.SecondsOr(kRouteSeconds));
    report.details.emplace_back(absl::StrCat("rate_per_s_", endpoints), pace.per_s);
    report.details.emplace_back(absl::StrCat("p50_us_", endpoints), pace.p50_ms * 1'000);
    report.details.emplace_back(absl::StrCat("p99_us_", endpoints), pace.p99_ms * 1'000);
    if (endpoints != kMainSize) continue;
    report.rate_per_s = pace.per_s;
    report.p50_ms = pace.p50_ms;
    report.p99_ms = pace.p99_ms;
    report.targets.push_back({.name = "decisions_per_s_of_50_endpoints", .wanted = kTarget, .measured = pace.per_s});
  }
  return report;
}

}  // namespace switchyard::bench

#include "tools/benchmarks/measure.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/profile.h"

namespace switchyard::bench {

std::string Load::first_error() const {
  MutexLock lock(mutex_);
  return first_error_;
}

void Load::Failed(const std::string& what) {
  if (errors_.fetch_add(1, std::memory_order_relaxed) > 0) return;
  MutexLock lock(mutex_);
  first_error_ = what;
}

double Window::Grown(const std::string& metric) const {
  const auto value = [&](const MetricValues& values) {
    const auto found = values.find(metric);
    return found == values.end() ? 0.0 : found->second;
  };
  return value(after) - value(before);
}

double Window::MeanBatch(const std::string& lane) const {
  const std::string labels = absl::StrCat("{lane=\"", lane, "\"}");
  const double count = Grown("switchyard_task_queue_batch_size_count" + labels);
  return count == 0 ? 0 : Grown("switchyard_task_queue_batch_size_sum" + labels) / count;
}

double Window::OthersShare() const {
  const absl::Duration ours = spent.client + spent.service + spent.hub + spent.scheduler + spent.postgres +
                              spent.identity + spent.verification + spent.executors;
  const double all = seconds * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(0.0, absl::ToDoubleSeconds(spent.machine - ours)) / all;
}

void WarmUp(const Options& options) { absl::SleepFor(absl::Seconds(options.warmup)); }

absl::StatusOr<Window> MeasureWindow(const Installation& installation, Load& load, double seconds,
                                     const std::string& profile) {
  Window window;
  SY_ASSIGN_OR_RETURN(window.before, installation.Scrape());
  std::optional<Profile> perf;
  if (!profile.empty()) perf.emplace(installation.ProcessesOf(profile), installation.File("perf.data"));
  load.latency().Reset();
  const Spent spent = installation.SpentSoFar();
  const std::int64_t done = load.done();
  const std::int64_t begun = SteadyNanos();
  absl::SleepFor(absl::Seconds(seconds));
  const std::int64_t ended = SteadyNanos();
  window.done = static_cast<double>(load.done() - done);
  window.spent = installation.SpentSoFar() - spent;
  window.seconds = static_cast<double>(ended - begun) / 1e9;
  window.p50_ms = load.latency().QuantileMillis(0.5);
  window.p99_ms = load.latency().QuantileMillis(0.99);
  if (perf.has_value()) std::fprintf(stderr, "%s", perf->Finish().c_str());
  SY_ASSIGN_OR_RETURN(window.after, installation.Scrape());
  return window;
}

void Describe(const Window& window, Report& report) {
  report.rate_per_s = window.rate();
  report.p50_ms = window.p50_ms;
  report.p99_ms = window.p99_ms;
  const auto per_task = [&](absl::Duration time) {
    return absl::ToDoubleMicroseconds(time) / std::max(1.0, window.done);
  };
  report.cpu_us_per_task = {{"client", per_task(window.spent.client)}, {"service", per_task(window.spent.service)}};
  if (window.spent.hub > absl::ZeroDuration()) {
    report.cpu_us_per_task.emplace_back("hub", per_task(window.spent.hub));
    report.cpu_us_per_task.emplace_back("scheduler", per_task(window.spent.scheduler));
  }
  report.cpu_us_per_task.emplace_back("postgres", per_task(window.spent.postgres));
  report.cpu_us_per_task.emplace_back("identity", per_task(window.spent.identity));
  if (window.spent.verification > absl::ZeroDuration()) {
    report.cpu_us_per_task.emplace_back("verification", per_task(window.spent.verification));
  }
  if (window.spent.executors > absl::ZeroDuration()) {
    report.cpu_us_per_task.emplace_back("executors", per_task(window.spent.executors));
  }
  report.details.emplace_back("others_share_of_processors", window.OthersShare());
  for (const char* lane : {"submit", "assign", "report"}) {
    if (const double mean = window.MeanBatch(lane); mean > 0) {
      report.details.emplace_back(absl::StrCat("mean_batch_", lane), mean);
    }
  }
}

void Describe(const Load& load, Report& report) {
  report.errors += static_cast<double>(load.errors());
  if (report.first_error.empty()) report.first_error = load.first_error();
}

}  // namespace switchyard::bench

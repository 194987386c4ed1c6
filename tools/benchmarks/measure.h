#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/installation.h"
#include "tools/benchmarks/latency_histogram.h"
#include "tools/benchmarks/options.h"
#include "tools/benchmarks/report.h"

namespace switchyard::bench {

// Something that keeps the service busy until it is stopped. Counts may be read at any time.
class Load {
 public:
  virtual ~Load() = default;
  virtual absl::Status Start() = 0;
  // Returns once nothing is in flight.
  virtual void Stop() = 0;

  std::int64_t done() const { return done_.load(std::memory_order_relaxed); }
  LatencyHistogram& latency() { return latency_; }
  std::int64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  std::string first_error() const;

 protected:
  void Finished(absl::Duration latency, int units = 1) {
    latency_.Observe(latency);
    done_.fetch_add(units, std::memory_order_relaxed);
  }
  void Failed(const std::string& what);

 private:
  std::atomic<std::int64_t> done_{0};
  std::atomic<std::int64_t> errors_{0};
  LatencyHistogram latency_;
  mutable Mutex mutex_;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);
};

// A stretch of time and what went on in it.
struct Window {
  double seconds = 0;
  double done = 0;
  double p50_ms = 0, p99_ms = 0;
  Spent spent;
  MetricValues before, after;

  double rate() const { return done / seconds; }
  // Of a counter or of the sum or count of a histogram.
  double Grown(const std::string& metric) const;
  // Operations in one commit of a lane of the service; 0 when it had none.
  double MeanBatch(const std::string& lane) const;
  // Of all processor time, what neither we nor our processes took.
  double OthersShare() const;
};

// Lets the load run for a while and measures that. A profile of `profile`, unless it is empty, goes to standard error.
absl::StatusOr<Window> MeasureWindow(const Installation& installation, Load& load, double seconds,
                                     const std::string& profile);
void WarmUp(const Options& options);

// Rate, latencies, processor times and the disturbance by others.
void Describe(const Window& window, Report& report);
void Describe(const Load& load, Report& report);

}  // namespace switchyard::bench

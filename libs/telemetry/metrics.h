// Metrics whose hot path is one relaxed atomic operation: resolve a handle once, keep it, and use it without a lock.
// prometheus-cpp only exposes them (its own histogram takes a lock for every observation).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace switchyard::telemetry {

// Only grows. Thread-safe.
class Counter {
 public:
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Thread-safe.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Thread-safe. A scrape during an observation may see its count and not yet its sum.
class Histogram {
 public:
  // Upper bounds in ascending order; what lies above the last one is counted too.
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);
  void Observe(absl::Duration value) { Observe(absl::ToDoubleSeconds(value)); }

  const std::vector<double>& bounds() const { return bounds_; }
  // One more than there are bounds; not cumulative.
  std::vector<std::uint64_t> counts() const;
  std::uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// In seconds: the buckets that gRFC A66 fixes for latencies, so that all latencies can be compared.
const std::vector<double>& LatencyBuckets();
// In bytes: the buckets that gRFC A66 fixes for sizes of messages.
const std::vector<double>& SizeBuckets();
// Powers of two up to 4096, for sizes of batches.
const std::vector<double>& CountBuckets();

// All series of one name. Thread-safe.
template <class Metric>
class Family {
 public:
  using Make = std::function<std::unique_ptr<Metric>()>;
  using Visit = std::function<void(const std::vector<std::string>& values, const Metric&)>;

  Family(std::vector<std::string> labels, std::size_t max_series, Make make);

  // Takes a lock: resolve once and keep the handle, which lives as long as the Metrics. There are as many values as
  // labels. Once `max_series` exist, new values share the series whose values are all "other".
  Metric& With(std::vector<std::string> values);
  void ForEach(const Visit& visit) const;
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  const std::vector<std::string> labels_;
  const std::size_t max_series_;
  const Make make_;
  mutable Mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Metric>> series_ ABSL_GUARDED_BY(mutex_);
};

// Ends the sampling of a function when it goes; must not outlive the Metrics.
class Probe {
 public:
  explicit Probe(std::function<void()> remove) : remove_(std::move(remove)) {}
  ~Probe() { remove_(); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

 private:
  std::function<void()> remove_;
};

// The registry: one per process, made by main and injected. Thread-safe. Asking again for a name returns the family
// that exists; asking for it with another type or other labels stops the process.
class Metrics {
 public:
  static constexpr std::size_t kMaxSeries = 1000;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Family<Counter>& Counters(std::string_view name, std::string_view help, std::vector<std::string> labels,
                            std::size_t max_series = kMaxSeries);
  Family<Gauge>& Gauges(std::string_view name, std::string_view help, std::vector<std::string> labels,
                        std::size_t max_series = kMaxSeries);
  Family<Histogram>& Histograms(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                const std::vector<double>& bounds, std::size_t max_series = kMaxSeries);

  // The same without labels.
  Counter& AddCounter(std::string_view name, std::string_view help);
  Gauge& AddGauge(std::string_view name, std::string_view help);
  Histogram& AddHistogram(std::string_view name, std::string_view help, const std::vector<double>& bounds);

  // A gauge read at each scrape, on the scraper's thread; `read` must be quick. Ends with the Probe.
  [[nodiscard]] std::unique_ptr<Probe> AddProbe(std::string_view name, std::string_view help,
                                                std::function<double()> read);

  // What a scrape would see, in Prometheus' text format.
  std::string Text() const;
  std::shared_ptr<prometheus::Collectable> collectable() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace switchyard::telemetry

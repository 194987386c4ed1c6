#include "libs/telemetry/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <utility>
#include <variant>

#include "libs/base/log.h"

namespace switchyard::telemetry {
namespace {

[[noreturn]] void Die(std::string_view message, std::string_view name) {
  LogError(message, {{"metric", name}});
  std::abort();
}

void Fill(const Counter& from, prometheus::ClientMetric& to) { to.counter.value = static_cast<double>(from.value()); }
void Fill(const Gauge& from, prometheus::ClientMetric& to) { to.gauge.value = from.value(); }
void Fill(const Histogram& from, prometheus::ClientMetric& to) {
  const std::vector<std::uint64_t> counts = from.counts();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const double bound = i < from.bounds().size() ? from.bounds()[i] : std::numeric_limits<double>::infinity();
    to.histogram.bucket.push_back({.cumulative_count = total, .upper_bound = bound});
  }
  to.histogram.sample_count = total;
  to.histogram.sample_sum = from.sum();
}

prometheus::MetricType TypeOf(const Counter*) { return prometheus::MetricType::Counter; }
prometheus::MetricType TypeOf(const Gauge*) { return prometheus::MetricType::Gauge; }
prometheus::MetricType TypeOf(const Histogram*) { return prometheus::MetricType::Histogram; }

template <class Metric>
prometheus::MetricFamily Describe(const std::string& name, const std::string& help, const Family<Metric>& family) {
  prometheus::MetricFamily out{
      .name = name, .help = help, .type = TypeOf(static_cast<const Metric*>(nullptr)), .metric = {}};
  family.ForEach([&](const std::vector<std::string>& values, const Metric& metric) {
    prometheus::ClientMetric& one = out.metric.emplace_back();
    for (std::size_t i = 0; i < values.size(); ++i) {
      one.label.push_back({.name = family.labels()[i], .value = values[i]});
    }
    Fill(metric, one);
  });
  return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  if (!std::is_sorted(bounds_.begin(), bounds_.end())) Die("bounds of a histogram must ascend", "");
}

void Histogram::Observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> out(bounds_.size() + 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
  return out;
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (const std::uint64_t n : counts()) total += n;
  return total;
}

const std::vector<double>& LatencyBuckets() {
  static const auto& buckets = *new std::vector<double>{
      0,    0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
      0.01, 0.013,   0.016,   0.02,   0.025,  0.03,   0.04,   0.05,  0.065, 0.08,  0.1,   0.13,  0.16,  0.2,
      0.25, 0.3,     0.4,     0.5,    0.65,   0.8,    1,      2,     5,     10,    20,    50,    100};
  return buckets;
}

const std::vector<double>& SizeBuckets() {
  static const auto& buckets =
      *new std::vector<double>{0,       1024,    2048,     4096,     16384,     65536,      262144,
                               1048576, 4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296};
  return buckets;
}

const std::vector<double>& CountBuckets() {
  static const auto& buckets = *new std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  return buckets;
}

template <class Metric>
Family<Metric>::Family(std::vector<std::string> labels, std::size_t max_series, Make make)
    : labels_(std::move(labels)), max_series_(max_series), make_(std::move(make)) {}

template <class Metric>
Metric& Family<Metric>::With(std::vector<std::string> values) {
  if (values.size() != labels_.size()) Die("as many values as labels are needed", labels_.empty() ? "" : labels_[0]);
  MutexLock lock(mutex_);
  auto found = series_.find(values);
  if (found == series_.end()) {
    if (series_.size() >= max_series_) values.assign(labels_.size(), "other");
    auto [at, added] = series_.try_emplace(std::move(values));
    if (added) at->second = make_();
    found = at;
  }
  return *found->second;
}

template <class Metric>
void Family<Metric>::ForEach(const Visit& visit) const {
  MutexLock lock(mutex_);
  for (const auto& [values, metric] : series_) visit(values, *metric);
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

struct Metrics::State final : public prometheus::Collectable {
  struct ProbeFamily {
    std::map<std::uint64_t, std::function<double()>> reads;
  };
  struct Entry {
    std::string help;
    std::variant<std::unique_ptr<Family<Counter>>, std::unique_ptr<Family<Gauge>>, std::unique_ptr<Family<Histogram>>,
                 std::unique_ptr<ProbeFamily>>
        family;
  };

  template <class T>
  T& Add(std::string_view name, std::string_view help, const std::function<std::unique_ptr<T>()>& make)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    auto [at, added] = entries.try_emplace(std::string(name));
    if (added) at->second = {std::string(help), make()};
    auto* family = std::get_if<std::unique_ptr<T>>(&at->second.family);
    if (family == nullptr) Die("a metric has two types", name);
    return **family;
  }

  template <class T>
  Family<T>& AddFamily(std::string_view name, std::string_view help, std::vector<std::string> labels,
                       std::size_t max_series, typename Family<T>::Make make) {
    MutexLock lock(mutex);
    Family<T>& family =
        Add<Family<T>>(name, help, [&] { return std::make_unique<Family<T>>(labels, max_series, std::move(make)); });
    if (family.labels() != labels) Die("a metric has two sets of labels", name);
    return family;
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> out;
    MutexLock lock(mutex);
    out.reserve(entries.size());
    for (const auto& [name, entry] : entries) {
      if (const auto* probe = std::get_if<std::unique_ptr<ProbeFamily>>(&entry.family)) {
        if ((*probe)->reads.empty()) continue;
        prometheus::MetricFamily family{
            .name = name, .help = entry.help, .type = prometheus::MetricType::Gauge, .metric = {}};
        prometheus::ClientMetric& one = family.metric.emplace_back();
        for (const auto& [id, read] : (*probe)->reads) one.gauge.value += read();
        out.push_back(std::move(family));
      } else if (const auto* counters = std::get_if<std::unique_ptr<Family<Counter>>>(&entry.family)) {
        out.push_back(Describe(name, entry.help, **counters));
      } else if (const auto* gauges = std::get_if<std::unique_ptr<Family<Gauge>>>(&entry.family)) {
        out.push_back(Describe(name, entry.help, **gauges));
      } else if (const auto* histograms = std::get_if<std::unique_ptr<Family<Histogram>>>(&entry.family)) {
        out.push_back(Describe(name, entry.help, **histograms));
      }
    }
    return out;
  }

  mutable Mutex mutex;
  std::map<std::string, Entry, std::less<>> entries ABSL_GUARDED_BY(mutex);
  std::uint64_t next_probe ABSL_GUARDED_BY(mutex) = 0;
};

Metrics::Metrics() : state_(std::make_shared<State>()) {}
Metrics::~Metrics() = default;

Family<Counter>& Metrics::Counters(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                   std::size_t max_series) {
  return state_->AddFamily<Counter>(name, help, std::move(labels), max_series,
                                    [] { return std::make_unique<Counter>(); });
}

Family<Gauge>& Metrics::Gauges(std::string_view name, std::string_view help, std::vector<std::string> labels,
                               std::size_t max_series) {
  return state_->AddFamily<Gauge>(name, help, std::move(labels), max_series, [] { return std::make_unique<Gauge>(); });
}

Family<Histogram>& Metrics::Histograms(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                       const std::vector<double>& bounds, std::size_t max_series) {
  return state_->AddFamily<Histogram>(name, help, std::move(labels), max_series,
                                      [bounds] { return std::make_unique<Histogram>(bounds); });
}

Counter& Metrics::AddCounter(std::string_view name, std::string_view help) { return Counters(name, help, {}).With({}); }
Gauge& Metrics::AddGauge(std::string_view name, std::string_view help) { return Gauges(name, help, {}).With({}); }
Histogram& Metrics::AddHistogram(std::string_view name, std::string_view help, const std::vector<double>& bounds) {
  return Histograms(name, help, {}, bounds).With({});
}

std::unique_ptr<Probe> Metrics::AddProbe(std::string_view name, std::string_view help, std::function<double()> read) {
  State& state = *state_;
  MutexLock lock(state.mutex);
  auto& family = state.Add<State::ProbeFamily>(name, help, [] { return std::make_unique<State::ProbeFamily>(); });
  const std::uint64_t id = state.next_probe++;
  family.reads.emplace(id, std::move(read));
  return std::make_unique<Probe>([&state, &family, id] {
    MutexLock lock(state.mutex);
    family.reads.erase(id);
  });
}

std::string Metrics::Text() const { return prometheus::TextSerializer().Serialize(state_->Collect()); }

std::shared_ptr<prometheus::Collectable> Metrics::collectable() const { return state_; }

}  // namespace switchyard::telemetry

#include "libs/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace switchyard::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, ShowsCountersGaugesAndHistograms) {
  Metrics metrics;
  metrics.Counters("calls_total", "Calls.", {"method"}).With({"Submit"}).Add(3);
  metrics.AddGauge("depth", "Depth.").Set(2.5);
  Histogram& latency = metrics.AddHistogram("latency_seconds", "Latency.", {0.1, 1});
  latency.Observe(0.1);
  latency.Observe(absl::Milliseconds(500));
  latency.Observe(7.0);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("calls_total{method=\"Submit\"} 3"));
  EXPECT_THAT(text, HasSubstr("depth 2.5"));
  EXPECT_THAT(text, HasSubstr("latency_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_THAT(text, HasSubstr("latency_seconds_bucket{le=\"1\"} 2"));
  EXPECT_THAT(text, HasSubstr("latency_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_THAT(text, HasSubstr("latency_seconds_sum 7.6"));
}

TEST(MetricsTest, AskingAgainReturnsTheSameSeries) {
  Metrics metrics;
  Counter& first = metrics.Counters("a_total", "A.", {"l"}).With({"x"});
  EXPECT_EQ(&first, &metrics.Counters("a_total", "A.", {"l"}).With({"x"}));
}

TEST(MetricsTest, SeriesBeyondTheBoundShareOne) {
  Metrics metrics;
  Family<Counter>& family = metrics.Counters("a_total", "A.", {"l"}, 2);
  family.With({"1"}).Add();
  family.With({"2"}).Add();
  family.With({"3"}).Add();
  family.With({"4"}).Add();
  EXPECT_THAT(metrics.Text(), HasSubstr("a_total{l=\"other\"} 2"));
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("l=\"3\"")));
}

TEST(MetricsTest, AProbeIsReadAtEachScrapeUntilItGoes) {
  Metrics metrics;
  double depth = 1;
  auto probe = metrics.AddProbe("depth", "Depth.", [&] { return depth; });
  EXPECT_THAT(metrics.Text(), HasSubstr("depth 1"));
  depth = 2;
  EXPECT_THAT(metrics.Text(), HasSubstr("depth 2"));
  probe.reset();
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("depth")));
}

TEST(MetricsTest, LosesNothingUnderConcurrency) {
  Metrics metrics;
  Counter& counter = metrics.AddCounter("a_total", "A.");
  Histogram& histogram = metrics.AddHistogram("h", "H.", LatencyBuckets());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        counter.Add();
        histogram.Observe(0.5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40000u);
  EXPECT_EQ(histogram.count(), 40000u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 20000);
}

TEST(MetricsDeathTest, ANameHasOneTypeAndOneSetOfLabels) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  Metrics metrics;
  metrics.AddCounter("a_total", "A.");
  EXPECT_DEATH(metrics.AddGauge("a_total", "A."), "two types");
  EXPECT_DEATH(metrics.Counters("a_total", "A.", {"l"}), "two sets of labels");
}

}  // namespace
}  // namespace switchyard::telemetry

#include "libs/telemetry/trace_context.h"

#include <gtest/gtest.h>

#include <memory>

namespace switchyard::telemetry {
namespace {

constexpr std::string_view kSample = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContextTest, ReadsAndWritesTheRecommendationsExample) {
  const auto parsed = TraceContext::Parse(kSample);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(parsed->span_id(), "00f067aa0ba902b7");
  EXPECT_TRUE(parsed->sampled());
  EXPECT_EQ(parsed->Format(), kSample);
}

TEST(TraceContextTest, ReadsLaterVersionsAsFarAsTheFirstOneGoes) {
  EXPECT_TRUE(TraceContext::Parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later").has_value());
}

TEST(TraceContextTest, RefusesWhatIsNotATraceparent) {
  for (const std::string_view bad : {
           "",
           "00",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
       }) {
    EXPECT_FALSE(TraceContext::Parse(bad).has_value()) << bad;
  }
}

TEST(TraceContextTest, AChildKeepsTheTraceAndHasItsOwnSpan) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(7);
  const TraceContext parent = TraceContext::New(*rng);
  const TraceContext child = parent.Child(*rng);
  EXPECT_EQ(child.trace_id(), parent.trace_id());
  EXPECT_NE(child.span_id(), parent.span_id());
  EXPECT_EQ(TraceContext::Parse(child.Format()), child);
}

TEST(TraceContextTest, PassesOnOnlyTheFlagThatIsDefined) {
  const auto parsed = TraceContext::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->Format(), kSample);
}

}  // namespace
}  // namespace switchyard::telemetry

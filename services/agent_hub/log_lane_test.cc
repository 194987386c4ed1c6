#include "services/agent_hub/log_lane.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/in_memory_log_store.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeUuid;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LogLaneTest : public ::testing::Test {
 protected:
  LogChunk Chunk(std::int64_t sequence, std::string data) {
    return {.task = task_, .generation = 1, .sequence = sequence, .data = std::move(data), .time = clock_.Now()};
  }
  std::vector<LogChunk> Stored() {
    const auto read = store_.Read({.task = task_, .max_bytes = 1 << 30});
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : std::vector<LogChunk>();
  }

  testing::FakeClock clock_;
  telemetry::Metrics metrics_;
  HubMeter meter_{metrics_};
  InlineExecutor executor_;
  InMemoryLogStore store_{LogLimits{.head_bytes = 1 << 30, .tail_bytes = 1 << 30}};
  std::vector<TaskId> told_;
  LogLane lane_{store_, executor_, clock_, meter_, [this](const TaskId& task) { told_.push_back(task); }};
  const TaskId task_{FakeUuid(clock_.Now(), 1)};
};

TEST_F(LogLaneTest, OutputWaitsWhileTheDatabaseIsAway) {
  store_.FailWith(absl::UnavailableError("away"));
  lane_.Add({Chunk(1, "one")});
  lane_.Add({Chunk(2, "two")});
  store_.FailWith(absl::OkStatus());
  lane_.Tick();
  EXPECT_THAT(Stored(), IsEmpty()) << "it is given a moment";
  EXPECT_THAT(told_, IsEmpty());
  clock_.Advance(absl::Seconds(1));
  lane_.Tick();
  const std::vector<LogChunk> stored = Stored();
  ASSERT_THAT(stored, SizeIs(2));
  EXPECT_EQ(stored[0].data, "one");
  EXPECT_EQ(stored[1].data, "two");
  EXPECT_THAT(told_, ElementsAre(task_));
}

TEST_F(LogLaneTest, WhatComesLaterGoesOnceTheDatabaseIsBack) {
  store_.FailWith(absl::UnavailableError("away"));
  lane_.Add({Chunk(1, "one")});
  store_.FailWith(absl::OkStatus());
  clock_.Advance(absl::Seconds(1));
  lane_.Add({Chunk(2, "two")});
  EXPECT_THAT(Stored(), SizeIs(2));
}

TEST_F(LogLaneTest, BeyondTheBoundTheMiddleGoes) {
  store_.FailWith(absl::UnavailableError("away"));
  constexpr std::size_t kSize = 1 << 20;
  constexpr int kChunks = 2 * LogLane::kMaxBytes / kSize;
  for (int i = 1; i <= kChunks; ++i) lane_.Add({Chunk(i, std::string(kSize, 'x'))});
  store_.FailWith(absl::OkStatus());
  clock_.Advance(absl::Seconds(10));
  lane_.Tick();
  const std::vector<LogChunk> stored = Stored();
  ASSERT_FALSE(stored.empty());
  EXPECT_EQ(stored.front().sequence, 1);
  EXPECT_EQ(stored.back().sequence, kChunks);
  std::size_t kept = 0;
  std::int64_t omitted = 0;
  for (const LogChunk& chunk : stored) {
    kept += chunk.data.size();
    omitted += chunk.omitted_bytes;
  }
  EXPECT_LE(kept, LogLane::kMaxBytes);
  EXPECT_GE(kept, LogLane::kMaxBytes / 2);
  EXPECT_EQ(kept + static_cast<std::size_t>(omitted), kChunks * kSize);
}

TEST_F(LogLaneTest, WhatTheStoreRefusesIsNotTriedAgain) {
  store_.FailWith(absl::InternalError("no"));
  lane_.Add({Chunk(1, "one")});
  store_.FailWith(absl::OkStatus());
  clock_.Advance(absl::Seconds(10));
  lane_.Tick();
  EXPECT_THAT(Stored(), IsEmpty());
  lane_.Add({Chunk(2, "two")});
  EXPECT_THAT(Stored(), SizeIs(1));
}

}  // namespace
}  // namespace switchyard::agent_hub

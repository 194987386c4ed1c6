#include "services/executor/log_buffer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::executor {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const TaskKey kA{.task_id = "a", .generation = 1};
const TaskKey kB{.task_id = "b", .generation = 1};

LogChunk Chunk(const std::string& text, std::uint64_t dropped_before = 0) {
  return {.text = text, .dropped_before = dropped_before};
}

TEST(LogBufferTest, NumbersFromOneForEachTask) {
  LogBuffer buffer(10'000);
  EXPECT_TRUE(buffer.Push(kA, Chunk("one")));
  EXPECT_FALSE(buffer.Push(kB, Chunk("other")));
  buffer.Push(kA, Chunk("two"));
  const auto logs = buffer.Take(10'000);
  ASSERT_THAT(logs, SizeIs(3));
  EXPECT_EQ(logs[0].sequence, 1);
  EXPECT_EQ(logs[1].sequence, 1);
  EXPECT_EQ(logs[2].sequence, 2);
  EXPECT_EQ(logs[2].text, "two");
  EXPECT_EQ(buffer.bytes(), 0u);
}

TEST(LogBufferTest, WhatDoesNotFitIsCountedInTheNextChunk) {
  LogBuffer buffer(400);
  buffer.Push(kA, Chunk(std::string(200, 'x')));
  buffer.Push(kA, Chunk(std::string(200, 'y')));
  EXPECT_EQ(buffer.dropped(), 200);
  EXPECT_THAT(buffer.Take(1), SizeIs(1));
  buffer.Push(kA, Chunk("z", 5));
  const auto logs = buffer.Take(1'000);
  ASSERT_THAT(logs, SizeIs(1));
  EXPECT_EQ(logs[0].omitted_bytes, 205);
  EXPECT_EQ(logs[0].sequence, 3);
}

TEST(LogBufferTest, TheHubsLimitOfATaskIsKept) {
  LogBuffer buffer(100'000);
  buffer.SetTaskLimit(10);
  buffer.Push(kA, Chunk("12345678"));
  buffer.Push(kA, Chunk("12345678"));
  buffer.Push(kB, Chunk("12345678"));
  buffer.Finish(kA);
  const auto logs = buffer.Take(100'000);
  ASSERT_THAT(logs, SizeIs(3));
  EXPECT_EQ(logs[2].omitted_bytes, 8);
  EXPECT_TRUE(logs[2].last);
  EXPECT_EQ(logs[2].text, "");
}

TEST(LogBufferTest, TheLastChunkSaysSo) {
  LogBuffer buffer(10'000);
  buffer.Push(kA, Chunk("one"));
  buffer.Push(kA, Chunk("two"));
  buffer.Finish(kA);
  const auto logs = buffer.Take(10'000);
  ASSERT_THAT(logs, SizeIs(2));
  EXPECT_FALSE(logs[0].last);
  EXPECT_TRUE(logs[1].last);
}

TEST(LogBufferTest, AfterAllWasSentTheEndIsAChunkOfItsOwn) {
  LogBuffer buffer(10'000);
  buffer.Push(kA, Chunk("one"));
  buffer.Take(10'000);
  buffer.Finish(kA);
  const auto logs = buffer.Take(10'000);
  ASSERT_THAT(logs, SizeIs(1));
  EXPECT_TRUE(logs[0].last);
  EXPECT_EQ(logs[0].sequence, 2);
}

TEST(LogBufferTest, WithoutOutputNothingIsSaid) {
  LogBuffer buffer(10'000);
  buffer.Finish(kA);
  EXPECT_TRUE(buffer.empty());
}

TEST(LogBufferTest, TakesWholeChunksUpToTheBound) {
  LogBuffer buffer(100'000);
  for (int i = 0; i < 10; ++i) buffer.Push(kA, Chunk(std::string(872, 'x')));
  EXPECT_THAT(buffer.Take(2'500), SizeIs(2));
  EXPECT_THAT(buffer.Take(1), SizeIs(1));
  EXPECT_THAT(buffer.Take(1'000'000), SizeIs(7));
  EXPECT_THAT(buffer.Take(1'000'000), IsEmpty());
}

}  // namespace
}  // namespace switchyard::executor

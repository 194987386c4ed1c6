#include "services/executor/log_buffer.h"

#include <string>
#include <vector>

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

std::string TextOf(const std::vector<OutgoingLog>& logs, const TaskKey& key) {
  std::string text;
  for (const OutgoingLog& log : logs) {
    if (log.key != key) continue;
    if (log.omitted_bytes > 0) text += "<" + std::to_string(log.omitted_bytes) + ">";
    text += log.text + (log.last ? "." : " ");
  }
  return text;
}

TEST(LogBufferTest, WhileNobodyReadsHeadAndTailStayAndTheMiddleGoes) {
  // Each chunk costs 130; the first one of a task is its head.
  LogBuffer buffer(4 * 130);
  for (const char* text : {"01", "02", "03", "04", "05", "06", "07"}) buffer.Push(kA, Chunk(text));
  buffer.Finish(kA);
  EXPECT_EQ(buffer.dropped(), 6);
  EXPECT_EQ(TextOf(buffer.Take(10'000), kA), "01 <6>05 06 07.");
  EXPECT_EQ(buffer.bytes(), 0u);
}

TEST(LogBufferTest, WhoHasMostGivesWay) {
  LogBuffer buffer(6 * 130);
  for (const char* text : {"01", "02", "03", "04", "05", "06"}) buffer.Push(kA, Chunk(text));
  for (const char* text : {"11", "12", "13"}) buffer.Push(kB, Chunk(text));
  const auto logs = buffer.Take(10'000);
  EXPECT_EQ(TextOf(logs, kA), "01 <6>05 06 ");
  EXPECT_EQ(TextOf(logs, kB), "11 12 13 ");
}

TEST(LogBufferTest, TheLastWordOfATaskThatIsOverStays) {
  LogBuffer buffer(3 * 130);
  for (const char* text : {"01", "02", "03"}) buffer.Push(kA, Chunk(text));
  buffer.Finish(kA);
  for (const char* text : {"11", "12", "13"}) buffer.Push(kB, Chunk(text));
  buffer.Finish(kB);
  const auto logs = buffer.Take(10'000);
  EXPECT_EQ(TextOf(logs, kA), "01 <2>03.");
  EXPECT_EQ(TextOf(logs, kB), "11 <4>.");
}

TEST(LogBufferTest, BeyondTheHubsLimitTheEndIsKept) {
  LogBuffer buffer(100'000);
  buffer.SetTaskLimit(16);
  for (const char* text : {"0123", "4567", "89ab", "cdef", "ghij", "klmn"}) buffer.Push(kA, Chunk(text));
  EXPECT_EQ(TextOf(buffer.Take(100'000), kA), "0123 4567 89ab ");
  EXPECT_TRUE(buffer.empty());
  buffer.Finish(kA);
  EXPECT_EQ(TextOf(buffer.Take(100'000), kA), "<8>klmn.");
  EXPECT_EQ(buffer.bytes(), 0u);
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

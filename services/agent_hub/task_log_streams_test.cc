#include "services/agent_hub/task_log_streams.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/status_matchers.h"
#include "services/agent_hub/in_memory_log_store.h"

namespace switchyard::agent_hub {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeUuid;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOkAndHolds;

// Takes `room` messages and writes down what it took: texts, and "|" where it had caught up.
class FakeSink final : public LogSink {
 public:
  bool Offer(const std::vector<LogChunk>& chunks, const LogPosition& position, bool caught_up) override {
    if (room == 0) return false;
    --room;
    for (const LogChunk& chunk : chunks) text += chunk.data;
    if (caught_up) text += "|";
    through = position;
    return true;
  }
  void Close(const absl::Status& status) override { end = status; }
  bool open() const override { return !gone && !end.has_value(); }

  int room = 1'000;
  bool gone = false;
  std::string text;
  LogPosition through;
  std::optional<absl::Status> end;
};

class TaskLogStreamsTest : public ::testing::Test {
 protected:
  void Print(std::int64_t generation, std::int64_t sequence, const std::string& data,
             LogStream stream = LogStream::kStdout) {
    SY_ASSERT_OK(store_.Append({{.task = task_,
                                 .generation = generation,
                                 .sequence = sequence,
                                 .stream = stream,
                                 .data = data,
                                 .time = clock_.Now()}},
                               clock_.Now()));
  }
  std::shared_ptr<FakeSink> Read(bool follow, LogRequest request = {}) {
    auto sink = std::make_shared<FakeSink>();
    request.task = task_;
    request.follow = follow;
    SY_EXPECT_OK(streams_.Add(request, sink));
    return sink;
  }
  void TickAll() {
    for (int i = 0; i < 10; ++i) streams_.Tick();
  }

  FakeClock clock_;
  const TaskId task_ = TaskId(FakeUuid(clock_.Now(), 1));
  InMemoryLogStore store_;
  TaskLogStreams streams_{store_, clock_, {.max_streams = 2, .page_bytes = 4}};
};

TEST_F(TaskLogStreamsTest, ReadsWhatIsThereAndEnds) {
  Print(1, 1, "abc");
  Print(1, 2, "def");
  Print(2, 1, "ghi");
  const auto sink = Read(false);
  TickAll();
  EXPECT_EQ(sink->text, "abcdefghi|");
  EXPECT_EQ(sink->through, (LogPosition{2, 1}));
  EXPECT_TRUE(sink->end.has_value() && sink->end->ok());
  EXPECT_EQ(streams_.size(), 0u);
  const auto empty = Read(false, {.task = {}, .generation = 9, .after = {}, .streams = {}});
  TickAll();
  EXPECT_EQ(empty->text, "|");
}

TEST_F(TaskLogStreamsTest, FollowsAtOnceWhatIsStoredHereAndSoonWhatIsStoredElsewhere) {
  Print(1, 1, "a");
  const auto sink = Read(true);
  TickAll();
  EXPECT_EQ(sink->text, "a|");
  EXPECT_EQ(streams_.Rest(), absl::Seconds(1));
  Print(1, 2, "b");
  TickAll();
  EXPECT_EQ(sink->text, "a|") << "nobody said so";
  streams_.Note(task_);
  EXPECT_EQ(streams_.Rest(), absl::ZeroDuration());
  TickAll();
  EXPECT_EQ(sink->text, "a|b|");
  Print(1, 3, "c");
  clock_.Advance(absl::Seconds(1));
  TickAll();
  EXPECT_EQ(sink->text, "a|b|c|");
  EXPECT_FALSE(sink->end.has_value());
  sink->gone = true;
  clock_.Advance(absl::Seconds(1));
  TickAll();
  EXPECT_EQ(streams_.size(), 0u);
}

TEST_F(TaskLogStreamsTest, GoesOnWhereAReaderWasCut) {
  Print(1, 1, "a");
  Print(1, 2, "b");
  SY_ASSERT_OK_AND_ASSIGN(const LogPosition after, ParseResumeToken(ToResumeToken({1, 1})));
  const auto sink = Read(false, {.task = {}, .after = after, .streams = {}});
  TickAll();
  EXPECT_EQ(sink->text, "b|");
  for (const char* odd : {"", "1", "1-", "-1", "a-b", "-1-2", "1--2"}) {
    EXPECT_THAT(ParseResumeToken(odd), IsError("INVALID_FIELD")) << odd;
  }
}

TEST_F(TaskLogStreamsTest, BeginsWithTheTailAndLeavesOutOtherStreams) {
  Print(1, 1, "aaaa");
  Print(1, 2, "bbbb", LogStream::kStderr);
  Print(1, 3, "cccc");
  const auto tail = Read(false, {.task = {}, .after = {}, .tail_bytes = 8, .streams = {}});
  const auto errors = Read(false, {.task = {}, .after = {}, .streams = {LogStream::kStderr}});
  TickAll();
  EXPECT_EQ(tail->text, "bbbbcccc|");
  EXPECT_EQ(errors->text, "bbbb|");
}

TEST_F(TaskLogStreamsTest, AReaderThatDoesNotReadLosesNothingUntilItIsCutOff) {
  for (int i = 1; i <= 6; ++i) Print(1, i, absl::StrCat(i, i, i, i));
  const auto slow = Read(true);
  const auto other = Read(true);
  slow->room = 1;
  TickAll();
  EXPECT_EQ(slow->text, "1111");
  EXPECT_EQ(other->text, "111122223333444455556666|");
  clock_.Advance(absl::Seconds(20));
  slow->room = 1;
  TickAll();
  EXPECT_EQ(slow->text, "11112222");
  clock_.Advance(absl::Seconds(31));
  TickAll();
  ASSERT_TRUE(slow->end.has_value());
  EXPECT_THAT(*slow->end, IsError("SLOW_READER"));
  EXPECT_FALSE(other->end.has_value());
}

TEST_F(TaskLogStreamsTest, BoundsReadersAndTellsThemOfAStoreThatFails) {
  const auto first = Read(true);
  Read(true);
  EXPECT_THAT(streams_.Add({}, std::make_shared<FakeSink>()), IsError("TOO_MANY_LOG_STREAMS"));
  store_.FailWith(absl::UnavailableError("away"));
  TickAll();
  ASSERT_TRUE(first->end.has_value());
  EXPECT_TRUE(absl::IsUnavailable(*first->end));
  EXPECT_EQ(streams_.size(), 0u);
}

}  // namespace
}  // namespace switchyard::agent_hub
